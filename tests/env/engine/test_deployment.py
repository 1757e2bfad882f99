"""What Deployments and ReplicaSets do with their pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.engine.controllers.rollout import proportional_sizes
from env.engine.manifests.strategy import RolloutStrategy

Make = Callable[..., Any]


def rolling(surge: int | str = "25%", unavailable: int | str = "25%", **spec: Any) -> Any:
    return {"strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}, **spec}


def revisions(cluster: Any) -> list[int]:
    """Pods per ReplicaSet of web, oldest first."""
    return [len(each.members) for each in cluster.workload().sets if each.members]


@pytest.fixture
def wide(cluster: Make, node: Make) -> Any:
    """A cluster of three nodes with 16 CPU each."""
    return cluster(*(node(name, cpu="16", memory="32Gi") for name in "abc"))


# --- arithmetic -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "posts"), [(1, (1, 0)), (2, (1, 0)), (4, (1, 1)), (10, (3, 2)), (100, (25, 25))])
def test_a_quarter_surges_rounded_up_and_is_unavailable_rounded_down(replicas: int, posts: tuple[int, int]) -> None:
    assert RolloutStrategy().fenceposts(replicas) == posts


def test_numbers_are_taken_as_they_are() -> None:
    assert RolloutStrategy(max_surge=2, max_unavailable=0).fenceposts(10) == (2, 0)


def test_one_pod_may_be_missing_when_both_are_zero() -> None:
    assert RolloutStrategy(max_surge=0, max_unavailable="10%").fenceposts(4) == (0, 1)


def test_growth_amid_a_rollout_is_shared_in_proportion() -> None:
    # The example of the documentation: 10 replicas, surge 3, 8 old and 5 new pods, scaled to 15.
    assert proportional_sizes([(8, 13), (5, 13)], 18, 15) == [11, 7]


def test_shrinking_amid_a_rollout_is_shared_in_proportion() -> None:
    assert proportional_sizes([(8, 13), (5, 13)], 7, 5) == [4, 3]


def test_scaling_to_nothing_empties_all_sets() -> None:
    assert proportional_sizes([(8, 13), (5, 13)], 0, 0) == [0, 0]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 80)), min_size=2, max_size=4), st.integers(1, 99))
def test_all_that_is_allowed_is_shared_out(sets: list[tuple[int, int]], allowed: int) -> None:
    sizes = proportional_sizes(sets, allowed, allowed)
    assert min(sizes) >= 0
    assert sum(sizes) == allowed or (sum(sizes) > allowed and 0 in sizes)


# --- rolling updates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 4, 10])
def test_a_rolling_update_that_fits_replaces_every_pod(replicas: int, wide: Any, manifest: Make) -> None:
    wide.apply(manifest(replicas=replicas)).apply(manifest(replicas=replicas, image="web:2"))
    assert revisions(wide) == [replicas]
    assert wide.state() == (replicas, 0, replicas)


@pytest.mark.parametrize(("replicas", "ready", "pending"), [(1, 1, 1), (4, 3, 2), (10, 8, 5)])
def test_a_rolling_update_that_fits_nowhere_keeps_most_old_pods(
    replicas: int, ready: int, pending: int, wide: Any, manifest: Make
) -> None:
    wide.apply(manifest(replicas=replicas)).apply(manifest(replicas=replicas, cpu="17"))
    assert wide.state() == (ready, pending, ready + pending)


def test_a_stuck_rollout_goes_on_when_there_is_room(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(name="big", cpu="3"), manifest(cpu="500m")).apply(manifest(cpu="1"))
    assert made.state() == (1, 1, 2)
    assert made.delete("Deployment", "big").state() == (1, 0, 1)


def test_pods_that_never_ran_are_replaced_first(wide: Any, manifest: Make) -> None:
    wide.apply(manifest(replicas=4, cpu="17")).apply(manifest(replicas=4))
    assert (wide.state(), revisions(wide)) == ((4, 0, 4), [4])


def test_a_rollback_keeps_the_old_pods_that_still_run(wide: Any, manifest: Make) -> None:
    wide.apply(manifest(replicas=4)).apply(manifest(replicas=4, cpu="17"))
    kept = [pod for pod in wide.pods() if pod.ready]
    wide.apply(manifest(replicas=4))
    assert revisions(wide) == [4]
    assert [pod for pod in wide.pods() if pod in kept] == kept


def test_a_third_revision_shrinks_the_oldest_pods_first(wide: Any, manifest: Make) -> None:
    wide.apply(manifest(replicas=4)).apply(manifest(replicas=4, cpu="17")).apply(manifest(replicas=4, cpu="18"))
    # The second revision never ran, so its pods are the unhealthy ones that go first.
    assert [(each.template.cpu_m, len(each.members)) for each in wide.workload().sets] == [(1000, 3), (18000, 2)]


def test_recreate_removes_all_old_pods_before_the_first_new_one(cluster: Make, node: Make, manifest: Make) -> None:
    recreate = {"strategy": {"type": "Recreate"}}
    made = cluster(node("a")).apply(manifest(replicas=4, spec=recreate))
    assert made.apply(manifest(replicas=4, image="web:2", spec=recreate)).state() == (4, 0, 4)
    assert made.apply(manifest(replicas=4, cpu="5", spec=recreate)).state() == (0, 4, 4)


def test_a_paused_deployment_scales_but_does_not_roll_out(wide: Any, manifest: Make) -> None:
    paused = {"paused": True}
    wide.apply(manifest(replicas=2)).apply(manifest(replicas=5, image="web:2", spec=paused))
    assert (revisions(wide), wide.state()) == ([5], (5, 0, 5))
    first = wide.pods()
    assert [pod in first for pod in wide.apply(manifest(replicas=5, image="web:2")).pods()] == [False] * 5


def test_a_deployment_that_starts_paused_makes_nothing(wide: Any, manifest: Make) -> None:
    assert wide.apply(manifest(spec={"paused": True})).state() == (0, 0, 0)


def test_scaling_amid_a_stuck_rollout_is_shared_in_proportion(wide: Any, manifest: Make) -> None:
    asked = {"spec": rolling(3, 2)}
    wide.apply(manifest(replicas=10, **asked)).apply(manifest(replicas=10, cpu="17", **asked))
    assert revisions(wide) == [8, 5]
    wide.apply(manifest(replicas=15, cpu="17", **asked))
    assert revisions(wide) == [11, 7]


def test_a_new_set_that_happens_to_be_of_the_size_asked_for_is_scaled_like_the_others(
    cluster: Make, node: Make, manifest: Make
) -> None:
    paused = {"paused": True}
    made = cluster(node("a", cpu="8")).apply(manifest("Pod", "big", cpu="4")).apply(manifest(replicas=4))
    made.apply(manifest(replicas=4, cpu="2")).apply(manifest(replicas=4, cpu="2", spec=paused)).delete("Pod", "big")
    assert (revisions(made), made.state()) == ([3, 2], (5, 0, 5))
    # Its annotation still says 4 replicas, so it does not count as saturated (`IsSaturated`).
    assert revisions(made.apply(manifest(replicas=2, cpu="2", spec=paused))) == [2, 1]


def test_new_pods_count_only_after_min_ready_seconds(wide: Any, manifest: Make) -> None:
    asked = {"replicas": 2, "spec": rolling(1, 0, minReadySeconds=30)}
    wide.apply(manifest(**asked)).wait(60).apply(manifest(image="web:2", **asked))
    assert revisions(wide) == [2, 1]
    assert revisions(wide.wait(29)) == [2, 1]
    assert revisions(wide.wait(1)) == [1, 2]
    assert revisions(wide.wait(30)) == [2]


def test_a_shorter_min_ready_seconds_counts_at_once(wide: Any, manifest: Make) -> None:
    wide.apply(manifest(spec=rolling(1, 0))).apply(manifest(image="web:2", spec=rolling(1, 0, minReadySeconds=9999)))
    assert revisions(wide) == [1, 1]
    assert revisions(wide.apply(manifest(image="web:2", spec=rolling(1, 0)))) == [1]


# --- scaling --------------------------------------------------------------------------------------------------------


def test_scaling_up_keeps_the_pods_that_run(wide: Any, manifest: Make) -> None:
    before = wide.apply(manifest(replicas=2)).pods()
    assert wide.apply(manifest(replicas=5)).pods()[:2] == before
    assert wide.state() == (5, 0, 5)


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
def test_scaling_down_removes_pending_pods_first(kind: str, wide: Any, manifest: Make) -> None:
    wide.apply(manifest(kind, replicas=5, cpu="10"))
    running = [pod for pod in wide.pods() if pod.ready]
    assert wide.apply(manifest(kind, replicas=3, cpu="10")).pods() == running


def test_then_pods_that_run_but_are_not_ready(wide: Any, manifest: Make) -> None:
    starved = {"uses": {"cpu": "2"}}
    wide.apply(manifest("ReplicaSet", replicas=2)).apply(manifest("ReplicaSet", replicas=4, **starved))
    assert [pod.ready for pod in wide.apply(manifest("ReplicaSet", replicas=2, **starved)).pods()] == [True, True]


def test_then_pods_that_share_a_node(wide: Any, manifest: Make) -> None:
    wide.apply(manifest("ReplicaSet", replicas=4, cpu="1"))
    assert sorted(wide.placed().values()) == [1, 1, 2]
    assert sorted(wide.apply(manifest("ReplicaSet", replicas=3)).placed().values()) == [1, 1, 1]


def test_then_the_newest(wide: Any, manifest: Make) -> None:
    before = wide.apply(manifest(replicas=2)).wait(1).apply(manifest(replicas=3)).pods()
    assert wide.apply(manifest(replicas=2)).pods() == before[:2]


def test_a_replica_set_of_its_own_does_not_replace_pods(wide: Any, manifest: Make) -> None:
    old = wide.apply(manifest("ReplicaSet", replicas=2)).pods()
    pods = wide.apply(manifest("ReplicaSet", replicas=3, cpu="2")).pods()
    assert (pods[:2], [pod.template.cpu_m for pod in pods]) == (old, [1000, 1000, 2000])


def test_a_deployment_that_is_deleted_takes_its_pods_along(wide: Any, manifest: Make) -> None:
    wide.apply(manifest(replicas=4)).delete("Deployment", "web")
    assert not wide.plane.api.scheduler.bound.table.used.any()
    assert wide.apply(manifest(replicas=2, image="web:2")).state() == (2, 0, 2)


def test_a_pod_that_ends_is_replaced(cluster: Make, node: Make, manifest: Make) -> None:
    for kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
        made = cluster(node("a"), lifetimes=lambda owner: 30.0).apply(manifest(kind))
        (first,) = made.pods()
        (second,) = made.wait(31).pods()
        assert (second is first, second.ready) == (False, True), kind
