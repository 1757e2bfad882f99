"""A snapshot as a trace: what SimKube's driver applies, what it cannot, and the nodes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.terms import Taint
from env.errors import ScenarioError, TraceError
from env.problems.node_metadata import pools_as_metadata, pools_of_metadata
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import scenario_from_trace
from env.snapshot import Snapshot, trace_of
from env.trace.document import Manifest, Trace, read_trace
from env.trace.spec_hash import spec_hash

_NODES = NodePools(
    (
        NodePool(2, 4_500, 8 * 2**30, 58, labels=(("disk", "ssd"),), taints=(Taint("gpu", "", "NoSchedule"),)),
        NodePool(1, 2_000, 4 * 2**30, 29, resources=(("nvidia.com/gpu", 2),), unschedulable=True, names=("a",)),
    )
)


def _deployment(name: str, replicas: int, **pod: object) -> Manifest:
    labels = {"app": name}
    container = {"name": name, "image": "x", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}},
        },
    }


def _priority_class(value: int) -> Manifest:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "gold", "namespace": ""},
        "value": value,
    }


def _saved(trace: Trace) -> Trace:
    return read_trace(trace.to_bytes(), trace.name)


def test_all_objects_are_applied_at_once_and_tracked_with_path_and_hash() -> None:
    web, claim = (
        _deployment("web", 2),
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}},
    )
    trace = _saved(trace_of(Snapshot("deploy/", (web, claim))))
    assert [event["applied_objs"] for event in trace.events] == [[web, claim]]
    assert trace.config["trackedObjects"] == {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}
    assert trace.index == {"apps/v1.Deployment": {"shop/web": spec_hash(web["spec"])}}


def test_what_the_driver_cannot_apply_is_beside_the_events_and_counts_in_a_replay() -> None:
    scaler = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"name": "web"}},
    }
    low, high = _deployment("low", 4), _deployment("high", 4, priorityClassName="gold")
    snapshot = Snapshot("deploy/", (_priority_class(1000), scaler, low, high), NodePools((NodePool(1, 4_000),)))
    trace = _saved(trace_of(snapshot))
    assert [each["kind"] for each in trace.events[0]["applied_objs"]] == ["Deployment", "Deployment"]
    assert [each["kind"] for each in trace.unapplied] == ["PriorityClass", "ScaledObject"]
    scenario = scenario_from_trace(trace, name="x", deploy="high")
    assert EmbeddedCluster().observe(scenario, None).ready == 4


def test_nodes_come_back_as_they_were() -> None:
    trace = _saved(trace_of(Snapshot("deploy/", (_deployment("web", 1),), _NODES)))
    assert scenario_from_trace(trace, name="x").nodes == _NODES


def test_without_nodes_three_of_the_default_size_in_three_zones_are_assumed() -> None:
    over_zones = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    spread = [{**over_zones, "labelSelector": {"matchLabels": {"app": "web"}}}]
    trace = _saved(trace_of(Snapshot("deploy/", (_deployment("web", 6, topologySpreadConstraints=spread),))))
    scenario = scenario_from_trace(trace, name="x")
    assert str(scenario.nodes) == str(NodePools())
    assert EmbeddedCluster().observe(scenario, None).ready == 6


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", "B/\x1b"], "ab", [1, 2]])
def test_names_of_nodes_that_do_not_fit_are_refused(names: object) -> None:
    pool = {**pools_as_metadata(replace(_NODES, pools=_NODES.pools[:1]))[0], "names": names}
    with pytest.raises(ScenarioError):
        pools_of_metadata([pool])


@pytest.mark.parametrize("entry", [1, {}, {"kind": "Namespace"}, {**_priority_class(1), "metadata": {"name": "x"}}])
def test_an_object_beside_the_events_that_is_none_is_named(entry: object) -> None:
    made = trace_of(Snapshot("deploy/", (_deployment("web", 1),)))
    document = {**made.document, "metadata": {"unapplied": [entry]}}
    with pytest.raises(TraceError, match=r"metadata\.unapplied\[0\]"):
        _saved(Trace(document))
