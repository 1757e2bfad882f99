"""How pods run that ask for less than they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.demand import Shortage, container_shortage
from env.engine.pods import crash_loop, next_restart_s

Make = Callable[..., Any]

HUNGRY = {"memory": "2Gi"}


@pytest.mark.parametrize(
    ("granted", "use", "verdict"),
    [
        ((1000, 100), (1000, 100), None),
        ((1000, 99), (1000, 100), Shortage.OOM_KILLED),
        ((999, 100), (1000, 100), Shortage.CPU_STARVED),
        ((999, 99), (1000, 100), Shortage.OOM_KILLED),
        ((None, None), (1000, 100), None),
        ((1, 1), (0, 0), None),
        ((0, 0), (1, 1), Shortage.OOM_KILLED),
    ],
)
def test_the_verdict_on_a_container(granted: Any, use: Any, verdict: Shortage | None) -> None:
    assert container_shortage(*granted, *use) == verdict


@pytest.mark.parametrize(
    ("elapsed_s", "restarts"),
    [(0, 1), (9, 1), (10, 2), (29, 2), (30, 3), (70, 4), (150, 5), (310, 6), (609, 6), (610, 7), (910, 8)],
)
def test_restarts_follow_kubelets_back_off(elapsed_s: float, restarts: int) -> None:
    assert crash_loop(elapsed_s)[0] == restarts


def test_each_restart_is_where_the_one_before_says() -> None:
    at_s, seen = 0.0, []
    for _ in range(8):
        seen.append(at_s)
        assert crash_loop(at_s)[1] == at_s
        at_s = next_restart_s(at_s)
    assert seen == [0, 10, 30, 70, 150, 310, 610, 910]


def test_a_pod_short_of_memory_crashes_again_and_again(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(memory="1Gi", uses=HUNGRY))
    (pod,) = made.wait(100).pods()
    assert (made.phases(), made.state()) == ({"Running": 1}, (0, 0, 1))
    assert (pod.restarts(0), pod.restarts(100)) == (1, 4)
    assert made.plane.api.scheduler.bound.table.pods[0, 1] == 1  # it holds its place


def test_a_pod_with_enough_never_restarts(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(memory="2Gi", uses=HUNGRY)).wait(1000)
    assert (made.state(), made.pods()[0].restarts(1000)) == ((1, 0, 1), 0)


@pytest.mark.parametrize(
    ("asked", "ready"),
    [
        ({"memory": "1Gi", "limits": {"memory": "2Gi"}}, True),
        ({"memory": "1Gi", "limits": {"memory": "1Gi"}}, False),
        ({"memory": None, "limits": {"memory": "1Gi"}}, False),
        ({"memory": None}, True),
    ],
)
def test_the_limit_counts_and_without_one_the_request(
    asked: Any, ready: bool, cluster: Make, node: Make, manifest: Make
) -> None:
    assert cluster(node("a")).apply(manifest(uses=HUNGRY, **asked)).state() == (int(ready), 0, 1)


def test_a_pod_short_of_cpu_runs_and_never_gets_ready(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(cpu="1", uses={"cpu": "1500m"})).wait(1000)
    assert (made.phases(), made.state(), made.pods()[0].restarts(1000)) == ({"Running": 1}, (0, 0, 1), 0)
    assert made.told("OOMKilled") == []


@pytest.mark.parametrize("uses", [{"memory": "2Gi"}, {"cpu": "2"}])
def test_a_rollout_whose_new_pods_do_not_work_stalls(uses: Any, cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", cpu="64", memory="64Gi")).apply(manifest(replicas=4, cpu="2", memory="2Gi", uses=uses))
    made.apply(manifest(replicas=4, cpu="1", memory="1Gi", uses=uses)).wait(1000)
    assert made.state() == (3, 0, 5)
    assert made.apply(manifest(replicas=4, cpu="3", memory="3Gi", uses=uses)).state() == (4, 0, 4)


def test_a_demand_that_cannot_be_read_is_an_error(cluster: Make, node: Make, manifest: Make) -> None:
    from env.errors import QuantityError, TraceError

    for uses, error in (({"memory": "2 GB"}, QuantityError), ({"disk": "1"}, TraceError)):
        with pytest.raises(error, match="Deployment default/web"):
            cluster(node("a")).apply(manifest(uses=uses))
