"""Traces whose Deployments only scale: computed by one compiled call, and the same as the engine decides."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.embedded import cluster
from env.embedded.cluster import EmbeddedCluster
from env.embedded.scaling import ScalingTrace, scaling_trace
from env.embedded.timeline import read_timeline
from env.engine.control_plane import ControlPlane
from env.engine.pods import UNBOUND
from env.engine.scheduling.cluster_shape import ClusterShape
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario, scenario_from_trace
from env.problems.virtual_nodes import virtual_nodes
from env.quantity import GIB
from env.trace.document import Trace, read_trace
from env.trace.msgpack_document import pack
from env.workload import Resources

Make = Callable[..., Any]

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
ZONE = "topology.kubernetes.io/zone"
NAMES = "abcd"
SIZES = ["100m", "500m", "1500m", "3", "9"]


@pytest.fixture(autouse=True, scope="module")
def only_the_engine() -> Iterator[None]:
    """What the compiled replay is held against is never compiled itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "COMPILED_FROM", sys.maxsize)
        yield


def deployment(name: str, replicas: int, size: tuple[str, str, str | None, bool]) -> Any:
    cpu, memory, uses, tolerates = size
    metadata: Any = {"labels": {"app": name}}
    if uses:
        metadata["annotations"] = {"sim-arena.io/demand": json.dumps({"c": {"memory": uses}})}
    pod: Any = {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}
    pod |= {"tolerations": [{"key": "slow", "operator": "Exists"}]} if tolerates else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": metadata, "spec": pod},
        },
    }


def trace_of(events: list[tuple[int, list[Any]]]) -> Trace:
    tracked = {"apps/v1.Deployment": {"podSpecTemplatePaths": ["/spec/template"]}}
    document = {
        "version": 2,
        "config": {"trackedObjects": tracked},
        "events": [{"ts": ts, "applied_objs": applied, "deleted_objs": []} for ts, applied in events],
        "index": {},
        "pod_lifecycles": {},
    }
    return read_trace(pack(document), "scaling")


