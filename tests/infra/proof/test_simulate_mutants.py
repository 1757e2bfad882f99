"""What the simulation is worth: the protocol broken in many ways, and each one seen.

A mutant is caught by an invariant, within the seeds given, or it costs only time; then the time is shown to be lost.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from mutants import caught, violated

from infra.proof.simulation.invariants import Invariant
from infra.proof.simulation.run import Implementations, simulate
from infra.proof.simulation.scenario import Fault, SimulationScenario, Target, draw
from infra.proof.standin import federation
from protocol.jobs import queue
from protocol.jobs.lease import Attempts, Lease
from protocol.jobs.queue import ClaimedJob
from protocol.rounds import closer, server
from protocol.rounds.aggregate import Aggregate
from protocol.rounds.closer import Closer
from protocol.rounds.decide import CloseRound, KeepOpen, OpenRound
from protocol.wire import keys
from protocol.wire.bucket import Bucket, Created, Listing
from protocol.wire.errors import Conflict, Exists, StoreError, Transient
from protocol.wire.federation_documents import Decision
from protocol.wire.memory import Answer, MemoryS3, MemoryStore, Request, _Object
from protocol.wire.store import ObjectSummary
from protocol.worker import barrier

# -- the endpoint ------------------------------------------------------------------------------------


class IgnoresConditions(MemoryS3):
    """As rclone and s3rver."""

    def _answer(self, request: Request) -> Answer:
        if request.verb == "CREATE":
            self.objects[request.key] = _Object(request.body, request.metadata, self._second())
            return None
        return super()._answer(request)


def test_an_endpoint_that_ignores_conditions_is_caught() -> None:
    assert Invariant.DECISION in violated(caught(Implementations(server=IgnoresConditions)))


class ChecksThenWrites(MemoryS3):
    """As stock moto: the check and the write are two steps, and another process's write may lie between them."""

    def store(self, who: str, *hooks: Callable[[Request], None]) -> MemoryStore:
        plain = super().store(who, *hooks)
        return _ChecksThenWrites(self, who, plain.on_request, plain.on_answer)

    def _answer(self, request: Request) -> Answer:
        if request.verb == "CREATE":
            self.objects[request.key] = _Object(request.body, request.metadata, self._second())
            return None
        return super()._answer(request)


class _ChecksThenWrites(MemoryStore):
    def send(self, request: Request) -> Answer:
        if request.verb == "CREATE":
            self.on_request(request)
            if request.key in self.server.objects:
                self.on_answer(request)
                raise Exists("412")
        return super().send(request)


def test_an_endpoint_that_checks_and_then_writes_is_caught() -> None:
    caught(Implementations(server=ChecksThenWrites))


# -- creating ----------------------------------------------------------------------------------------


class PlainPuts(Bucket):
    def create(self, key: str, body: bytes, facts: Mapping[str, str] | None = None) -> Created:
        self._again(lambda: self.store.put(key, body, facts or {}, create_only=False))
        return Created.WON


def test_a_plain_put_where_create_only_belongs_is_caught() -> None:
    assert Invariant.DECISION in violated(caught(Implementations(bucket=PlainPuts)))


class Believes(Bucket):
    """Takes an answer for another one."""

    taken_for: dict[type[StoreError], Created] = {}  # noqa: RUF012 (set by each mutant)

    def create(self, key: str, body: bytes, facts: Mapping[str, str] | None = None) -> Created:
        inner = self.store
        mutant = self

        class Store:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def put(self, *arguments: Any, **named: Any) -> None:
                try:
                    inner.put(*arguments, **named)
                except StoreError as error:
                    if (answer := mutant.taken_for.get(type(error))) is not None:
                        raise _Answered(answer) from error
                    raise

        self.store = Store()  # type: ignore[assignment]
        try:
            return super().create(key, body, facts)
        except _Answered as answered:
            return answered.answer
        finally:
            self.store = inner


class _Answered(Exception):
    def __init__(self, answer: Created) -> None:
        self.answer = answer


class AnyErrorIsWon(Believes):
    taken_for = {Transient: Created.WON, Conflict: Created.WON}  # noqa: RUF012


class ConflictIsLost(Believes):
    taken_for = {Conflict: Created.LOST}  # noqa: RUF012


class ErrorIsLost(Believes):
    taken_for = {Transient: Created.LOST}  # noqa: RUF012


