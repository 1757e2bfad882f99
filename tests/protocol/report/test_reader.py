"""What a report reads: every document once, within bounds, whatever they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.proof.standin import GROUP, federation
from protocol.jobs.queue import ended, finish
from protocol.jobs.submit import submit_federation
from protocol.report import reader
from protocol.report.reader import GroupReader, chosen
from protocol.report.record import Part
from protocol.rounds.federation import end
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.federation_documents import Federation, OutcomeStatus
from protocol.wire.job_documents import Claim, ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.memory import MemoryS3

Submit = Callable[..., tuple[MemoryS3, Bucket, Federation]]


@pytest.fixture
def submitted() -> Submit:
    """A federation with so many closed rounds of ten seconds, of which member 0 misses every third."""

    def make(size: int, rounds: int, closed: int, **changes: Any) -> tuple[MemoryS3, Bucket, Federation]:
        s3 = MemoryS3()
        bucket, wanted = Bucket(s3.store("test"), system_clock()), federation(size, rounds, **changes)
        submit_federation(bucket, wanted)
        for number in range(1, closed + 1):
            s3.time += 10
            close(bucket, number, range(number % 3 == 0, size))
        s3.log.clear()
        return s3, bucket, wanted

    return make


def close(bucket: Bucket, number: int, members: range, **more: Any) -> None:
    """Create a round's decision and weights; each member's return is the round's number."""
    participants = [{"member": member, "weight": 10, "reward": float(number), "solved": 1} for member in members]
    decision = {"version": 1, "round": number, "reason": "full", "participants": participants, **more}
    bucket.create(keys.decision(GROUP, number), json.dumps(decision).encode())
    bucket.create(keys.global_weights(GROUP, number), b"1")


def test_rounds_say_who_was_in_what_came_of_it_and_how_long_they_took(submitted: Submit) -> None:
    _, bucket, wanted = submitted(3, 5, 4)
    record = GroupReader(bucket, wanted).read()
    assert (record.closed, record.skipped, record.trouble) == (4, 0, [])
    assert [round_.participants for round_ in record.rounds] == [3, 3, 2, 3]
    assert [round_.reward for round_ in record.rounds] == [1.0, 2.0, 3.0, 4.0]
    assert record.rounds[2].left_out == ("member 0: no update when the round closed",)
    assert record.parts()[2].tolist() == [Part.LATE, Part.AVERAGED, Part.AVERAGED]
    assert record.seconds_each() == [10.0, 10.0, 10.0, 10.0]
    assert record.seconds == 40.0


def test_a_second_look_reads_only_what_is_new(submitted: Submit) -> None:
    s3, bucket, wanted = submitted(2, 20, 10)
    watching = GroupReader(bucket, wanted)
    watching.read(10)
    close(bucket, 11, range(2))
    s3.log.clear()
    assert [round_.number for round_ in watching.read(11).rounds] == list(range(1, 12))
    assert [row.key for row in s3.log if row.verb == "GET"] == [keys.outcome(GROUP), keys.decision(GROUP, 11)]


def test_many_rounds_are_thinned_to_a_bounded_number() -> None:
    for last in (1, 999, 1000, 1001, 4321, 100_000, keys.MAX_ROUNDS):
        some = chosen(last, 1000)
        assert len(some) <= 1000
        assert (some[0], some[-1]) == (1, last)
        assert some == sorted(set(some))
        assert len(some) == last or len(some) > 400


def test_what_is_read_of_more_rounds_was_read_of_fewer_but_for_the_last_ones() -> None:
    """So a reader that watches reads each round once."""
    before = set(range(1, 1001))
    for last in range(1000, 9000, 50):
        some = chosen(last, 1000)
        assert {number for number in some if number <= last - 62} <= before
        before |= set(some)


