"""What a verdict says it has left out: it concerns the scenario's workload, and only that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.embedded.left_out import LeftOut, left_out
from env.errors import TraceError
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, scenario_from_trace
from env.trace.document import Manifest, Trace

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]

HERE = {"kind": "Deployment", "name": "web"}
PODS = {"apiGroups": [""], "resources": ["pods"], "operations": ["CREATE"]}


def other(kind: str, api_version: str, spec: Manifest, *, namespace: str = "default", **fields: Any) -> Manifest:
    metadata = {"name": "x", "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec, **fields}


def hook(kind: str, *rules: Manifest, **fields: Any) -> Manifest:
    webhooks = [{"name": "x.example.com", "rules": list(rules), **fields}]
    return other(kind, "admissionregistration.k8s.io/v1", {}, webhooks=webhooks)


@pytest.fixture
def found(deployment: MakeDeployment, trace: MakeTrace) -> Callable[..., list[LeftOut]]:
    def found(*others: Manifest, nodes: int = 3, **pod: Any) -> list[LeftOut]:
        made = trace([deployment(**pod), *others])
        return list(left_out(scenario_from_trace(made, name="x", nodes=equal_nodes(count=nodes), deploy="web")))

    return found


def test_nothing_is_left_out_of_a_plain_trace(found: Any) -> None:
    assert found() == []


AUTOSCALER = other(
    "HorizontalPodAutoscaler", "autoscaling/v2", {"scaleTargetRef": HERE, "minReplicas": 2, "maxReplicas": 9}
)


def test_an_autoscaler_owns_the_replicas_of_its_target(found: Any) -> None:
    (only,) = found(AUTOSCALER)
    assert only.owns_replicas
    assert str(only) == (
        "HorizontalPodAutoscaler default/x: sets the replicas from 2 to 9 by load; "
        "the replay keeps those that were recorded"
    )


@pytest.mark.parametrize(
    "autoscaler",
    [
        {**AUTOSCALER, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}}},
        {**AUTOSCALER, "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "web"}}},
        {**AUTOSCALER, "metadata": {"name": "x", "namespace": "elsewhere"}},
    ],
    ids=["other name", "other kind", "other namespace"],
)
def test_an_autoscaler_of_something_else_is_no_matter(found: Any, autoscaler: Manifest) -> None:
    assert found(autoscaler) == []


def test_an_autoscaler_that_is_deleted_is_no_matter(deployment: MakeDeployment, trace: MakeTrace) -> None:
    made = trace([deployment(), AUTOSCALER], ([], [AUTOSCALER]))
    assert left_out(scenario_from_trace(made, name="x")) == ()


def test_keda_owns_the_replicas_too(found: Any) -> None:
    (only,) = found(other("ScaledObject", "keda.sh/v1alpha1", {"scaleTargetRef": {"name": "web"}}))
    assert only.owns_replicas


@pytest.mark.parametrize(("mode", "is_said"), [("Off", False), ("Auto", True), ("Initial", True)])
def test_a_vertical_autoscaler_is_said_unless_it_only_recommends(found: Any, mode: str, is_said: bool) -> None:
    spec = {"targetRef": HERE, "updatePolicy": {"updateMode": mode}}
    said = found(other("VerticalPodAutoscaler", "autoscaling.k8s.io/v1", spec))
    assert [each.kind for each in said] == (["VerticalPodAutoscaler"] if is_said else [])


@pytest.mark.parametrize(("labels", "is_said"), [({"app": "web"}, True), ({"app": "api"}, False), ({}, True)])
def test_a_disruption_budget_is_said_where_it_selects_the_pods(found: Any, labels: Manifest, is_said: bool) -> None:
    said = found(other("PodDisruptionBudget", "policy/v1", {"selector": {"matchLabels": labels}}))
    assert bool(said) is is_said


@pytest.mark.parametrize(
    ("configuration", "consequence"),
    [
        (hook("MutatingWebhookConfiguration", PODS), "may change its pods when they are created"),
        (hook("ValidatingWebhookConfiguration", PODS), "may refuse its pods when they are created"),
        (
            hook("MutatingWebhookConfiguration", {**PODS, "apiGroups": ["apps"], "resources": ["*"]}),
            "may change the Deployment when it is applied",
        ),
        (hook("MutatingWebhookConfiguration", {**PODS, "operations": ["DELETE"]}), ""),
        (hook("MutatingWebhookConfiguration", {**PODS, "resources": ["services"]}), ""),
        (hook("MutatingWebhookConfiguration", PODS, objectSelector={"matchLabels": {"app": "api"}}), ""),
        (
            hook(
                "MutatingWebhookConfiguration",
                PODS,
                namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "elsewhere"}},
            ),
            "",
        ),
        (
            hook("MutatingWebhookConfiguration", PODS, namespaceSelector={"matchLabels": {"inject": "true"}}),
            "may change its pods when they are created",
        ),
        (
            other(
                "ValidatingAdmissionPolicy",
                "admissionregistration.k8s.io/v1",
                {"matchConstraints": {"resourceRules": [PODS]}},
            ),
            "may refuse its pods when they are created",
        ),
    ],
)
def test_admission_is_said_where_it_may_see_the_pods(found: Any, configuration: Manifest, consequence: str) -> None:
    said = found(configuration)
    assert (said[0].consequence.partition(";")[0] if said else "") == consequence
    assert not said or said[0].name == "x"


def test_a_namespaces_labels_decide_whether_a_webhook_sees_it(found: Any) -> None:
    labelled = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "default", "namespace": "default", "labels": {"inject": "false"}},
    }
    assert (
        found(
            labelled, hook("MutatingWebhookConfiguration", PODS, namespaceSelector={"matchLabels": {"inject": "true"}})
        )
        == []
    )


def test_an_account_that_the_trace_lacks_is_named_with_the_real_message(found: Any) -> None:
    (only,) = found(serviceAccountName="runner")
    assert only.name == "default/runner"
    assert 'error looking up service account default/runner: serviceaccount "runner" not found' in only.consequence


@pytest.mark.parametrize("account", ["default", "", "x"])
def test_an_account_that_is_there_is_not_named(found: Any, account: str) -> None:
    assert found(other("ServiceAccount", "v1", {}), serviceAccountName=account) == []


def test_a_priority_class_that_the_trace_lacks_is_named_with_the_real_message(found: Any) -> None:
    (only,) = found(priorityClassName="high")
    assert "no PriorityClass with name high was found" in only.consequence
    assert found(priorityClassName="system-node-critical") == []


CLAIM = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}


def test_a_claim_is_said_and_where_its_volume_is(found: Any) -> None:
    claim = other("PersistentVolumeClaim", "v1", {"accessModes": ["ReadWriteOnce"], "volumeName": "pv"})
    claim["metadata"]["name"] = "data"
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["a"]}
    volume = other(
        "PersistentVolume",
        "v1",
        {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}}},
    )
    volume["metadata"]["name"] = "pv"
    of_claim, of_volume = found(claim, volume, **CLAIM)
    assert of_claim.consequence.endswith("; one node at a time may use it")
    assert "topology.kubernetes.io/zone in (a) only" in of_volume.consequence


PORT = [{"containerPort": 80, "hostPort": 8080}]


def with_ports(manifest: Manifest, ports: list[Manifest]) -> Manifest:
    manifest["spec"]["template"]["spec"]["containers"][0]["ports"] = ports
    return manifest


@pytest.mark.parametrize(("replicas", "is_said"), [(3, False), (5, True)])
def test_a_host_port_is_said_with_more_replicas_than_nodes(
    replicas: int, is_said: bool, deployment: MakeDeployment, trace: MakeTrace
) -> None:
    made = trace([with_ports(deployment(replicas=replicas), PORT)])
    said = left_out(scenario_from_trace(made, name="x", nodes=equal_nodes(count=3)))
    assert [each.consequence for each in said] == (
        [
            "takes host port 8080 of its node, which SimKube drops: a real cluster of 3 nodes would run at most "
            "3 of 5 pods, one per node"
        ]
        if is_said
        else []
    )


def test_a_host_port_that_another_workload_takes_is_said(deployment: MakeDeployment, trace: MakeTrace) -> None:
    twin = with_ports(deployment(name="api"), PORT)
    made = trace([with_ports(deployment(), PORT), twin])
    (only,) = left_out(scenario_from_trace(made, name="x", deploy="web"))
    assert "as Deployment default/api does" in only.consequence


def test_pods_of_another_scheduler_and_gated_ones_are_said_to_be_that(found: Any) -> None:
    (scheduler,) = found(schedulerName="volcano")
    assert scheduler.consequence.startswith("leaves its pods to the scheduler volcano")
    (gate,) = found(schedulingGates=[{"name": "example.com/quota"}])
    assert "wait until example.com/quota removes" in gate.consequence


def test_a_field_that_the_engine_does_not_know_is_said(found: Any) -> None:
    assert [each.consequence for each in found(readinessGates=[{"conditionType": "x"}])] == [
        "uses readinessGates, which the replay ignores"
    ]


def test_a_runtime_class_is_said_and_whether_it_is_there(found: Any) -> None:
    (missing,) = found(runtimeClassName="x")
    assert 'pod rejected: RuntimeClass "x" not found' in missing.consequence
    (there,) = found({**other("RuntimeClass", "node.k8s.io/v1", {}), "handler": "runsc"}, runtimeClassName="x")
    assert there.consequence.startswith("may add overhead")


@pytest.mark.parametrize(("standard", "is_said"), [("restricted", True), ("baseline", True), ("privileged", False)])
def test_a_pod_security_standard_that_the_namespace_enforces_is_said(found: Any, standard: str, is_said: bool) -> None:
    namespace = other("Namespace", "v1", {})
    labels = {"pod-security.kubernetes.io/enforce": standard}
    namespace["metadata"] = {"name": "default", "namespace": "default", "labels": labels}
    assert [each.name for each in found(namespace)] == (["default"] if is_said else [])


def test_a_broken_object_is_named(found: Any) -> None:
    with pytest.raises(TraceError, match="HorizontalPodAutoscaler default/x: scaleTargetRef: must be a map"):
        found({**AUTOSCALER, "spec": {"scaleTargetRef": "web"}})


def test_a_workload_that_is_not_there_leaves_nothing_out(deployment: MakeDeployment, trace: MakeTrace) -> None:
    scenario = scenario_from_trace(trace([deployment()]), name="x")
    gone = Scenario(**{**vars(scenario), "trace": trace([])})
    assert left_out(gone) == ()