class NoNonce(Believes):
    taken_for = {Exists: Created.LOST}  # noqa: RUF012


def test_an_error_taken_for_won_is_caught() -> None:
    caught(Implementations(bucket=AnyErrorIsWon))


def test_a_409_taken_for_lost_is_caught() -> None:
    """Nothing is there, then: a state that the update comes before, or a manifest that no worker runs."""
    caught(Implementations(bucket=ConflictIsLost))


def test_a_5xx_taken_for_lost_is_caught() -> None:
    caught(Implementations(bucket=ErrorIsLost))


def test_an_unknown_claim_taken_for_won_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    true = Bucket.create

    def create(self: Bucket, key: str, *rest: Any) -> Created:
        answer = true(self, key, *rest)
        return Created.WON if answer is Created.UNKNOWN and "/claim-" in key else answer

    def outages(scenario: SimulationScenario) -> SimulationScenario:
        return replace(scenario, ttl_s=100.0, faults={Fault.CUT_OFF: 0.03, Fault.STOP: 0.03, Fault.LOST_REQUEST: 0.15})

    monkeypatch.setattr(Bucket, "create", create)
    assert Invariant.OWNER in violated(caught(focus=outages))


# -- states, updates, rounds ---------------------------------------------------------------------------


def test_an_average_before_its_decision_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Closer._judge

    def average_first(self: Closer, verdict: CloseRound, aggregate: Aggregate) -> Decision | None:
        decision = judge(self, verdict, aggregate)
        if decision is not None:
            self.bucket.ensure_created(keys.global_weights(self.group, self.round), aggregate.finish().weights)
        return decision

    monkeypatch.setattr(Closer, "_judge", average_first)
    assert Invariant.DECISION in violated(caught())


def test_averaging_ones_own_choice_where_another_decided_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def closers_that_differ(scenario: SimulationScenario) -> SimulationScenario:
        wanted = federation(4, 6, round_timeout_s=1.0, min_participants=1)
        faults = {Fault.PAUSE: 0.03, Fault.SLOW: 0.03}
        return replace(scenario, wanted=wanted, syncs=2, defects={}, works_s=1.0, faults=faults)

    monkeypatch.setattr(Closer, "_follow", lambda self, decision, aggregate: (decision, aggregate))
    assert Invariant.DECISION in violated(caught(focus=closers_that_differ))


def test_averaging_what_the_decision_does_not_list_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Closer._judge

    def forgets_one(self: Closer, verdict: CloseRound, aggregate: Aggregate) -> Decision | None:
        decision = judge(self, verdict, aggregate)
        if decision is None:
            return None
        kept = decision.participants[: max(1, len(decision.participants) - 1)]
        return decision.model_copy(update={"participants": kept})

    monkeypatch.setattr(Closer, "_judge", forgets_one)
    assert Invariant.DECISION in violated(caught())


def test_weights_before_the_servers_state_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_created = Bucket.ensure_created
    late: list[tuple[str, bytes]] = []

    def weights_first(self: Bucket, key: str, body: bytes, *facts: Any) -> bool:
        if key.endswith("server_state.safetensors"):
            late.append((key, body))
            return True
        done = ensure_created(self, key, body, *facts)
        while key.endswith("global_weights.safetensors") and late:
            ensure_created(self, *late.pop())
        return done

    monkeypatch.setattr(Bucket, "ensure_created", weights_first)
    assert Invariant.DECISION in violated(caught())


def test_closing_without_a_member_that_still_lives_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(seen: OpenRound) -> CloseRound | KeepOpen:
        return CloseRound(tuple(sorted(seen.delivered)), "full", 0.0) if seen.delivered else KeepOpen()

    monkeypatch.setattr(closer, "decide", impatient)
    assert Invariant.DECISION in violated(caught())


def test_waiting_for_members_that_have_ended_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = closer.decide
    monkeypatch.setattr(closer, "decide", lambda seen: decide(replace(seen, departed=())))
    assert Invariant.WEIGHTS in violated(caught())


# -- owners and jobs -----------------------------------------------------------------------------------


def test_deleting_what_commits_a_fact_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_away = queue.clear_away

    def too_tidy(bucket: Bucket, job_id: str) -> None:
        clear_away(bucket, job_id)
        if newest := queue.newest_state(bucket, job_id):
            bucket.delete(newest)

    monkeypatch.setattr(queue, "clear_away", too_tidy)
    assert Invariant.DECISION in violated(caught())


