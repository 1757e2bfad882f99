"""The decision about an open round: a pure function of times, members and counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.proof.standin import federation
from protocol.rounds.decide import EXTENSIONS, CloseRound, FailRound, KeepOpen, OpenRound, decide
from protocol.strategies.table import ROBUST_SIZE, Strategy

OPENED = 1000.0


def verdict(
    size: int,
    delivered: Mapping[int, float],
    now: float,
    departed: Collection[int] = (),
    unusable: Mapping[int, str] | None = None,
    **changes: Any,
) -> KeepOpen | CloseRound | FailRound:
    """What is decided about a round that opened at OPENED; times count from then."""
    written = {member: OPENED + after_s for member, after_s in delivered.items()}
    wanted = federation(size, **{"round_timeout_s": 100.0, **changes})
    return decide(OpenRound(wanted, 1, written, departed, OPENED + now, OPENED, unusable or {}))


def test_a_round_waits_for_every_live_member() -> None:
    assert isinstance(verdict(3, {0: 0.0, 1: 0.0}, 1.0), KeepOpen)


def test_a_round_closes_when_all_have_delivered() -> None:
    assert verdict(2, {1: 5.0, 0: 3.0}, 6.0) == CloseRound((0, 1), "full", OPENED + 5.0)


def test_a_member_that_ended_for_good_is_not_waited_for() -> None:
    assert verdict(3, {0: 0.0, 1: 0.0}, 1.0, {2}) == CloseRound((0, 1), "full", OPENED)


def test_what_a_member_delivered_before_it_ended_counts() -> None:
    assert verdict(2, {0: 0.0, 1: 0.0}, 1.0, {1}) == CloseRound((0, 1), "full", OPENED)


# -- deadlines ---------------------------------------------------------------------------------------


def test_the_deadline_runs_from_the_first_update_that_counts() -> None:
    assert verdict(3, {0: 50.0}, 150.0) == KeepOpen(OPENED + 150.0, 0, 1)
    assert verdict(3, {0: 50.0, 1: 149.0}, 151.0) == CloseRound((0, 1), "deadline", OPENED + 150.0)


def test_an_update_older_than_the_round_neither_counts_nor_starts_the_deadline() -> None:
    assert verdict(3, {2: -500.0}, 1e6) == KeepOpen()
    assert verdict(3, {2: -500.0, 0: 50.0}, 150.0) == KeepOpen(OPENED + 150.0, 0, 1)
    assert verdict(3, {2: -500.0, 0: 50.0}, 151.0) == CloseRound((0,), "deadline", OPENED + 150.0)


def test_a_member_whose_update_came_too_early_is_not_waited_for() -> None:
    assert verdict(3, {2: -1.0, 0: 5.0, 1: 6.0}, 7.0) == CloseRound((0, 1), "full", OPENED + 6.0)


@pytest.mark.parametrize(("opened", "written"), [(7.0, 7.0), (7.9, 7.1), (7.9, 7.0)])
def test_an_update_of_the_second_in_which_the_round_opened_counts(opened: float, written: float) -> None:
    seen = OpenRound(federation(1), 1, {0: written}, (), 9.0, opened)
    assert (seen.early, decide(seen)) == ((), CloseRound((0,), "full", written))


def test_who_came_too_early_is_named_with_the_reason() -> None:
    seen = OpenRound(federation(2), 1, {0: OPENED - 12, 1: OPENED}, (), OPENED, OPENED, {1: "not a number"})
    assert seen.left_out == {0: "written 12 s before the round opened", 1: "not a number"}


def test_without_any_update_there_is_no_deadline() -> None:
    assert verdict(3, {}, 1e12) == KeepOpen()


# -- too few -----------------------------------------------------------------------------------------


def test_a_round_with_too_few_updates_is_extended_and_closes_as_soon_as_there_are_enough() -> None:
    assert verdict(3, {0: 0.0}, 101.0, min_participants=2) == KeepOpen(OPENED + 200.0, 1, 1)
    late = verdict(3, {0: 0.0, 2: 130.0}, 131.0, min_participants=2)
    assert late == CloseRound((0, 2), "deadline", OPENED + 130.0)


def test_a_round_fails_only_after_all_its_extensions() -> None:
    end = 100.0 * (1 + EXTENSIONS)
    assert verdict(3, {0: 0.0}, end, min_participants=2) == KeepOpen(OPENED + end, EXTENSIONS, 1)
    failed = verdict(3, {0: 0.0}, end + 1, min_participants=2)
    assert failed == FailRound("1 update, at least 2 needed: the round timed out, 3 extensions included")


def test_an_update_that_cannot_be_averaged_neither_counts_nor_ends_the_wait_for_others() -> None:
    poison = {3: "not a number"}
    assert verdict(4, {0: 0.0, 1: 1.0, 3: 0.0}, 101.0, unusable=poison, min_participants=3) == KeepOpen(
        OPENED + 200.0, 1, 2
    )
    assert verdict(4, {0: 0.0, 1: 1.0, 2: 150.0, 3: 0.0}, 151.0, unusable=poison, min_participants=3) == CloseRound(
        (0, 1, 2), "full", OPENED + 150.0
    )


def test_a_round_that_lacks_updates_fails_at_once_when_no_member_is_left_that_could_deliver() -> None:
    failed = verdict(2, {0: 1.0}, 2.0, {1}, {0: "not a number"})
    assert failed == FailRound("0 updates, at least 1 needed: 1 member of 2 ended; member 0: not a number")


def test_a_federation_whose_members_have_all_ended_fails() -> None:
    assert isinstance(verdict(2, {}, 0.0, {0, 1}), FailRound)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("size", range(3, 12))
def test_by_default_no_minority_of_three_or_more_members_closes_a_round(strategy: Strategy, size: int) -> None:
    least = strategy.min_participants(size)
    assert size / 2 < least <= size
    assert least >= (ROBUST_SIZE if strategy.robust else 2)


def test_by_default_one_of_two_members_suffices() -> None:
    assert [Strategy.FEDAVG.min_participants(size) for size in (1, 2, 3, 4, 5)] == [1, 1, 2, 3, 3]


# -- always ------------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.integers(0, 9), st.floats(-500, 1000)),
    st.sets(st.integers(0, 9)),
    st.sets(st.integers(0, 9)),
    st.floats(0, 2000),
    st.integers(1, 6),
    st.integers(1, 8),
)
def test_decisions_keep_their_promises(
    delivered: dict[int, float], departed: set[int], poisoned: set[int], now: float, minimum: int, size: int
) -> None:
    wanted = federation(size, min_participants=min(minimum, size), round_timeout_s=300.0)
    unusable = dict.fromkeys(poisoned, "poison")
    seen = OpenRound(wanted, 1, delivered, departed, now, 0.0, unusable)
    found = decide(seen)
    counted = {m for m, written in delivered.items() if m < size and written >= 0.0} - poisoned
    waiting_for = set(range(size)) - set(delivered) - departed
    if isinstance(found, CloseRound):
        assert found.members == tuple(sorted(counted))  # all that count, and no others
        assert len(counted) >= wanted.min_participants
        assert (found.reason == "deadline") == bool(waiting_for)
    if isinstance(found, KeepOpen):
        assert waiting_for
        assert found.until is None or found.until >= now
    if isinstance(found, FailRound):
        assert len(counted) < wanted.min_participants
    if isinstance(decide(OpenRound(wanted, 1, delivered, departed, now, unusable=unusable)), KeepOpen):
        assert isinstance(found, KeepOpen)  # so a closer need not ask when a round opened that it cannot close
