from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.actions import LEAST, MOST, apply_action
from env.problems.rooms.dice import Dice
from env.problems.rooms.draw import draw_room
from env.problems.rooms.kinds import ROOMS
from env.problems.scenario import recorded_resources, scenario_from_trace
from env.trace.document import read_trace

kinds = st.sampled_from(ROOMS)
seeds = st.integers(0, 2**63 - 1)
attempts = st.integers(0, 2**16 - 1)


def test_rooms_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for kind in ROOMS:
        for seed in range(10):
            drawn = draw_room(kind, seed, attempt=seed % 3)
            digest.update(drawn.scenario.trace.to_bytes())
            digest.update(repr((drawn.scenario.nodes, drawn.scenario.target, drawn.start, drawn.goal)).encode())
    assert digest.hexdigest() == "c6628cbeda5d959d9df2dd7612e93fcd2f89b99493f640f9965b31e5a7bd84ee"


@given(kinds, seeds, attempts)
def test_the_actions_of_a_room_lead_from_its_start_to_its_goal(kind: str, seed: int, attempt: int) -> None:
    drawn = draw_room(kind, seed, attempt)
    asked = drawn.start
    for action in drawn.actions:
        outcome = apply_action(asked, action)
        assert outcome.changed
        asked = outcome.resources
    assert asked == drawn.goal
    assert drawn.goal.replicas == drawn.scenario.target
    for resources in (drawn.start, drawn.goal):
        assert all(low <= value <= high for low, value, high in zip(LEAST, resources, MOST, strict=True))


@given(kinds, seeds, attempts)
def test_the_trace_of_a_room_is_valid_and_asks_for_the_start(kind: str, seed: int, attempt: int) -> None:
    drawn = draw_room(kind, seed, attempt)
    scenario = drawn.scenario
    again = read_trace(scenario.trace.to_bytes(), "again")
    assert again.document == scenario.trace.document
    assert recorded_resources(again, scenario.workload) == drawn.start
    assert replace(scenario_from_trace(again, name=scenario.name), trace=scenario.trace) == scenario


@pytest.mark.parametrize("kind", ROOMS)
def test_one_room_of_sixteen_is_healthy_at_the_start(kind: str) -> None:
    healthy = [seed for seed in range(64) if not draw_room(kind, seed, 0).actions]
    assert healthy == [0, 16, 32, 48]


@given(seeds, st.integers(1, 2**40))
def test_a_die_stays_below_its_limit(seed: int, limit: int) -> None:
    dice = Dice(0, seed, 0)
    assert all(0 <= dice.below(limit) < limit for _ in range(5))
