from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.embedded.closed_form import PlainWorkload, observe_plain, plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, scenario_from_trace
from env.quantity import GIB, MIB
from env.trace.document import Manifest, Trace, load_trace
from env.workload import Resources

MakeDeployment = Callable[..., Manifest]
MakeTrace = Callable[..., Trace]
MakeScenario = Callable[..., Scenario]

asked = st.builds(
    Resources,
    st.sampled_from([0, 50, 399, 400, 1_000, 16_000, 17_000]),
    st.sampled_from([0, 64, 499, 500, 1024, 5 * 1024, 33 * 1024]).map(lambda mebibytes: mebibytes * MIB),
    st.integers(0, 12) | st.integers(0, 1000),
)


@given(st.data())
def test_the_closed_form_is_what_a_replay_ends_in(
    plain_scenarios: st.SearchStrategy[Scenario], data: st.DataObject
) -> None:
    scenario, resources = data.draw(plain_scenarios), data.draw(asked)
    plain = plain_workload(scenario)
    if plain is None:
        return
    workload, recorded = plain
    assert observe_plain(workload, recorded) == EmbeddedCluster().observe(scenario, None)
    assert observe_plain(workload, resources) == EmbeddedCluster().observe(scenario, resources)


@pytest.mark.parametrize("pod", [{"schedulerName": ""}, {"schedulerName": "default-scheduler"}, {"restartPolicy": ""}])
def test_names_that_are_empty_mean_the_default(
    pod: Manifest, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    problem = scenario(trace([deployment(**pod)]))
    assert EmbeddedCluster().observe(problem, None).ready == 3
    plain = plain_workload(problem)
    assert plain is None or observe_plain(*plain).ready == 3


def test_the_demo_traces_are_plain(data: Path) -> None:
    for path in sorted((data / "traces/sim-arena").glob("trace-*.msgpack")):
        scenario = scenario_from_trace(load_trace(path), name=path.stem, target=3)
        plain = plain_workload(scenario)
        assert plain is not None
        assert observe_plain(*plain) == EmbeddedCluster().observe(scenario, None)


@pytest.mark.parametrize(
    ("cpu_m", "memory_mib", "replicas", "ready", "reasons"),
    [
        (1_000, 512, 3, 3, (0, 0, 0)),
        (9_000, 512, 3, 3, (0, 0, 0)),
        (9_000, 512, 4, 3, (3, 0, 0)),
        (17_000, 512, 3, 0, (3, 0, 0)),
        (17_000, 33 * 1024, 3, 0, (3, 3, 0)),
        (16_000, 32 * 1024, 4, 3, (3, 3, 0)),
        (0, 0, 331, 330, (0, 0, 3)),
    ],
)
def test_every_node_takes_the_same_number_of_pods(
    cpu_m: int, memory_mib: int, replicas: int, ready: int, reasons: tuple[int, int, int]
) -> None:
    seen = observe_plain(PlainWorkload(3, 16_000, 32 * GIB, 110), Resources(cpu_m, memory_mib * MIB, replicas))
    assert (seen.ready, seen.pending, seen.total) == (ready, replicas - ready, replicas)
    assert (seen.insufficient_cpu, seen.insufficient_memory, seen.too_many_pods) == reasons


@pytest.mark.parametrize(
    ("cpu_m", "memory_mib", "counts"),
    [(400, 500, (3, 0, 0)), (399, 500, (0, 0, 3)), (400, 499, (0, 3, 0)), (399, 499, (0, 3, 0))],
)
def test_pods_that_get_less_than_they_use_are_never_ready(
    cpu_m: int, memory_mib: int, counts: tuple[int, int, int]
) -> None:
    workload = PlainWorkload(3, 16_000, 32 * GIB, 110, cpu_use_m=400, memory_use_bytes=500 * MIB)
    seen = observe_plain(workload, Resources(cpu_m, memory_mib * MIB, 3))
    assert (seen.ready, seen.oom_killed, seen.cpu_starved) == counts
    assert (seen.pending, seen.total) == (0, 3)


def test_a_limit_above_the_request_is_what_a_container_gets() -> None:
    workload = PlainWorkload(1, 16_000, 32 * GIB, 110, cpu_use_m=400, cpu_limit_m=500)
    assert observe_plain(workload, Resources(100, GIB, 1)).ready == 1


@pytest.mark.parametrize(
    "pod",
    [
        {"nodeSelector": {"disk": "ssd"}},
        {"nodeName": "node-1"},
        {"affinity": {"podAntiAffinity": {"x": 1}}},
        {"topologySpreadConstraints": [{"maxSkew": 1}]},
        {"hostNetwork": True},
        {"schedulerName": "mine"},
        {"priorityClassName": "high"},
        {"restartPolicy": "Never"},
        {"containers": [{"name": "web", "ports": [{"containerPort": 80, "hostPort": 80}]}]},
        {"containers": [{"name": "web", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
        {"containers": []},
        {"containers": [{"name": "web", "resources": {"requests": {"cpu": "lots"}}}]},
    ],
)
def test_what_else_decides_where_pods_go_is_not_plain(
    pod: Manifest, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    assert plain_workload(scenario(trace([deployment(**pod)]))) is None
    assert plain_workload(scenario(trace([deployment(tolerations=[{"operator": "Exists"}])]))) is not None


def test_more_than_one_apply_is_not_plain(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    web, db = deployment(), deployment("db")
    assert plain_workload(scenario(trace([web], []))) is not None
    for events in ([[web], [web]], [[web, db]], [[web], ([], [db])], [[db]]):
        assert plain_workload(scenario(trace(*events))) is None
    assert plain_workload(scenario(trace([web], [web]), duration_s=5)) is not None


def test_pods_that_end_by_themselves_are_not_plain(
    trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    recorded = trace([deployment()])
    recorded.document["pod_lifecycles"] = {("apps/v1.Deployment", "default/web"): {1: [{"Running": 5}]}}
    assert plain_workload(scenario(recorded)) is None


def test_a_paused_deployment_is_not_plain(trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario) -> None:
    manifest = deployment()
    manifest["spec"]["paused"] = True
    assert plain_workload(scenario(trace([manifest]))) is None


@pytest.mark.parametrize("memory", ["1Ti", "2Ti"])
def test_numbers_that_float64_may_not_hold_are_not_plain(
    memory: str, trace: MakeTrace, deployment: MakeDeployment, scenario: MakeScenario
) -> None:
    is_plain = plain_workload(scenario(trace([deployment(memory=memory)]))) is not None
    assert is_plain == (memory == "1Ti")
    assert plain_workload(scenario(trace([deployment()]), nodes=equal_nodes(memory_bytes=2**41))) is None


@pytest.mark.parametrize(
    ("demand", "requests", "is_plain"),
    [
        ('{"web": {"cpu": "1"}}', {"cpu": "1"}, True),
        ('{"web": {"cpu": "1"}}', {}, False),
        ('{"log": {"cpu": "1"}}', {"cpu": "1"}, False),
        ("nonsense", {"cpu": "1"}, False),
    ],
)
def test_a_demand_is_plain_where_the_edited_request_alone_decides(
    demand: str,
    requests: Manifest,
    is_plain: bool,
    trace: MakeTrace,
    deployment: MakeDeployment,
    scenario: MakeScenario,
) -> None:
    manifest: Any = deployment(containers=[{"name": "web", "resources": {"requests": requests}}, {"name": "log"}])
    manifest["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": demand}
    assert (plain_workload(scenario(trace([manifest]))) is not None) == is_plain


@given(st.integers(1, 100), st.integers(1, 2**33), st.integers(-1, 1))
def test_pods_that_fit_a_node_by_one_millicore_or_byte_are_counted_exactly(pods: int, request: int, more: int) -> None:
    room = pods * request + more
    resources = Resources(request, request, 400)
    assert observe_plain(PlainWorkload(1, room, 2**40, 1_000), resources).ready == min(
        400, room // request, 2**40 // request
    )
    assert observe_plain(PlainWorkload(1, 2**40, room, 1_000), resources).ready == min(
        400, room // request, 2**40 // request
    )
