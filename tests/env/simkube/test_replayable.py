"""What is left out of a trace so that SimKube can replay it, and what the cluster must have instead."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from fake_api import FakeApi

from env.errors import ClusterError
from env.kube.client import KubeApi
from env.problems.scenario import Scenario
from env.simkube import gates
from env.simkube.cluster import SimKubeCluster
from env.simkube.replayable import priority_classes, replayable
from env.trace.document import Trace, read_trace

Manifest = dict[str, Any]


def trace_of(*applied: Manifest, tracked: Manifest | None = None, deleted: tuple[Manifest, ...] = ()) -> Trace:
    events = [{"ts": 0, "applied_objs": list(applied), "deleted_objs": list(deleted)}]
    config = {"trackedObjects": tracked or {}}
    return Trace({"version": 2, "config": config, "events": events, "index": {}, "pod_lifecycles": {}}, "test")


def workload(kind: str = "Deployment", version: str = "apps/v1", **pod: Any) -> Manifest:
    """An object whose pods ask for `pod`."""
    metadata = {"name": "web", "namespace": "default"}
    template = {"spec": {"containers": [], **pod}}
    spec = {"spec": pod} if kind == "Pod" else {"spec": {"template": template}}
    if kind == "CronJob":
        spec = {"spec": {"jobTemplate": spec}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **spec}


def named(version: str, kind: str, name: str, **rest: Any) -> Manifest:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **rest}


ACCOUNT = named("v1", "ServiceAccount", "shop")
CLASS = named("scheduling.k8s.io/v1", "PriorityClass", "high", value=1_000)


@pytest.mark.parametrize(
    ("pod", "others", "left", "said"),
    [
        ({"serviceAccountName": "shop", "serviceAccount": "shop"}, [], {}, ("ServiceAccount default/shop",)),
        ({"serviceAccountName": "shop"}, [ACCOUNT], {"serviceAccountName": "shop"}, ()),
        ({"serviceAccountName": "default"}, [], {"serviceAccountName": "default"}, ()),
        ({"priorityClassName": "high", "priority": 9}, [], {}, ("PriorityClass high",)),
        ({"priorityClassName": "high"}, [CLASS], {"priorityClassName": "high"}, ()),
        ({"priorityClassName": "system-node-critical"}, [], {"priorityClassName": "system-node-critical"}, ()),
        ({"runtimeClassName": "gvisor", "overhead": {"cpu": "1"}}, [], {}, ("RuntimeClass gvisor",)),
    ],
)
@pytest.mark.parametrize(
    ("kind", "version"), [("Deployment", "apps/v1"), ("CronJob", "batch/v1"), ("Job", "batch/v1"), ("Pod", "v1")]
)
def test_pods_do_without_what_the_cluster_will_not_have(
    pod: Manifest, others: list[Manifest], left: Manifest, said: tuple[str, ...], kind: str, version: str
) -> None:
    trace, found = replayable(trace_of(*others, workload(kind, version, **pod)))
    assert found == said
    assert trace.events[0]["applied_objs"][-1] == workload(kind, version, **left)


def test_objects_without_a_namespace_end_the_driver_and_are_left_out() -> None:
    namespace = named("v1", "Namespace", "shop")
    trace, said = replayable(trace_of(namespace, CLASS, ACCOUNT, deleted=(namespace, ACCOUNT)))
    assert said == ("Namespace shop",)
    assert (trace.events[0]["applied_objs"], trace.events[0]["deleted_objs"]) == ([ACCOUNT], [ACCOUNT])


@pytest.mark.parametrize(
    ("kind", "entry", "left"),
    [
        ("apps/v1.Deployment", {}, {"podSpecTemplatePaths": ["/spec/template"]}),
        ("apps/v1.Deployment", {"podSpecTemplatePath": "/spec"}, {"podSpecTemplatePaths": ["/spec/template"]}),
        ("v1.Pod", {"skipOwned": True}, {"podSpecTemplatePaths": [""], "skipOwned": True}),
        ("apps/v1.ReplicaSet", {"podSpecTemplatePaths": ["/spec"]}, None),
        ("v1.ConfigMap", {}, None),
        ("v1.ConfigMap", {"podSpecTemplatePaths": []}, None),
        ("x.io/v1.Farm", {"podSpecTemplatePath": "/spec/pods/*"}, {"podSpecTemplatePaths": ["/spec/pods/*"]}),
        ("x.io/v1.Farm", {"podSpecTemplatePaths": ["/a", "/b"]}, {"podSpecTemplatePaths": ["/a", "/b"]}),
    ],
)
def test_tracked_kinds_are_as_simkube_takes_them(kind: str, entry: Manifest, left: Manifest | None) -> None:
    trace, said = replayable(trace_of(tracked={kind: entry}))
    assert trace.config["trackedObjects"] == ({} if left is None else {kind: left})
    assert said == ()
    read_trace(trace.to_bytes(), "again")


def test_all_kinds_with_pods_are_tracked_as_daemon_sets_would_else_run_on_other_nodes() -> None:
    applied = [workload(), workload("DaemonSet"), workload("ReplicaSet"), ACCOUNT]
    trace, said = replayable(trace_of(*applied, tracked={"apps/v1.Deployment": {"trackLifecycle": True}}))
    paths = {"podSpecTemplatePaths": ["/spec/template"]}
    assert trace.config["trackedObjects"] == {
        "apps/v1.DaemonSet": paths,
        "apps/v1.Deployment": {**paths, "trackLifecycle": True},
    }
    assert said == ()


def test_the_trace_in_memory_is_not_touched() -> None:
    trace = trace_of(workload(serviceAccountName="shop"), tracked={"v1.ConfigMap": {}})
    before = copy.deepcopy(trace.document)
    replayable(trace)
    assert trace.document == before


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            None,
            r"PriorityClass high of the trace is not in the cluster: kubectl create priorityclass high --value",
        ),
        ({**CLASS, "value": 7}, "PriorityClass high of the trace is another one in the cluster"),
        ({**CLASS, "preemptionPolicy": "Never"}, "PriorityClass high of the trace is another one in the cluster"),
        ({**CLASS, "preemptionPolicy": "PreemptLowerPriority"}, None),
    ],
)
def test_the_cluster_must_have_the_priorities_of_the_trace(
    fake: FakeApi, kube: KubeApi, there: Manifest | None, message: str | None
) -> None:
    classes = priority_classes(trace_of(CLASS, ACCOUNT))
    if there is not None:
        fake.put({**there, "metadata": {"name": "high"}})
    if message is None:
        gates.check_priorities(kube, classes)
        return
    with pytest.raises(ClusterError, match=message):
        gates.check_priorities(kube, classes)
    fake.fail(403, path="/priorityclasses/")
    gates.check_priorities(kube, classes)


def test_what_is_left_out_is_said_and_the_rest_observed(
    cluster: Callable[..., SimKubeCluster],
    scenario: Callable[..., Scenario],
    deployment: Callable[..., Manifest],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "env.simkube")
    manifest = deployment()
    manifest["spec"]["template"]["spec"] |= {"serviceAccountName": "shop", "priorityClassName": "high"}
    simkube = cluster()
    assert simkube.observe(scenario([manifest], []), None).ready == 3
    said = "left out, as the cluster has no such thing: ServiceAccount default/shop, PriorityClass high"
    assert said in caplog.text
    simkube.close()
