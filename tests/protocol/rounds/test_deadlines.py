"""Rounds that do not fill up: updates ahead of time, updates that cannot be averaged, extensions, and who is told."""

from __future__ import annotations

import pytest

from infra.proof.standin import (
    GROUP,
    TTL_S,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    final_weights,
    integers,
    undisturbed,
)
from infra.proof.virtual_time import World
from protocol.commands.inspect import about
from protocol.commands.status import federation_summary, finished_summary
from protocol.jobs.submit import submit_federation
from protocol.rounds.closer import Closer
from protocol.rounds.updates import update_facts
from protocol.wire import documents, keys
from protocol.wire.choices import Closers
from protocol.wire.federation_documents import Decision, Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import Result, ResultStatus

TIMEOUT_S = 10.0


class Stage:
    """A federation in the bucket and a closer of it; times are passed by hand."""

    def __init__(self, size: int, rounds: int = 3, **changes: object) -> None:
        self.world = World(seed=1)
        self.bucket = bucket_of(self.world)
        self.federation = federation(size, rounds, **{"round_timeout_s": TIMEOUT_S, **changes})
        submit_federation(self.bucket, self.federation)
        self.said: list[str] = []
        self.closer = self.another_closer()

    def another_closer(self) -> Closer:
        return Closer(self.bucket, self.federation, integers, self.said.append)

    def deliver(self, round_: int, *members: int, body: bytes = b"100") -> None:
        for member in members:
            self.bucket.create(keys.update(GROUP, round_, member), body, update_facts(10, 0.5, 0))

    def later(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.s3.time += seconds

    def decision(self, round_: int) -> Decision | None:
        return documents.read(self.bucket, Decision, keys.decision(GROUP, round_))

    def participants(self, round_: int) -> list[int] | None:
        found = self.decision(round_)
        return None if found is None else [p.member for p in found.participants]


# -- ahead of time -----------------------------------------------------------------------------------


def test_updates_of_all_rounds_put_there_at_the_start_close_no_round_alone() -> None:
    stage = Stage(4)
    for round_ in (1, 2, 3):
        stage.deliver(round_, 3, body=b"999999")
    stage.later(5)
    stage.deliver(1, 0, 1, 2)
    stage.closer.drain()
    stage.later(1000 * TIMEOUT_S)
    stage.closer.drain()
    assert (stage.participants(1), stage.participants(2)) == ([0, 1, 2, 3], None)
    for member in (0, 1, 2):
        stage.later(TIMEOUT_S / 2)
        stage.deliver(2, member)
        stage.closer.drain()
    decided = stage.decision(2)
    assert decided is not None
    assert (stage.participants(2), decided.reason) == ([0, 1, 2], "full")
    assert [(item.member, item.reason) for item in decided.left_out] == [(3, "written 5 s before the round opened")]


def test_a_closer_that_starts_later_judges_ahead_of_time_alike() -> None:
    stage = Stage(3)
    stage.deliver(2, 2)
    stage.later(5)
    stage.deliver(1, 0, 1, 2)
    stage.closer.drain()
    stage.deliver(2, 0, 1)
    stage.another_closer().drain()
    assert stage.participants(2) == [0, 1]


def test_an_honest_update_of_the_second_in_which_the_round_opened_counts() -> None:
    stage = Stage(2)
    stage.deliver(1, 0, 1)
    stage.closer.drain()
    stage.deliver(2, 0, 1)
    stage.closer.drain()
    assert stage.participants(2) == [0, 1]


def test_an_update_older_than_the_federation_is_left_out_of_its_first_round() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    bucket.create(keys.update(GROUP, 1, 1), b"7", update_facts(10, 0.5, 0))
    world.s3.time += 60
    wanted = federation(2, 1)
    submit_federation(bucket, wanted)
    bucket.create(keys.update(GROUP, 1, 0), b"5", update_facts(10, 0.5, 0))
    Closer(bucket, wanted, integers, lambda line: None).drain()
    assert final_weights(world, wanted) == b"5"


def test_when_a_round_opened_is_asked_once_and_only_when_something_depends_on_it() -> None:
    stage = Stage(2)
    stage.deliver(1, 0)
    for _ in range(5):
        stage.closer.drain()
    asked = [row.key for row in stage.world.s3.log if row.verb == "LIST"]
    assert keys.federation(GROUP) not in asked
    stage.deliver(1, 1)
    stage.closer.drain()
    asked = [row.key for row in stage.world.s3.log if row.verb == "LIST"]
    assert asked.count(keys.federation(GROUP)) == 1


# -- too few -----------------------------------------------------------------------------------------


def test_a_round_with_too_few_updates_says_so_and_waits_for_a_straggler() -> None:
    stage = Stage(3, min_participants=2)
    stage.deliver(1, 0)
    for seconds in (TIMEOUT_S + 1, 1, TIMEOUT_S):
        stage.later(seconds)
        stage.closer.drain()
    assert stage.said == [
        "g: round 1: 1 update of at least 2 at its deadline; extended by 10 s (1 of 3 times)",
        "g: round 1: 1 update of at least 2 at its deadline; extended by 10 s (2 of 3 times)",
    ]
    assert federation_summary(stage.bucket, GROUP, TTL_S).open_round == stage.said[-1].removeprefix("g: ")
    stage.deliver(1, 2)
    stage.closer.drain()
    assert stage.participants(1) == [0, 2]


def test_a_round_that_stays_short_of_updates_fails_after_its_extensions() -> None:
    stage = Stage(3, min_participants=2)
    stage.deliver(1, 0)
    stage.later(4 * TIMEOUT_S)
    assert not stage.closer.drain()
    stage.later(1)
    assert stage.closer.drain()
    outcome = documents.read(stage.bucket, Outcome, keys.outcome(GROUP))
    assert outcome is not None
    assert (outcome.status, outcome.reason) == (
        OutcomeStatus.FAILED,
        "round 1: 1 update, at least 2 needed: the round timed out, 3 extensions included",
    )


def test_what_cannot_be_averaged_does_not_end_the_wait_for_others() -> None:
    stage = Stage(4, min_participants=3)
    stage.deliver(1, 3, body=b"poison")
    stage.deliver(1, 0, 1)
    stage.later(TIMEOUT_S + 1)
    for _ in range(3):
        assert not stage.closer.drain()
        stage.later(1)
    stage.deliver(1, 2)
    assert not stage.closer.drain()
    assert stage.participants(1) == [0, 1, 2]
    reads = [row.key for row in stage.world.s3.log if row.verb == "GET" and row.key == keys.update(GROUP, 1, 3)]
    assert len(reads) == 1  # it was not read again and again


def test_the_deadline_does_not_run_from_an_update_that_cannot_be_averaged() -> None:
    stage = Stage(3, min_participants=1)
    stage.deliver(1, 2, body=b"poison")
    stage.later(TIMEOUT_S - 1)
    stage.deliver(1, 0)
    stage.later(2)
    stage.closer.drain()
    assert stage.decision(1) is None
    stage.later(TIMEOUT_S - 1)
    stage.closer.drain()
    assert stage.participants(1) == [0]


@pytest.mark.parametrize("barrier", Closers)
def test_a_straggler_that_starts_after_the_deadline_still_counts(barrier: Closers) -> None:
    world, wanted = World(seed=1), federation(2, 2, min_participants=2, round_timeout_s=30.0, barrier=barrier)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "first", stays=True)
    add_worker(world, "straggler", at=70.0, stays=True)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    assert final_weights(world, wanted) == undisturbed(2, 2)
    world.close()


