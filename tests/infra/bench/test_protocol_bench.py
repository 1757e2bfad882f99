"""What the protocol costs, as it is counted; and that this is what is promised."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from env.errors import UsageError
from infra.bench.protocol import goals
from infra.bench.protocol.cases import Case, Latency, barrier_latency, growth, measure
from infra.bench.protocol.deadline import Death, StragglerCase, death, stragglers
from infra.bench.protocol.idle import idle
from infra.bench.protocol.meter import Counts, Ledger, Meter, RequestClass, RequestKind
from infra.bench.protocol.real import real_time
from infra.bench.protocol.world import UPDATE_BYTES, add_history, no_op_federation, submitted
from infra.commands import app
from infra.proof.standin import GROUP, bucket_of
from protocol.wire import keys
from protocol.wire.errors import Exists
from protocol.wire.memory import MemoryS3

BARRIERS = ("sync-server", "workers")
JOB = keys.member_job(GROUP, 0)
SMALL = Case("sync-server", members=2, rounds=6, work_s=10.0, latency_ms=10.0)

both = pytest.mark.parametrize("barrier", BARRIERS)


# -- counting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "verb", "key", "found", "kind"),
    [
        ("worker", "PUT", keys.state(JOB, 1), True, RequestKind.WORK),
        ("worker", "PUT", keys.update(GROUP, 1, 0), True, RequestKind.WORK),
        ("worker", "GET", keys.global_weights(GROUP, 1), True, RequestKind.WORK),
        ("worker", "GET", keys.global_weights(GROUP, 1), False, RequestKind.POLL),
        ("worker", "GET", keys.outcome(GROUP), False, RequestKind.POLL),
        ("worker", "LIST", keys.PENDING, True, RequestKind.POLL),
        ("worker", "LIST", keys.in_progress_of_group(GROUP), True, RequestKind.POLL),
        ("sync-server", "LIST", keys.ACTIVE, True, RequestKind.POLL),
        ("sync-server", "LIST", keys.updates(GROUP, 2), True, RequestKind.POLL),
        ("sync-server", "HEAD", keys.result(JOB), False, RequestKind.POLL),
        ("worker", "PUT", keys.attempt_mark(JOB, keys.Mark.HEARTBEAT, 1), True, RequestKind.RENEWAL),
        ("worker", "LIST", keys.in_progress(JOB), True, RequestKind.ONCE),
        ("sync-server", "GET", keys.update(GROUP, 2, 1), True, RequestKind.CLOSING),
        ("worker", "PUT", keys.decision(GROUP, 2), True, RequestKind.CLOSING),
        ("sync-server", "PUT", keys.global_weights(GROUP, 2), True, RequestKind.CLOSING),
        ("worker", "PUT", keys.attempt_mark(JOB, keys.Mark.CLAIM, 1), True, RequestKind.ONCE),
        ("worker", "GET", keys.pending_manifest(JOB), True, RequestKind.ONCE),
        ("worker", "PUT", keys.result(JOB), True, RequestKind.ONCE),
        ("worker", "PUT", keys.outcome(GROUP), True, RequestKind.ONCE),
    ],
)
def test_a_request_is_known_by_its_key(role: str, verb: str, key: str, found: bool, kind: RequestKind) -> None:
    assert Ledger(GROUP, 3).kind(role, verb, key, found) is kind


def test_a_meter_writes_down_what_the_store_answered() -> None:
    s3, ledger = MemoryS3(page_size=2), Ledger(GROUP, 3)
    meter = Meter(s3.store("w"), "w", "worker", ledger, lambda: 1.0)
    for member in range(3):
        meter.put(keys.update(GROUP, 1, member), b"12345", {}, create_only=True)
    assert meter.get(keys.update(GROUP, 1, 2), 100) is not None
    assert meter.get(keys.update(GROUP, 2, 2), 100) is None
    assert len(meter.page(keys.updates(GROUP, 1), "").entries) == 2
    meter.delete(keys.update(GROUP, 1, 2))
    counts = ledger.counts()
    assert sum(counts.requests.values()) == len(s3.log) == 7
    assert (counts.moved("PUT"), counts.moved("GET")) == (15, 5)
    assert counts.rows[RequestClass("worker", RequestKind.POLL, "LIST")] == 2
    assert ledger.delivered == {1: {0: 1.0, 1: 1.0, 2: 1.0}}


def test_asking_whose_an_object_is_belongs_to_creating_it() -> None:
    s3, ledger = MemoryS3(), Ledger(GROUP, 3)
    meter = Meter(s3.store("w"), "w", "worker", ledger, lambda: 1.0)
    s3.store("another").put(keys.update(GROUP, 1, 0), b"", {}, create_only=True)
    with pytest.raises(Exists):
        meter.put(keys.update(GROUP, 1, 0), b"", {}, create_only=True)
    meter.metadata(keys.update(GROUP, 1, 0))
    assert ledger.counts().of(RequestKind.WORK) == 2
    assert ledger.delivered == {}


def test_a_renewal_is_a_heartbeat_and_the_listing_after_it() -> None:
    ledger = Ledger(GROUP, 3)
    meter = Meter(MemoryS3().store("w"), "w", "worker", ledger, lambda: 1.0)
    meter.put(keys.attempt_mark(JOB, keys.Mark.HEARTBEAT, 1), b"", {}, create_only=False)
    for _ in range(2):  # the second one is that of the process that clears away
        meter.page(keys.in_progress(JOB), "")
    assert (ledger.counts().of(RequestKind.RENEWAL), ledger.counts().of(RequestKind.ONCE)) == (2, 1)


def test_dollars_are_those_of_the_price_list() -> None:
    def dollars(verb: str) -> float:
        return Counts({RequestClass("worker", RequestKind.WORK, verb): 1_000_000}).dollars

    assert [dollars(verb) for verb in ("PUT", "LIST", "GET", "HEAD", "DELETE")] == pytest.approx([5, 5, 0.4, 0.4, 0])


@both
def test_every_request_is_counted(barrier: str) -> None:
    wanted = no_op_federation(3, 4, barrier)
    scene = submitted(wanted, 10.0)
    before = len(scene.world.s3.log)
    for number in range(3):
        scene.worker(f"w{number}", lambda member: 1.0)
    scene.run_to(keys.outcome(GROUP))
    scene.run(lambda: scene.world.now > 300)
    took_effect = len(scene.world.s3.log) - before
    assert sum(scene.ledger.counts().requests.values()) == took_effect
    scene.world.close()


# -- federations -------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("members", [2, 8])
def test_a_round_costs_a_member_three_requests_and_its_closing_one_more_and_two(barrier: str, members: int) -> None:
    cost = measure(replace(SMALL, barrier=barrier, members=members))
    assert cost.own["work"] == pytest.approx(3.0)
    audits = (members - 1) * (members + 1) if barrier == "workers" else 0  # by each other member: updates and decision
    assert members + 2 + audits <= cost.closing <= 1.2 * (members + 2 + audits)  # seldom two begin at the same moment
    assert all(goal.met for goal in goals.few_requests([cost]))


def test_a_member_sends_and_receives_what_an_update_weighs() -> None:
    cost = measure(replace(SMALL, members=8))
    assert cost.sent_bytes == pytest.approx(UPDATE_BYTES * (1 + 1 / 8), rel=0.02)  # and its part of the global weights
    assert cost.received_bytes == pytest.approx(2 * UPDATE_BYTES, rel=0.02)  # the weights, and its update by the closer


def test_equal_cases_cost_the_same() -> None:
    assert measure(SMALL) == measure(SMALL)


@both
def test_a_federation_costs_no_more_after_many_others(barrier: str) -> None:
    case = replace(SMALL, barrier=barrier)
    assert measure(case) == measure(case, history=300)


@both
def test_rounds_without_work_are_as_quick_as_promised(barrier: str) -> None:
    found = goals.quick_rounds((barrier,), 100)
    assert [goal.met for goal in found] == [True, True], found


def test_waiting_is_measured_from_the_last_update_to_each_member() -> None:
    ledger = Ledger(GROUP, 3)
    ledger.delivered = {1: {0: 5.0, 1: 7.0}, 2: {0: 20.0, 1: 19.0}}
    ledger.arrived = {1: {"a": 7.5, "b": 8.0}, 2: {"a": 20.25, "b": 23.0}}
    assert barrier_latency(ledger, (1, 2)) == Latency(median=750.0, p95=3000.0, slowest=2000.0)


def test_growth_is_the_power_of_the_number_of_members() -> None:
    assert growth((2, 8, 32), (3.0, 3.0, 3.0)) == pytest.approx(0.0)
    assert growth((2, 8, 32), (4.0, 64.0, 1024.0)) == pytest.approx(2.0)
    assert growth((2, 8), (0.0, 1.0)) is None
    assert growth((2,), (1.0,)) is None


# -- nothing happens ---------------------------------------------------------------------------------


def test_a_waiting_process_costs_a_few_cents_a_day_after_any_history() -> None:
    rows = idle(10.0, history=300, seconds=900.0)
    assert len(rows) == 5
    assert all(row.same_with_history for row in rows)
    assert all(0.0 < row.dollars_a_day < 0.25 for row in rows)
    assert [goal.met for goal in goals.no_dearer_with_history((), rows, 10.0, 300)] == [True]


def test_a_dearer_history_would_be_told() -> None:
    rows = [replace(row, same_with_history=False) for row in idle(10.0, history=0, seconds=60.0)]
    (goal,) = goals.no_dearer_with_history((), rows, 10.0, 300)
    assert not goal.met
    assert "worker without a job" in goal.measured


def test_a_history_is_one_of_finished_jobs_and_federations() -> None:
    scene = submitted(no_op_federation(1, 1, "workers"), 10.0)
    add_history(scene.world, 20)
    bucket = bucket_of(scene.world)
    assert len(bucket.list(keys.FINISHED).entries) == 20
    assert len(bucket.list(keys.PENDING).entries) == 1


# -- members that die, dawdle or come late -----------------------------------------------------------


@both
@pytest.mark.parametrize("seed", [1, 2])
def test_a_dead_member_costs_the_deadline_and_one_poll(barrier: str, seed: int) -> None:
    found = death(barrier, 10.0, seed)
    assert found.closed_after_s > 0
    assert found.as_promised, found
    assert found.extra_s <= 2 * found.one_poll_s + 1.0  # of the closer, and of the member


def test_a_round_closed_later_than_that_would_be_told() -> None:
    late = Death("workers", 10.0, 60.0, timeout_s=30.0, closed_after_s=8.0, one_poll_s=6.0)
    assert [goal.met for goal in goals.dead_members([late])] == [False]


PLOT = StragglerCase(rounds=20, dies_in=5, joins_in=10)


@both
def test_a_federation_with_stragglers_goes_at_the_pace_of_the_others(barrier: str) -> None:
    run = stragglers(barrier, 10.0, PLOT)
    assert run.at_the_pace_of_the_others, run
    assert run.seconds < run.waiting_s / 20
    *fast, slow, dead, late = run.members
    assert [slow.kind, dead.kind, late.kind] == ["50 x slower", "dies in round 5", "joins in round 10"]
    assert [member.rounds for member in fast] == 5 * [tuple(range(1, 21))]
    assert slow.rounds == ()
    assert slow.episodes == 1  # it takes fifty rounds' time
    assert (dead.rounds, dead.finished_s) == (tuple(range(1, 5)), None)
    assert late.rounds[0] in (10, 11)
    assert late.rounds == tuple(range(late.rounds[0], 21))


def test_a_long_deadline_makes_every_member_wait() -> None:
    run = stragglers("sync-server", 10.0, replace(PLOT, timeout_s=60.0))
    assert not run.at_the_pace_of_the_others
    assert [goal.met for goal in goals.stragglers_left_behind([run])] == [False]


# -- real time ---------------------------------------------------------------------------------------


@both
def test_the_same_federation_runs_in_real_time(barrier: str) -> None:
    before = dict(os.environ)
    found = real_time(barrier, members=2, rounds=4, delay_ms=1.0)
    assert found.round_ms > 0
    assert found.barrier_ms.median > 0
    assert dict(os.environ) == before


# -- the command -------------------------------------------------------------------------------------


def test_the_command_prints_draws_and_keeps_its_promises(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    app(["bench", "protocol", "--quick", "--json", "--to", str(tmp_path)], standalone_mode=False)
    found = json.loads(capfd.readouterr().out)
    assert [row["goal"] for row in found["goals"] if not row["met"]] == []
    assert len(found["goals"]) == 12
    assert [(row["case"]["barrier"], row["case"]["members"]) for row in found["costs"]] == [
        (barrier, members) for barrier in BARRIERS for members in (2, 8)
    ]
    assert set(found["grows_with_members_to_the_power_of"]) == set(BARRIERS)
    assert found["closing"]
    for name in ("protocol-cost.png", "stragglers.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_tables_show_every_size_and_promise(capfd: pytest.CaptureFixture[str]) -> None:
    from infra.bench.protocol import tables as t
    from runner.commands import tables

    rows = [measure(replace(SMALL, members=members)) for members in (2, 8)]
    tables.show(t.costs(rows))
    tables.show(t.goals([goals.Goal("cheap", "3 requests", True), goals.Goal("quick", "9 s", False)]))
    shown = capfd.readouterr().out
    assert "N^0.00" in shown
    assert "3 requests  met" in shown
    assert "9 s         missed" in shown


@pytest.mark.parametrize(
    "wrong",
    [["--members", "0,2"], ["--members", "two"], ["--barrier", "nobody"], ["--to", __file__]],
    ids=["none", "words", "barrier", "file"],
)
def test_options_are_checked_before_anything_is_measured(wrong: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=wrong[0]):
        app(["bench", "protocol", *wrong], standalone_mode=False)
    assert capfd.readouterr().out == ""
