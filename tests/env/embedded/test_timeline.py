from __future__ import annotations

import copy
import logging
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.embedded.objects_read import ObjectsRead
from env.embedded.timeline import Timeline, read_timeline
from env.engine.control_plane import ControlPlane
from env.errors import QuantityError, TraceError
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario
from env.problems.virtual_nodes import on_virtual_nodes, virtual_nodes
from env.trace.document import Manifest, Trace, load_trace
from env.workload import ObjectRef, WorkloadRef

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]

POOL = equal_nodes(count=3)


def other(kind: str, name: str = "x", api_version: str = "v1", **fields: Any) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {},
        **fields,
    }


def warnings(trace: Trace, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.WARNING, "env.embedded.cluster"):
        read_timeline(trace)
    return [record.getMessage() for record in caplog.records]


def replayed(timeline: Timeline) -> ControlPlane:
    lives = {key: cycle(spans) for key, spans in timeline.lifetimes.items()}

    def lifetime_s(workload: Any) -> float | None:
        spans = lives.get((workload.kind, workload.ref))
        return None if spans is None else next(spans)

    plane = ControlPlane(virtual_nodes(POOL), now_s=timeline.steps[0].ts, events=True, lifetimes=lifetime_s)
    for step in timeline.steps:
        plane.advance(step.ts)
        for applied in step.applied:
            plane.apply(applied)
        for kind, ref in step.deleted:
            plane.delete(kind, ref)
        plane.settle()
    return plane


def phases(plane: ControlPlane) -> Counter[str]:
    return Counter(pod.phase.value for workload in plane.workloads.values() for pod in workload.pods())


