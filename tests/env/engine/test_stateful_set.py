"""StatefulSets: numbered pods, one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def names(cluster: Any) -> list[str]:
    return sorted(pod.name for pod in cluster.pods())


def cpus(cluster: Any) -> list[int]:
    """Millicores by number."""
    return [pod.template.cpu_m for pod in sorted(cluster.pods(), key=lambda pod: pod.ordinal)]


@pytest.fixture
def one(cluster: Make, node: Make) -> Any:
    """A cluster of one node with 4 CPU."""
    return cluster(node("a"))


def test_pods_are_numbered_from_0(one: Any, manifest: Make) -> None:
    assert names(one.apply(manifest("StatefulSet", replicas=3))) == ["web-0", "web-1", "web-2"]


def test_or_from_where_ordinals_start(one: Any, manifest: Make) -> None:
    assert names(one.apply(manifest("StatefulSet", replicas=2, spec={"ordinals": {"start": 5}}))) == ["web-5", "web-6"]


def test_a_pod_waits_for_the_one_before_it(one: Any, manifest: Make) -> None:
    assert one.apply(manifest("StatefulSet", replicas=5, cpu="2")).state() == (2, 1, 3)


def test_parallel_pods_do_not_wait(one: Any, manifest: Make) -> None:
    parallel = {"podManagementPolicy": "Parallel"}
    assert one.apply(manifest("StatefulSet", replicas=5, cpu="2", spec=parallel)).state() == (2, 3, 5)


def test_a_pod_that_never_gets_ready_holds_up_the_others(one: Any, manifest: Make) -> None:
    assert one.apply(manifest("StatefulSet", replicas=3, uses={"cpu": "2"})).state() == (0, 0, 1)


def test_scaling_down_removes_the_highest_number(one: Any, manifest: Make) -> None:
    one.apply(manifest("StatefulSet", replicas=4)).apply(manifest("StatefulSet", replicas=1))
    assert names(one) == ["web-0"]
    assert one.told("SuccessfulDelete") == [
        f"Delete Pod web-{number} in StatefulSet web successful" for number in (3, 2, 1)
    ]


def test_an_update_goes_from_the_highest_number_down(one: Any, manifest: Make) -> None:
    one.apply(manifest("StatefulSet", replicas=3)).apply(manifest("StatefulSet", replicas=3, image="web:2"))
    assert one.told("SuccessfulDelete") == [
        f"Delete Pod web-{number} in StatefulSet web successful" for number in (2, 1, 0)
    ]
    assert one.state() == (3, 0, 3)


def test_an_update_stops_at_the_first_pod_that_does_not_get_ready(one: Any, manifest: Make) -> None:
    one.apply(manifest("StatefulSet", replicas=3)).apply(manifest("StatefulSet", replicas=3, cpu="5"))
    assert (cpus(one), one.state()) == ([1000, 1000, 5000], (2, 1, 3))


def test_a_broken_update_stays_stuck_after_a_rollback(one: Any, manifest: Make) -> None:
    # The known limitation of ordered StatefulSets: a user has to delete the pod.
    for cpu in ("1", "5", "1"):
        one.apply(manifest("StatefulSet", replicas=3, cpu=cpu))
    assert (cpus(one), one.state()) == ([1000, 1000, 5000], (2, 1, 3))


def test_a_parallel_set_recovers_by_a_rollback(one: Any, manifest: Make) -> None:
    for cpu in ("1", "5", "1"):
        one.apply(manifest("StatefulSet", replicas=3, cpu=cpu, spec={"podManagementPolicy": "Parallel"}))
    assert one.state() == (3, 0, 3)


@pytest.mark.parametrize("first", [0, 5])
def test_pods_below_the_partition_keep_their_revision(first: int, one: Any, manifest: Make) -> None:
    ordinals = {"ordinals": {"start": first}}
    part = {**ordinals, "updateStrategy": {"rollingUpdate": {"partition": 2}}}
    one.apply(manifest("StatefulSet", replicas=3, spec=ordinals))
    one.apply(manifest("StatefulSet", replicas=3, cpu="500m", spec=part))
    assert cpus(one) == [1000, 1000, 500]
    one.apply(manifest("StatefulSet", replicas=1, cpu="500m", spec=part))
    assert cpus(one.apply(manifest("StatefulSet", replicas=3, cpu="500m", spec=part))) == [1000, 1000, 500]


def test_on_delete_leaves_old_pods_and_makes_new_ones_of_the_new_revision(one: Any, manifest: Make) -> None:
    lazy = {"updateStrategy": {"type": "OnDelete"}}
    one.apply(manifest("StatefulSet", replicas=1, spec=lazy))
    assert cpus(one.apply(manifest("StatefulSet", replicas=2, cpu="2", spec=lazy))) == [1000, 2000]


def test_each_pod_waits_until_the_one_before_has_been_ready_for_min_ready_seconds(
    cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a")).apply(manifest("StatefulSet", replicas=2, spec={"minReadySeconds": 30}))
    assert [made.wait(wait_s).state() for wait_s in (0, 29, 1)] == [(1, 0, 1), (1, 0, 1), (2, 0, 2)]


def test_an_update_does_so_too(cluster: Make, node: Make, manifest: Make) -> None:
    spec = {"minReadySeconds": 30}
    made = cluster(node("a")).apply(manifest("StatefulSet", replicas=2, spec=spec)).wait(100)
    made.apply(manifest("StatefulSet", replicas=2, cpu="2", spec=spec))
    asked = [[pod.template.cpu_m for pod in made.wait(wait_s).pods()] for wait_s in (0, 29, 1)]
    assert asked == [[1000, 2000], [1000, 2000], [2000, 2000]]
