"""The parts of a suggestion that need no replay: what a solution needs, and the level under which workloads share."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from env.actions import Action
from env.embedded.survey import WorkloadState
from env.quantity import GIB
from env.workload import Resources
from runner.suggest.sharing import Asked, shared
from runner.suggest.trim import needed

CPU, MEMORY = Action.REDUCE_CPU_SMALL, Action.REDUCE_MEM_SMALL
A, B = ("Deployment", "shop", "a"), ("Deployment", "shop", "b")
ASKED = {A: Resources(6_000, GIB, 1), B: Resources(1_000, GIB, 1)}


@given(cpu=st.integers(0, 30), memory=st.integers(0, 30), more=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_of_each_action_as_many_are_kept_as_solve_it(cpu: int, memory: int, more: tuple[int, int]) -> None:
    def solves(actions: list[Action]) -> bool:
        counts = Counter(actions)
        return counts[CPU] >= cpu and counts[MEMORY] >= memory

    assert needed([(CPU, cpu + more[0]), (MEMORY, memory + more[1])], solves) == [CPU] * cpu + [MEMORY] * memory


def crowded(asked: Asked) -> list[WorkloadState]:
    """Both on one node of four cores."""
    if sum(each.cpu_m for each in asked.values()) <= 4_000:
        return []
    return [WorkloadState(*A, wanted=1, ready=0, lacking=1, cpu_m=0, memory_bytes=0, short_of_cpu=True)]


def test_who_asks_for_more_than_the_level_comes_down_to_it_and_others_keep_what_they_ask_for() -> None:
    nothing = dict.fromkeys(ASKED, Resources(0, 0, 0))
    assert shared(ASKED, nothing, crowded) == {A: Resources(3_000, GIB, 1), B: ASKED[B]}


def test_no_request_goes_below_its_floor() -> None:
    floors = {A: Resources(5_000, 0, 0), B: Resources(0, 0, 0)}
    assert shared(ASKED, floors, crowded) is None