# -- who was left out --------------------------------------------------------------------------------


def test_status_says_who_was_left_out_of_which_round_and_why() -> None:
    stage = Stage(4, min_participants=1)
    stage.deliver(2, 3)
    stage.later(5)
    stage.deliver(1, 0, 3)
    stage.deliver(1, 1, body=b"poison")
    stage.later(TIMEOUT_S + 1)
    stage.closer.drain()
    stage.deliver(2, 0)
    now = federation_summary(stage.bucket, GROUP, TTL_S)
    [first] = now.recent
    assert first.left_out == ("member 1: not a number", "member 2: no update when the round closed")
    assert now.open_round == (
        "round 2: 1 update, waits for members 1, 2 until the deadline in 10 s; "
        "member 3 left out: written 16 s before the round opened"
    )


def test_inspect_says_of_which_rounds_a_member_was_left_out_and_why() -> None:
    stage = Stage(3, rounds=4, min_participants=1)
    stage.deliver(2, 2)
    stage.later(5)
    for round_ in (1, 2, 3):
        stage.deliver(round_, 0, *([1] if round_ == 1 else []))
        stage.later(TIMEOUT_S + 1)
        stage.closer.drain()
    lines = {m: about(stage.bucket, keys.member_job(GROUP, m), TTL_S)["left_out"] for m in range(3)}
    assert lines == {
        0: [],
        1: ["rounds 2, 3: no update when the round closed"],
        2: ["rounds 1, 3: no update when the round closed", "round 2: written 16 s before the round opened"],
    }