def test_forgetting_an_attempt_too_early_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(self: Lease, entries: list[ObjectSummary]) -> None:
        for entry in entries:
            row = keys.parse_progress(entry.key)
            if row and row.attempt < self.attempt:
                self.bucket.delete(entry.key)

    monkeypatch.setattr(Lease, "_forget", forget)
    assert Invariant.OWNER in violated(caught())


def test_clearing_a_job_away_before_its_result_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = queue.finish

    def eager(bucket: Bucket, result: Any) -> bool:
        queue.clear_away(bucket, result.job_id)
        return finish(bucket, result)

    monkeypatch.setattr(queue, "finish", eager)
    assert Invariant.KEYS in violated(caught())


def test_a_claim_on_a_cancelled_job_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    take = queue.claim

    def blind(bucket: Bucket, job_id: str, view: Attempts, *rest: Any) -> ClaimedJob | None:
        return take(bucket, job_id, replace(view, cancelled=False), *rest)

    def half_cancelled(scenario: SimulationScenario) -> SimulationScenario:
        faults = {Fault.KILL_BEFORE: 0.05, Fault.KILL_AFTER: 0.02}
        return replace(scenario, cancel=Target.MEMBER, cancel_s=1.0, faults=faults)

    monkeypatch.setattr(queue, "claim", blind)
    assert Invariant.COST in violated(caught(focus=half_cancelled))


def test_work_on_a_job_that_has_its_result_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = queue.is_over

    def unasked_after_a_claim(bucket: Bucket, job_id: str) -> bool:
        return sys._getframe(1).f_code is not queue.claim.__code__ and is_over(bucket, job_id)

    monkeypatch.setattr(queue, "is_over", unasked_after_a_claim)
    assert Invariant.COST in violated(caught())


class OwnClock(Bucket):
    """Judges leases by this machine's own clock."""

    def list(self, prefix: str) -> Listing:
        return replace(super().list(prefix), server_time=1_700_000_000.0 + self.clock.now())


def test_leases_by_a_machines_own_clock_are_caught() -> None:
    caught(Implementations(bucket=OwnClock))


def test_marks_left_by_who_slept_through_a_purge_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves_them(bucket: Bucket, strays: tuple[str, ...]) -> None:
        for job_id in strays:
            if queue.is_over(bucket, job_id):
                queue.clear_away(bucket, job_id)

    monkeypatch.setattr(queue, "sweep", leaves_them)
    assert Invariant.WEIGHTS in violated(caught(focus=purged))


def test_a_member_that_waits_on_after_a_purge_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "has_finished", lambda bucket, group: False)
    assert Invariant.WEIGHTS in violated(caught(focus=purged))


def purged(scenario: SimulationScenario) -> SimulationScenario:
    """Every stopped process continues after the purge."""
    faults = {Fault.SLEEP_THROUGH: 0.05}
    return replace(scenario, purge=True, resubmit_s=1.0, works_s=1.0, faults=faults, cancel=None)


# -- cost ----------------------------------------------------------------------------------------------


def test_polls_that_never_back_off_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (barrier, server):
        monkeypatch.setattr(module, "poll_delay", lambda *how: 0.05)
    assert Invariant.COST in violated(caught())


def test_not_knowing_ones_own_write_after_a_412_costs_only_time() -> None:
    """A claim that was won and is taken for lost has no owner until its lease has run out."""
    won_and_not_told = {Fault.LANDED_500: 0.1, Fault.LOST_ANSWER: 0.1, Fault.OWN_412: 0.1}

    def seconds(implementations: Implementations) -> float:
        total = 0.0
        for seed in range(15):
            wanted = federation(2, 3)
            drawn = replace(
                draw(seed), wanted=wanted, defects={}, cancel=None, cut=None, purge=False, singles=0, syncs=1
            )
            report = simulate(
                replace(drawn, ttl_s=100.0, calm_s=400.0, faults=won_and_not_told), implementations=implementations
            )
            assert report.violations == ()
            total += report.virtual_s
        return total

    true, mutant = seconds(Implementations()), seconds(Implementations(bucket=NoNonce))
    print(f"{true:.0f} s of virtual time, {mutant:.0f} s with the mutant")
    assert mutant > 1.5 * true
