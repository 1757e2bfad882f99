from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.embedded import cluster as cluster_module
from env.embedded.cluster import EmbeddedCluster
from env.engine.api_server import MAX_PODS
from env.errors import ClusterError, QuantityError, TraceError
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, edited_trace, recorded_resources, scenario_from_trace
from env.problems.virtual_nodes import virtual_nodes
from env.quantity import GIB, MIB
from env.trace.document import Manifest, Trace, load_trace
from env.workload import Resources, WorkloadRef

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]

WEB = WorkloadRef("default", "web")
ONE_NODE = equal_nodes(count=1, cpu_m=4000, memory_bytes=8 * GIB)


def counts(scenario: Scenario, resources: Resources | None = None) -> tuple[int, int, int]:
    """(ready, pending, total)"""
    observation = EmbeddedCluster().observe(scenario, resources)
    return observation.ready, observation.pending, observation.total


# --- what is observed ---------------------------------------------------------------------------------------------


def test_pods_that_fit_are_ready(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    observation = EmbeddedCluster().observe(scenario(trace([deployment()])), None)
    assert (observation.ready, observation.pending, observation.total) == (3, 0, 3)
    assert observation.resources == Resources(500, 512 * MIB, 3)
    assert (observation.nodes, observation.node_cpu_m, observation.cluster_cpu_m) == (3, 16_000, 48_000)
    assert (observation.node_memory_bytes, observation.cluster_memory_bytes) == (32 * GIB, 96 * GIB)
    assert (observation.insufficient_cpu, observation.insufficient_memory, observation.too_many_pods) == (0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "reasons"),
    [
        ({"cpu": "17"}, (3, 0, 0)),
        ({"memory": "33Gi"}, (0, 3, 0)),
        ({"cpu": "17", "memory": "33Gi"}, (3, 3, 0)),
        ({"replicas": 331, "cpu": None, "memory": None}, (0, 0, 3)),
        ({"nodeSelector": {"disk": "ssd"}}, (0, 0, 0)),
    ],
)
def test_pending_pods_say_why(
    asked: Manifest,
    reasons: tuple[int, int, int],
    trace: MakeTrace,
    deployment: MakeDeployment,
    scenario: MakeScenario,
) -> None:
    observation = EmbeddedCluster().observe(scenario(trace([deployment(**asked)])), None)
    assert observation.pending > 0
    assert (observation.insufficient_cpu, observation.insufficient_memory, observation.too_many_pods) == reasons