def test_the_number_of_requests_is_bounded_for_any_number_of_rounds_and_members(
    submitted: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ROUNDS_READ", 64)
    monkeypatch.setattr(reader, "MEMBERS_READ", 20)
    s3, bucket, wanted = submitted(30, 500, 500)
    for member in range(30):
        claim = Claim(worker=f"w{member}", failures=0, progress=0, claimed_at="")
        bucket.create(keys.attempt_mark(keys.member_job(GROUP, member), Mark.CLAIM, 2), claim.to_bytes())
    s3.log.clear()
    record = GroupReader(bucket, wanted).read()
    verbs = [row.verb for row in s3.log]
    assert verbs.count("GET") == record.requests["GET"] <= 1 + 64 + 2 * 20
    assert verbs.count("LIST") == record.requests["LIST"] == 2
    assert verbs.count("HEAD") <= 20
    assert not any("/updates/" in row.key for row in s3.log)
    assert record.skipped == 500 - len(record.rounds)
    assert [(member.worker, member.attempts) for member in record.members][:2] == [("w0", 2), ("w1", 2)]
    assert len(record.members) == 20


def test_large_decisions_are_read_less_often(submitted: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "ROUND_BYTES", 40_000)
    monkeypatch.setattr(reader, "ROUNDS_AT_LEAST", 8)
    s3, bucket, wanted = submitted(10, 200, 200)
    record = GroupReader(bucket, wanted).read()
    read = [row for row in s3.log if row.key.endswith("round.json")]
    assert 20 < len(read) < 80
    assert record.closed == len(record.rounds) + record.skipped == 200


def test_decisions_far_larger_than_the_last_one_end_the_reading(
    submitted: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "ROUND_BYTES", 50_000)
    s3, bucket, wanted = submitted(3, 200, 0)
    padding = " " * 40_000
    for number in range(1, 200):
        bucket.create(keys.decision(GROUP, number), padding.encode() + b"{}")
    close(bucket, 200, range(3))
    s3.log.clear()
    record = GroupReader(bucket, wanted).read(200)
    assert sum(row.key.endswith("round.json") for row in s3.log) < 40
    assert record.rounds[-1].participants == 3


def test_what_cannot_be_read_is_named_and_stops_nothing(submitted: Submit) -> None:
    _, bucket, wanted = submitted(3, 9, 2)
    bucket.create(keys.decision(GROUP, 3), b"{")
    close(bucket, 4, range(3))
    bucket.create(keys.decision(GROUP, 5), bucket.get(keys.decision(GROUP, 4)) or b"")
    bucket.create(keys.decision(GROUP, 6), b" " * 99_999)
    bucket.create(keys.decision(GROUP, 7), b'{"version": 9}')
    bucket.create(keys.outcome(GROUP), b"[]")
    record = GroupReader(bucket, wanted).read(7)
    assert [round_.participants for round_ in record.averaged] == [3, 3, 3]
    named = "\n".join(record.trouble)
    for line in (
        "outcome.json",
        "round 3: ",
        "round 5: ",
        "it is of round 4",
        "round 6: ",
        "round 7: ",
        "newer release",
    ):
        assert line in named
    assert record.outcome is None


def test_members_that_the_federation_does_not_have_change_nothing(submitted: Submit) -> None:
    _, bucket, wanted = submitted(2, 3, 0)
    more = {"left_out": [{"member": 9, "reason": "x"}], "departed": [-1, 7, 10**9]}
    close(bucket, 1, range(0, 5), **more)
    [round_] = GroupReader(bucket, wanted).read(1).rounds
    assert round_.parts.tolist() == [Part.AVERAGED, Part.AVERAGED]


def test_numbers_beyond_all_bounds_stay_finite(submitted: Submit) -> None:
    _, bucket, wanted = submitted(2, 3, 0)
    rows = [{"member": m, "weight": 10**30, "reward": 1.7e308, "solved": 10**30} for m in range(2)]
    decision = {"version": 1, "round": 1, "reason": "full", "participants": rows}
    bucket.create(keys.decision(GROUP, 1), json.dumps(decision).encode())
    [round_] = GroupReader(bucket, wanted).read(1).rounds
    assert round_.reward == pytest.approx(1e30)
    assert round_.solved_share == 1.0


def test_an_outcome_of_more_rounds_than_there_are_is_bounded(submitted: Submit) -> None:
    _, bucket, wanted = submitted(2, 3, 3)
    end(bucket, GROUP, OutcomeStatus.FINISHED, 10**9, "all rounds closed")
    assert GroupReader(bucket, wanted).read().closed == 3


def test_how_members_ended_is_asked_once_they_may_have(submitted: Submit) -> None:
    s3, bucket, wanted = submitted(3, 3, 2)
    finish(bucket, ended(keys.member_job(GROUP, 1), ResultStatus.FAILED, "no such Deployment"))
    watching = GroupReader(bucket, wanted)
    assert [member.state for member in watching.read(2).members] == ["waiting"] * 3
    assert not any("result.json" in row.key for row in s3.log if row.verb == "GET")
    close(bucket, 3, range(0, 1), departed=[1])
    members = watching.read(3).members
    assert [member.state for member in members] == ["waiting", "failed", "waiting"]
    assert members[1].error == "no such Deployment"
    end(bucket, GROUP, OutcomeStatus.FINISHED, 3, "all rounds closed")
    s3.log.clear()
    watching.read()
    asked = [row.key for row in s3.log if "result.json" in row.key and row.verb == "GET"]
    assert asked == [keys.result(keys.member_job(GROUP, member)) for member in (0, 2)]


def test_a_purged_federation_has_its_outcome_and_no_rounds(submitted: Submit) -> None:
    _, bucket, wanted = submitted(2, 3, 3)
    end(bucket, GROUP, OutcomeStatus.FINISHED, 3, "all rounds closed")
    for entry in bucket.list(keys.rounds(GROUP)).entries:
        bucket.delete(entry.key)
    record = GroupReader(bucket, wanted).read()
    assert (record.closed, list(record.rounds), record.skipped) == (3, [], 3)