# --- as SimKube's driver applies it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job", "CronJob", "Pod"])
def test_pods_of_every_kind_are_sent_to_virtual_nodes(kind: str, deployment: MakeDeployment) -> None:
    made = deployment(nodeSelector={"disk": "ssd"}, tolerations=[{"key": "k", "operator": "Exists"}])
    template = made["spec"]["template"]
    template["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80}]
    spec = {
        "Pod": template["spec"],
        "CronJob": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}},
    }.get(kind, {"template": template})
    manifest = {**made, "apiVersion": {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")}
    manifest |= {"kind": kind, "spec": spec}
    before = copy.deepcopy(manifest)
    changed = on_virtual_nodes(manifest)["spec"]
    for key in ("jobTemplate", "spec", "template", "spec"):
        changed = changed.get(key, changed)
    assert changed["nodeSelector"] == {"disk": "ssd", "type": "virtual"}
    assert changed["tolerations"] == [
        {"key": "k", "operator": "Exists"},
        {"key": "kwok-provider", "operator": "Exists", "effect": "NoSchedule"},
    ]
    assert "ports" not in changed["containers"][0]
    assert manifest == before


def test_an_object_without_pods_is_left_alone() -> None:
    manifest = other("ConfigMap")
    assert on_virtual_nodes(manifest) is manifest


# --- nothing is ignored in silence ----------------------------------------------------------------------------------


def test_what_is_simulated_is_not_named(
    trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    made = deployment()
    every = [{**made, "kind": kind} for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")]
    every.append({**made, "kind": "Job", "apiVersion": "batch/v1"})
    inert = [
        other("ConfigMap"),
        other("Service"),
        other("Namespace"),
        other("Role", "x", "rbac.authorization.k8s.io/v1"),
    ]
    assert warnings(trace([*every, *inert]), caplog) == []


def test_objects_of_other_kinds_are_named_once(
    trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    scaler = other("HorizontalPodAutoscaler", "web", "autoscaling/v2")
    budget = other("PodDisruptionBudget", "web", "policy/v1")
    rest = [other("PersistentVolumeClaim"), other("LimitRange"), other("Widget", "w", "example.com/v1")]
    problem = trace([scaler, budget, *rest, deployment()], [scaler])
    assert warnings(problem, caplog) == [
        "trace test: not simulated: HorizontalPodAutoscaler default/web; PodDisruptionBudget default/web; "
        "PersistentVolumeClaim default/x; Widget default/w"
    ]


def test_a_kind_of_another_api_group_is_not_taken_for_kubernetes_own(
    trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    service = other("Service", "knative", "serving.knative.dev/v1")
    job = {**deployment("volcano"), "kind": "Job", "apiVersion": "batch.volcano.sh/v1alpha1"}
    made = trace([service, job, deployment()])
    assert [applied.kind for applied in read_timeline(made).steps[0].applied] == ["Deployment"]
    caplog.clear()
    assert warnings(made, caplog) == ["trace test: not simulated: Service default/knative; Job default/volcano"]


@pytest.mark.parametrize(
    ("pod", "named"),
    [
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            "volumes of a PersistentVolumeClaim",
        ),
        ({"schedulerName": "mine"}, "schedulerName mine (the pods stay pending)"),
        ({"schedulingGates": [{"name": "g"}]}, "schedulingGates (the pods stay pending)"),
        ({"resourceClaims": [{"name": "gpu"}]}, "resourceClaims"),
        ({"activeDeadlineSeconds": 5}, "activeDeadlineSeconds"),
    ],
)
def test_fields_that_matter_are_named(
    pod: Manifest, named: str, trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings(trace([deployment(**pod)]), caplog) == [
        f"trace test: not simulated: {named} of Deployment default/web"
    ]


def test_a_priority_class_that_the_trace_does_not_hold_is_named(
    trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    known = other("PriorityClass", "known", "scheduling.k8s.io/v1", value=5)
    names = ("known", "system-node-critical", "unknown")
    made = [deployment(f"d{i}", priorityClassName=name) for i, name in enumerate(names)]
    assert warnings(trace([known, *made]), caplog) == [
        "trace test: not simulated: PriorityClass unknown, which the trace does not hold (its pods count as priority 0)"
    ]


def test_fields_of_jobs_and_stateful_sets_are_named(
    trace: MakeTrace, deployment: MakeDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    job = {**deployment("job"), "kind": "Job", "apiVersion": "batch/v1"}
    job["spec"] = {**job["spec"], "successPolicy": {}, "managedBy": "example.com/x"}
    db = {**deployment("db"), "kind": "StatefulSet"}
    db["spec"] = {**db["spec"], "volumeClaimTemplates": [{}]}
    assert warnings(trace([job, db]), caplog) == [
        "trace test: not simulated: managedBy of Job default/job; successPolicy of Job default/job; "
        "volumeClaimTemplates of StatefulSet default/db"
    ]


@pytest.mark.parametrize(("cpu", "error"), [("1 core", QuantityError), ([], QuantityError)])
def test_a_manifest_that_is_not_valid_names_trace_and_object(
    cpu: Any, error: type[Exception], trace: MakeTrace, deployment: MakeDeployment
) -> None:
    with pytest.raises(error, match="trace test: Deployment default/web: "):
        read_timeline(trace([deployment(cpu=cpu)]))
    with pytest.raises(TraceError, match="trace test: Deployment default/web: spec: must be a map"):
        read_timeline(trace([{**deployment(), "spec": []}]))


# --- recorded lives -------------------------------------------------------------------------------------------------


def test_lives_are_read_in_seconds(trace: MakeTrace, deployment: MakeDeployment) -> None:
    made = trace([deployment()])
    made.pod_lifecycles["apps/v1.Deployment", "default/web"] = {7: [{"Finished": [100, 130]}, {"Running": 100}]}
    assert read_timeline(made).lifetimes == {("Deployment", ObjectRef("default", "web")): (30.0, inf)}


def test_bare_pods_end_as_recorded(data: Path) -> None:
    plane = replayed(read_timeline(load_trace(data / "traces/bare-pods.sktrace")))
    assert phases(plane) == {"Succeeded": 3, "Running": 1}
    assert sorted(pod.ended_s - pod.started_s for w in plane.workloads.values() for pod in w.pods() if pod.ended) == [
        *(12, 30, 30)
    ]
    plane.advance(plane.api.now_s + 3600)
    assert phases(plane) == {"Succeeded": 3, "Running": 1}


def test_a_cron_job_runs_at_every_minute_while_it_exists(data: Path) -> None:
    plane = replayed(read_timeline(load_trace(data / "traces/cronjob.sktrace")))
    created = [event for event in plane.events if event.kind == "CronJob" and event.reason == "SuccessfulCreate"]
    assert len(created) == 3  # as many as have lives in the trace
    assert phases(plane) == {}  # it was deleted at the end


def test_a_recorded_stateful_set_runs_next_to_deployments(data: Path) -> None:
    plane = replayed(read_timeline(load_trace(data / "traces/hist_first.sktrace")))
    assert {str(ref): kind for kind, ref in plane.workloads}
    for workload in plane.workloads.values():
        assert all(pod.ready == (pod.phase.value == "Running") for pod in workload.pods())
    assert "StatefulSet" in {kind for kind, _ in plane.workloads}


def test_pods_of_a_deployment_with_recorded_lives_are_replaced(trace: MakeTrace, deployment: MakeDeployment) -> None:
    made = trace([deployment(replicas=2)], [])
    made.pod_lifecycles["apps/v1.Deployment", "default/web"] = {7: [{"Finished": [100, 100]}]}
    problem = Scenario(made, WorkloadRef("default", "web"), 2, POOL, 60, "test", None)
    observation = EmbeddedCluster().observe(problem, None)
    assert (observation.ready, observation.total) == (2, 2)


def test_what_is_applied_again_is_read_once_and_what_has_changed_anew(
    deployment: MakeDeployment, trace: MakeTrace
) -> None:
    """Whatever else is in the manifests: annotations of a Deployment are no part of what is read."""
    first, noted, more = (deployment(replicas=n) for n in (3, 3, 4))
    noted["metadata"]["annotations"] = {"note": "applied again"}
    pods = [other("Pod", spec={"containers": [{"name": "x"}]}) for _ in range(2)]
    pods[1]["metadata"]["labels"] = {"app": "web"}
    steps = read_timeline(trace([first, pods[0]], [noted, pods[1]], [more])).steps
    deployments = [step.applied[0] for step in steps]
    assert deployments[0] is deployments[1]
    assert [each.spec.resources.replicas for each in deployments] == [3, 3, 4]  # type: ignore[union-attr]
    assert steps[0].applied[1] != steps[1].applied[1]  # a pod's labels are


def test_an_edited_trace_is_read_anew_only_where_it_was_edited(trace: MakeTrace, deployment: MakeDeployment) -> None:
    known, made = ObjectsRead(), trace([deployment("web"), deployment("api")])
    web, api = read_timeline(made, known).steps[0].applied
    edited = made.edited(WorkloadRef("default", "web"), lambda each: {**each, "spec": {**each["spec"], "replicas": 7}})
    new_web, same_api = read_timeline(edited, known).steps[0].applied
    assert same_api is api
    assert new_web is not web
    assert new_web.spec.replicas == 7  # type: ignore[union-attr]


def test_manifests_are_read_anew_under_other_priority_classes(trace: MakeTrace, deployment: MakeDeployment) -> None:
    known, manifest = ObjectsRead(), deployment(priorityClassName="high")
    high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000}
    classed = {**high, "metadata": {"name": "high", "namespace": ""}}
    found = [
        read_timeline(trace(objects), known).steps[0].applied[-1].spec for objects in ([manifest], [classed, manifest])
    ]
    assert [each.template.priority for each in found] == [0, 1000]  # type: ignore[union-attr]