def test_the_reasons_are_those_of_the_first_pending_pod(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    old, new = deployment(replicas=10, memory="20Gi"), deployment(replicas=10, memory="1Gi", cpu="17")
    observation = EmbeddedCluster().observe(scenario(trace([old], [new]), nodes=equal_nodes(count=5)), None)
    assert (observation.ready, observation.pending) == (5, 8)  # 3 old pods and 5 new ones wait
    assert (observation.insufficient_cpu, observation.insufficient_memory) == (0, 5)


def test_resources_replace_what_was_recorded(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    problem = scenario(trace([deployment(cpu="17")]))
    observation = EmbeddedCluster().observe(problem, Resources(16_000, GIB, 2))
    assert (observation.ready, observation.total) == (2, 2)
    assert observation.resources == Resources(16_000, GIB, 2)


def test_a_workload_that_was_deleted_cannot_be_observed(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    with pytest.raises(ClusterError, match="no Deployment default/web at the end"):
        EmbeddedCluster().observe(scenario(trace([deployment()], ([], [deployment()]))), None)


def test_a_workload_that_never_was_cannot_be_observed(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    for made in (trace(), trace([deployment("other")])):
        for resources in (None, Resources(500, GIB, 3)):
            with pytest.raises(ClusterError, match="no Deployment default/web at the end"):
                EmbeddedCluster().observe(scenario(made), resources)


def test_more_pods_than_kubernetes_supports_cannot_be_observed(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    with pytest.raises(ClusterError, match="at most 150000"):
        EmbeddedCluster().observe(scenario(trace([deployment(replicas=2**31 - 1)])), None)
    assert counts(scenario(trace([deployment(replicas=MAX_PODS)])))[2] == MAX_PODS


@pytest.fixture(params=[0, sys.maxsize], ids=["compiled", "engine"])
def each_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled code takes over at once, or never."""
    monkeypatch.setattr(cluster_module, "COMPILED_FROM", request.param)


@pytest.mark.usefixtures("each_path")
def test_a_replay_that_would_take_hours_is_given_up(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    terms = [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["x" * 2_000_000]}]}]
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    slow = scenario(trace([deployment(affinity={"nodeAffinity": affinity})]), nodes=equal_nodes(count=5000))
    with pytest.raises(ClusterError, match="replay fewer pods, nodes or seconds"):
        EmbeddedCluster().observe(slow, None)


@pytest.mark.usefixtures("each_path")
def test_pods_may_ask_for_a_thousand_kinds_of_resources(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    def asking(kinds: int) -> Scenario:
        requests = {f"example.com/{kinds}-{i}": "1" for i in range(kinds)}
        containers = [{"name": "web", "resources": {"requests": requests}}]
        return scenario(trace([deployment(containers=containers)]), nodes=ONE_NODE)

    cluster = EmbeddedCluster()
    for kinds in (900, 901, 1000):
        assert cluster.observe(asking(kinds), None).pending == 3
    with pytest.raises(ClusterError, match="more than 1000 kinds of resources"):
        cluster.observe(asking(1001), None)


def test_a_quantity_that_kubernetes_refuses_is_an_error(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    with pytest.raises(QuantityError, match="trace test: Deployment default/web: quantity '1 core'"):
        EmbeddedCluster().observe(scenario(trace([deployment(cpu="1 core")])), None)


def test_observing_twice_gives_the_same(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    problem = scenario(trace([deployment(cpu="15", replicas=9)], [deployment(cpu="16", replicas=5)]))
    cluster = EmbeddedCluster()
    assert cluster.observe(problem, None) == cluster.observe(problem, None) == EmbeddedCluster().observe(problem, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(Resources, st.sampled_from([1000, 9000, 17_000]), st.sampled_from([GIB, 40 * GIB]), st.integers(0, 9)),
    st.lists(st.tuples(st.sampled_from(["1", "9", "17"]), st.integers(0, 9)), min_size=1, max_size=4),
)
def test_observing_with_resources_is_observing_the_edited_trace(
    trace: MakeTrace,
    deployment: MakeDeployment,
    scenario: MakeScenario,
    resources: Resources,
    applies: list[tuple[str, int]],
) -> None:
    problem = scenario(trace(*([deployment(cpu=cpu, memory="1Gi", replicas=n)] for cpu, n in applies)))
    written = scenario(edited_trace(problem, resources))
    cluster = EmbeddedCluster()
    assert cluster.observe(problem, resources) == cluster.observe(written, None)
    recorded = recorded_resources(problem.trace, WEB)
    assert cluster.observe(problem, recorded) == cluster.observe(problem, None)


junk = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.sampled_from(["", "1", "Ki", [], [{}], {}])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside nested maps and lists."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
@given(st.data(), junk)
def test_a_damaged_manifest_is_observed_or_refused_and_edited_alike(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario, drawn: st.DataObject, value: Any
) -> None:
    toleration = {"key": "a", "operator": "Exists", "effect": "NoSchedule"}
    init = [{"name": "i", "restartPolicy": "Always", "resources": {"limits": {"cpu": "1"}}}]
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}
    damaged = deployment(
        strategy=strategy, tolerations=[toleration], initContainers=init, nodeSelector={"a": "b"}, overhead={"cpu": "1"}
    )
    *path, last = drawn.draw(st.sampled_from(places(damaged["spec"])[1:]))
    parent = damaged["spec"]
    for key in path:
        parent = parent[key]
    parent[last] = value
    problem = scenario(trace([damaged], [deployment()]))
    wanted = Resources(1000, GIB, 2)
    try:
        observation = EmbeddedCluster().observe(problem, wanted)
    except (TraceError, QuantityError):
        with pytest.raises((TraceError, QuantityError)):
            edited_trace(problem, wanted)
    else:
        assert EmbeddedCluster().observe(scenario(edited_trace(problem, wanted)), None) == observation


# --- scheduling ---------------------------------------------------------------------------------------------------


def test_capacity_is_never_exceeded(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    problem = scenario(trace([deployment(cpu="1500m", replicas=5)]), nodes=ONE_NODE)
    assert counts(problem) == (2, 3, 5)


def test_a_node_holds_110_pods(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    problem = scenario(trace([deployment(cpu="1m", memory="1Mi", replicas=120)]), nodes=equal_nodes(count=1))
    assert counts(problem) == (110, 10, 120)


def test_virtual_nodes_are_labelled_and_tainted_as_simkube_needs_them() -> None:
    node = virtual_nodes(equal_nodes(count=1))[0]
    assert node.labels["type"] == "virtual"
    assert [(taint.key, taint.value, taint.effect) for taint in node.taints] == [
        ("kwok-provider", "true", "NoSchedule")
    ]


def test_virtual_nodes_have_the_labels_of_every_kubelet_and_their_beta_copies(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    labels = {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": "node-1",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
    }
    assert counts(scenario(trace([deployment(nodeSelector=labels)]))) == (3, 0, 3)
    assert counts(scenario(trace([deployment(nodeSelector={"kubernetes.io/os": "windows"})]))) == (0, 3, 3)


def test_a_selector_of_its_own_keeps_a_pod_pending(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    assert counts(scenario(trace([deployment(nodeSelector={"disk": "ssd"})]))) == (0, 3, 3)
    assert counts(scenario(trace([deployment(nodeSelector={"type": "real"})]))) == (3, 0, 3)  # SimKube overrides it


def test_freed_capacity_goes_to_pods_that_wait(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    big, web = deployment("big", replicas=1, cpu="4"), deployment(replicas=2)
    assert counts(scenario(trace([big], [web]), nodes=ONE_NODE)) == (0, 2, 2)
    assert counts(scenario(trace([big], [web], ([], [big])), nodes=ONE_NODE)) == (2, 0, 2)


# --- admission ------------------------------------------------------------------------------------------------------


def test_a_quota_and_a_limit_range_of_the_trace_count(deployment: Any, trace: Any) -> None:
    def other(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": "default"}, "spec": spec}

    quota = other("ResourceQuota", {"hard": {"requests.cpu": "4"}})
    limits = other("LimitRange", {"limits": [{"type": "Container", "defaultRequest": {"cpu": "2"}}]})
    asking = deployment(cpu=None, replicas=3)
    cluster = EmbeddedCluster()
    for objects, seen in (([quota], (0, 0, 0)), ([quota, limits], (2, 0, 2)), ([], (3, 0, 3))):
        scenario = scenario_from_trace(trace(objects, [asking]), name="x")
        found = cluster.observe(scenario, None)
        assert (found.ready, found.pending, found.total) == seen
    gone = scenario_from_trace(trace([quota], [asking], ([], [quota])), name="x")
    assert cluster.observe(gone, None).ready == 3
    (refused, *_) = (event for event in cluster.events(gone, None) if event.reason == "FailedCreate")
    assert refused.message.endswith("is forbidden: failed quota: x: must specify requests.cpu for: web")


# --- scaling and rollouts -----------------------------------------------------------------------------------------


def test_scaling_to_zero_leaves_a_workload_without_pods(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    assert counts(scenario(trace([deployment()], [deployment(replicas=0)]))) == (0, 0, 0)


@pytest.mark.parametrize(
    ("replicas", "ready", "pending"),
    [(1, 1, 1), (4, 3, 2), (10, 8, 5)],
)
def test_a_rolling_update_that_fits_nowhere_keeps_most_old_pods(
    replicas: int, ready: int, pending: int, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    problem = scenario(trace([deployment(replicas=replicas)], [deployment(replicas=replicas, cpu="17")]))
    assert counts(problem) == (ready, pending, ready + pending)


def test_a_stuck_rollout_goes_on_when_another_workload_frees_capacity(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    big = deployment("big", replicas=1, cpu="3")
    events = [[big, deployment(replicas=1)], [deployment(replicas=1, cpu="1")], ([], [big])]
    assert counts(scenario(trace(*events[:2]), nodes=ONE_NODE)) == (1, 1, 2)
    assert counts(scenario(trace(*events), nodes=ONE_NODE)) == (1, 0, 1)


def test_recreate_leaves_nothing_ready_when_the_new_pods_fit_nowhere(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    recreate = {"type": "Recreate"}
    events = [[deployment(strategy=recreate)], [deployment(strategy=recreate, cpu="17")]]
    assert counts(scenario(trace(*events))) == (0, 3, 3)


@pytest.mark.parametrize(("duration_s", "replicas"), [(10, 1), (10.5, 2), (20, 2), (None, 3)])
def test_the_duration_cuts_the_replay(
    duration_s: float | None, replicas: int, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    problem = scenario(trace(*([deployment(replicas=n)] for n in (1, 2, 3))), duration_s=duration_s)
    assert counts(problem) == (replicas, 0, replicas)
    assert recorded_resources(problem.trace, WEB, duration_s).replicas == replicas


# --- real recordings ----------------------------------------------------------------------------------------------


def test_dsb_scaling_ends_with_42_pods_of_27_deployments(data: Path) -> None:
    recorded = load_trace(data / "traces/dsb-scaling.sktrace")
    last: dict[str, int] = {}
    for event in recorded.events:
        last |= {m["metadata"]["name"]: m["spec"]["replicas"] for m in event["applied_objs"]}
    cluster = EmbeddedCluster()
    ready = {}
    for ref in recorded.deployments():
        problem = scenario_from_trace(recorded, name="dsb", deploy=ref.name, nodes=equal_nodes(count=10))
        observation = cluster.observe(problem, None)
        assert (observation.pending, observation.ready) == (0, observation.total)
        ready[ref.name] = observation.ready
    assert ready == last
    assert (len(ready), sum(ready.values())) == (27, 42)
