from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.rollout import SetSize, Strategy, next_sizes

NONE = SetSize(0, 0)


def whole(pods: int) -> SetSize:
    return SetSize(pods, pods)


@pytest.mark.parametrize(("replicas", "posts"), [(1, (1, 0)), (2, (1, 0)), (4, (1, 1)), (10, (3, 2)), (100, (25, 25))])
def test_a_quarter_surges_rounded_up_and_is_unavailable_rounded_down(replicas: int, posts: tuple[int, int]) -> None:
    assert Strategy().fenceposts(replicas) == posts


def test_numbers_are_taken_as_they_are() -> None:
    assert Strategy(max_surge=2, max_unavailable=0).fenceposts(10) == (2, 0)


def test_one_pod_may_be_missing_when_both_are_zero() -> None:
    assert Strategy(max_surge=0, max_unavailable="10%").fenceposts(4) == (0, 1)


def test_without_old_pods_the_new_set_gets_all() -> None:
    assert next_sizes(7, Strategy(), [], NONE) == ([], 7)


@pytest.mark.parametrize(("replicas", "first"), [(1, 1), (4, 1), (10, 3)])
def test_a_rollout_starts_with_the_surge(replicas: int, first: int) -> None:
    assert next_sizes(replicas, Strategy(), [whole(replicas)], NONE) == ([replicas], first)


@pytest.mark.parametrize(("replicas", "old"), [(1, 1), (4, 3), (10, 8)])
def test_a_rollout_whose_new_pods_do_not_run_stops_short_of_the_minimum(replicas: int, old: int) -> None:
    sizes, new = [whole(replicas)], NONE
    for _ in range(20):
        pods, grown = next_sizes(replicas, Strategy(), sizes, new)
        sizes, new = [whole(n) for n in pods], SetSize(grown, 0)
    assert [each.pods for each in sizes] == [old]
    assert new.pods == replicas + Strategy().fenceposts(replicas)[0] - old


def test_unhealthy_old_pods_go_first() -> None:
    assert next_sizes(4, Strategy(), [SetSize(4, 1)], SetSize(1, 1)) == ([2], 1)


def test_new_pods_that_do_not_run_are_not_counted_as_replacements() -> None:
    assert next_sizes(10, Strategy(), [SetSize(10, 5)], SetSize(3, 0)) == ([8], 3)


def test_recreate_removes_all_old_pods_before_the_first_new_one() -> None:
    recreate = Strategy(recreate=True)
    assert next_sizes(3, recreate, [whole(3)], NONE) == ([0], 0)
    assert next_sizes(3, recreate, [NONE], NONE) == ([0], 3)


@given(st.integers(1, 60), st.integers(0, 100), st.integers(0, 100), st.lists(st.integers(0, 60), max_size=3))
def test_a_rollout_with_room_ends_with_the_replicas_and_keeps_its_promises(
    replicas: int, surge: int, unavailable: int, olds: list[int]
) -> None:
    strategy = Strategy(max_surge=f"{surge}%", max_unavailable=f"{unavailable}%")
    most_surge, most_unavailable = strategy.fenceposts(replicas)
    old, new = olds, 0
    for _ in range(500):
        before = sum(old) + new
        old, new = next_sizes(replicas, strategy, [whole(n) for n in old], whole(new))
        total = sum(old) + new
        assert total <= max(before, replicas + most_surge)
        assert total >= min(before, replicas - most_unavailable)
    assert (sum(old), new) == (0, replicas)
