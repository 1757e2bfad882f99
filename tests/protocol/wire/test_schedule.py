"""Rounds of several episodes: each episode belongs to one, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.wire.schedule import Schedule, default_per_round

schedules = st.builds(Schedule, st.integers(1, 200), st.integers(1, 250))


def test_the_last_round_may_be_shorter() -> None:
    schedule = Schedule(episodes=25, per_round=10)
    assert schedule.rounds == 3
    assert [list(schedule.of(round_)) for round_ in (1, 2, 3)] == [
        list(range(1, 11)),
        list(range(11, 21)),
        list(range(21, 26)),
    ]


@given(schedules)
def test_the_rounds_hold_every_episode_once_in_order(schedule: Schedule) -> None:
    episodes = [episode for round_ in range(1, schedule.rounds + 1) for episode in schedule.of(round_)]
    assert episodes == list(range(1, schedule.episodes + 1))
    assert all(1 <= len(schedule.of(round_)) <= schedule.per_round for round_ in range(1, schedule.rounds + 1))


@given(schedules)
def test_only_a_rounds_last_episode_ends_it(schedule: Schedule) -> None:
    ends = {schedule.last(round_): round_ for round_ in range(schedule.rounds + 1)}
    for episode in range(schedule.episodes + 1):
        assert schedule.round_after(episode) == ends.get(episode)


@given(schedules, st.integers(1, 300))
def test_an_episode_beyond_the_last_ends_no_round(schedule: Schedule, more: int) -> None:
    assert schedule.round_after(schedule.episodes + more) is None


@pytest.mark.parametrize(("episodes", "per_round"), [(1, 1), (20, 1), (100, 1), (101, 2), (1200, 12), (10_000, 100)])
def test_a_federation_has_a_hundred_rounds_unless_told_otherwise(episodes: int, per_round: int) -> None:
    assert default_per_round(episodes) == per_round
    assert Schedule(episodes, per_round).rounds <= 100