@pytest.mark.parametrize("barrier", Closers)
def test_a_member_whose_worker_comes_after_the_last_round_fails_with_the_reason(barrier: Closers) -> None:
    world, wanted = World(seed=1), federation(2, 2, round_timeout_s=5.0, barrier=barrier)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "first", stays=True)
    add_sync_server(world)
    world.run(lambda: keys.outcome(GROUP) in world.s3.objects)
    add_worker(world, "late", at=30.0, stays=True)
    world.run(all_over(world, wanted))
    results = [documents.read(bucket_of(world), Result, keys.result(keys.member_job(GROUP, m))) for m in range(2)]
    late = [found for found in results if found and not found.episodes_completed]
    assert [(found.status, found.error) for found in late] == [
        (ResultStatus.FAILED, "left out of every round: all 2 were closed before it had trained any")
    ]
    world.close()


def ended(works_s: float, rounds: int, timeout_s: float, at: float = 0.0) -> tuple[ResultStatus, str | None]:
    """The result of a member that begins so late and whose episodes take so long; those of the other one take 1 s."""
    world = World(seed=1)
    wanted = federation(2, rounds, round_timeout_s=timeout_s, min_participants=1)
    submit_federation(bucket_of(world), wanted)
    add_sync_server(world)
    jobs = [keys.member_job(GROUP, member) for member in range(2)]
    add_worker(world, "first", stays=True, only=jobs[0])
    add_worker(world, "second", at=at, stays=True, works_s=works_s, only=jobs[1])
    world.run(all_over(world, wanted))
    found = documents.read(bucket_of(world), Result, keys.result(jobs[1]))
    row = finished_summary(bucket_of(world), jobs[1])
    world.close()
    assert found is not None
    assert row is not None
    assert found.episodes_completed > 0
    assert row.error == found.error
    return found.status, found.error


def test_a_member_that_is_too_late_for_every_round_though_it_trained_is_no_success() -> None:
    assert ended(30.0, rounds=3, timeout_s=2.0) == (
        ResultStatus.FAILED,
        "left out of every round: rounds 1, 2, 3: no update when the round closed",
    )


def test_a_member_that_is_too_late_for_some_rounds_ends_well_and_names_them() -> None:
    status, error = ended(1.0, rounds=9, timeout_s=2.5, at=8.0)
    assert status is ResultStatus.SUCCESS
    assert error is not None
    assert error.startswith("left out of rounds 1, 2")
    assert error.endswith(": no update when the round closed")


def test_a_member_that_was_in_time_for_every_round_ends_without_a_remark() -> None:
    assert ended(1.5, rounds=3, timeout_s=20.0) == (ResultStatus.SUCCESS, None)


def test_a_federation_of_an_older_release_without_the_field_keeps_closing_with_one_update() -> None:
    body = federation(3).model_dump(exclude={"min_participants"})
    assert Federation.model_validate(body).min_participants == 1