sizes = st.tuples(
    st.sampled_from(SIZES), st.sampled_from(["64Mi", "2Gi"]), st.sampled_from([None, "1Gi"]), st.booleans()
)
events = st.lists(
    st.tuples(st.integers(0, 20), st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 9)), max_size=4)),
    min_size=1,
    max_size=8,
)
pools = st.lists(
    st.builds(
        NodePool,
        count=st.integers(1, 3),
        cpu_m=st.sampled_from([1000, 4000, 10_000]),
        memory_bytes=st.sampled_from([GIB, 16 * GIB]),
        pods=st.sampled_from([2, 110]),
        labels=st.sampled_from(
            [(), (("topology.kubernetes.io/zone", "z1"),), (("topology.kubernetes.io/zone", "z2"),)]
        ),
        taints=st.just(()),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries({name: sizes for name in NAMES}),
    events,
    pools,
    st.tuples(st.sampled_from([50, 1500, 4000]), st.sampled_from([64 * 2**20, 3 * GIB]), st.integers(0, 9)),
    st.sampled_from([None, 10.0, 30.0]),
)
def test_a_compiled_replay_ends_as_the_engine_does(
    shapes: Any, steps: Any, nodes: list[NodePool], asked: tuple[int, int, int], duration_s: float | None
) -> None:
    now, applied = 100, [(100, [deployment("a", 2, shapes["a"])])]
    for wait, changes in steps:
        now += wait
        applied.append((now, [deployment(name, replicas, shapes[name]) for name, replicas in changes]))
    trace = trace_of(applied)
    found = scaling_trace(read_timeline(trace))
    assert found is not None
    case, shape = scenario(trace, nodes, duration_s), ClusterShape(virtual_nodes(NodePools(tuple(nodes))))
    recorded = found.observe(case, None, shape)
    assert recorded is not None
    assert recorded.observation == EmbeddedCluster().observe(case, None)
    whole = [each for each, pods in recorded.lacking.items() if not pods]
    edited = found.observe(case, Resources(*asked), shape, whole)
    assert edited is not None
    assert edited.observation == EmbeddedCluster().observe(case, Resources(*asked))
    part = found.within(duration_s)
    assert part is not None
    compiled = part.replayed(case.workload.ref, None, shape)
    assert compiled is not None
    assert compiled.counts.tolist() == engine_counts(part, shape)


def engine_counts(trace: ScalingTrace, shape: ClusterShape) -> list[list[int]]:
    """Pods of each workload on each node, by the engine."""
    plane = ControlPlane(shape, events=True)
    for step in trace.timeline.steps:
        plane.advance(step.ts)
        for applied in step.applied:
            plane.apply(applied)
        plane.settle()
    counts = [[0] * len(shape.nodes) for _ in trace.rows]
    for ref, number in trace.rows.items():
        for pod in plane.workloads["Deployment", ref].pods():
            counts[number][pod.row] += pod.row != UNBOUND
    return counts


def test_compiled_replays_take_over_from_the_engine_s_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = deployment("a", 3, ("1", "1Gi", None, False)), deployment("b", 2, ("3", "1Gi", None, False))
    trace = trace_of([(0, [a]), (9, [b])])
    made, case = EmbeddedCluster(), scenario(trace, [NodePool(2, 4000)])
    by_the_engine = [made.observe(case, Resources(100 * i, GIB, 3)) for i in range(1, 30)]
    monkeypatch.setattr(cluster, "COMPILED_FROM", 0)
    compiled = EmbeddedCluster()
    assert [compiled.observe(case, Resources(100 * i, GIB, 3)) for i in range(1, 30)] == by_the_engine
    assert len({each.ready for each in by_the_engine}) > 1


def scenario(trace: Trace, nodes: list[NodePool], duration_s: float | None = None) -> Scenario:
    return scenario_from_trace(
        trace, name="a", deploy="a", target=3, nodes=NodePools(tuple(nodes)), duration_s=duration_s
    )


@pytest.mark.parametrize(
    "change",
    [
        {"minReadySeconds": 5},
        {"paused": True},
        {"nodeName": "node-1"},
        {"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}]},
        {"affinity": {"podAntiAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}]}}},
        {"schedulingGates": [{"name": "wait"}]},
        {"resources": {"requests": {"cpu": "2"}}},
        {"terminationGracePeriodSeconds": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_compiled_replay_does_not_know_is_left_to_the_engine(change: Any) -> None:
    manifest = deployment("a", 1, ("1", "1Gi", None, False))
    own = {"minReadySeconds", "paused"}
    (manifest["spec"] if set(change) <= own else manifest["spec"]["template"]["spec"]).update(change)
    assert scaling_trace(read_timeline(trace_of([(0, [manifest])]))) is None


def test_a_resource_that_another_trace_asks_for_on_the_same_nodes_changes_nothing() -> None:
    plain, with_gpu = deployment("a", 1, ("1", "1Gi", None, False)), deployment("a", 1, ("1", "1Gi", None, False))
    with_gpu["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["nvidia.com/gpu"] = "1"
    one, other = (scaling_trace(read_timeline(trace_of([(0, [manifest])]))) for manifest in (plain, with_gpu))
    assert one is not None
    assert other is not None
    case, shape = (
        scenario(trace_of([(0, [plain])]), [NodePool(1)]),
        ClusterShape(virtual_nodes(NodePools((NodePool(1),)))),
    )
    before = one.observe(case, None, shape)
    assert other.observe(case, None, shape) != before
    assert one.observe(case, None, shape) == before


def test_a_rollout_is_left_to_the_engine() -> None:
    one, other = (deployment("a", 1, (cpu, "1Gi", None, False)) for cpu in ("1", "2"))
    assert scaling_trace(read_timeline(trace_of([(0, [one]), (5, [other])]))) is None


def test_a_workload_that_is_not_in_the_trace_by_then_is_the_engine_s_to_refuse() -> None:
    trace = trace_of([(0, [deployment("b", 1, ("1", "1Gi", None, False))])])
    found = scaling_trace(read_timeline(trace))
    assert found is not None
    assert list(found.rows) == [each.ref for each in trace.deployments()]
