"""Federations without a sync-server: the members close the rounds, and everything else is as with one."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

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
    training,
    undisturbed,
)
from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.jobs.lease import Attempts
from protocol.jobs.submit import submit_federation, submit_job
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.choices import Closers
from protocol.wire.errors import StoreError, Transient, Unfit
from protocol.wire.federation_documents import Decision, Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.memory import Request

expected = cache(undisturbed)  # with a sync-server

LONG: dict[str, Any] = {"episodes": 5, "episodes_per_round": 2, "strategy": Strategy.FEDADAM}
HOW = pytest.mark.parametrize("how", [{}, LONG], ids=["one-episode", "fedadam-of-two"])


def start(size: int, workers: int, seed: int = 1, **how: Any) -> tuple[World, Federation]:
    world, wanted = World(seed=seed), federation(size, barrier=Closers.WORKERS, **how)
    submit_federation(bucket_of(world), wanted)
    for number in range(workers):
        add_worker(world, f"w{number}")
    return world, wanted


def check(world: World, wanted: Federation, **how: Any) -> None:
    """The federation and all its jobs have ended well, with the weights of a run with a sync-server."""
    weights = final_weights(world, wanted)
    assert weights == expected(wanted.size, **how)
    assert outcome(world).weights_sha256 == hashlib.sha256(weights).hexdigest()
    for member in range(wanted.size):
        result = documents.read(bucket_of(world), Result, keys.result(keys.member_job(GROUP, member)))
        assert result is not None
        assert (result.status, result.episodes_completed) == (ResultStatus.SUCCESS, wanted.training.episodes)
    assert [process.error for process in world.processes if process.error] == []


def outcome(world: World) -> Outcome:
    return documents.parse(Outcome, world.s3.objects[keys.outcome(GROUP)].body, "outcome.json")


def decisions(world: World, wanted: Federation) -> list[Decision]:
    bodies = (world.s3.objects[keys.decision(GROUP, n)].body for n in range(1, wanted.rounds + 1))
    return [documents.parse(Decision, body, "round.json") for body in bodies]


@HOW
@pytest.mark.parametrize(("members", "workers"), [(1, 1), (2, 2), (4, 4), (4, 1), (8, 3), (2, 4)])
def test_without_a_sync_server_the_weights_are_the_same(members: int, workers: int, how: dict[str, Any]) -> None:
    world, wanted = start(members, workers, **how)
    world.run(all_over(world, wanted))
    check(world, wanted, **how)
    world.run(lambda: keys.active(GROUP) not in world.s3.objects)  # nothing is left to look at
    world.close()


@HOW
@pytest.mark.parametrize("kind", ["kill_before", "kill_after"])
def test_a_worker_killed_at_any_request_changes_nothing(kind: str, how: dict[str, Any]) -> None:
    number = 0
    while True:
        number += 1
        world, wanted = start(2, 2, seed=number, **how)
        doomed = world.processes[0]
        setattr(doomed, kind, number)
        add_worker(world, "another", at=20.0)
        world.run(all_over(world, wanted))
        check(world, wanted, **how)
        died = doomed.dead
        world.close()
        if not died:
            break
    assert number > 30  # every request of the victim's life had its turn


def test_a_sync_server_beside_it_does_no_harm() -> None:
    world, wanted = start(3, 2)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


def test_the_last_member_to_deliver_closes_at_once() -> None:
    world, wanted = start(4, 4, episodes=10)
    world.run(all_over(world, wanted))
    closed = [row.key for row in world.s3.log if row.verb == "CREATE" and row.key.endswith("round.json")]
    assert len(closed) <= 3 * 10  # those that deliver at the same moment as the last one may all close
    read = [row.key for row in world.s3.log if row.verb == "GET" and "/updates/" in row.key]
    assert len(read) <= 4 * 4 * 10  # each member closes a round, or makes its average again
    assert world.now < 10 * 1.5 + 1  # episodes of a second; no member polled twice
    looked = [row for row in world.s3.log if row.verb == "LIST" and "/updates/" in row.key]
    assert len(looked) <= 2 * 4 * 10
    check(world, wanted, episodes=10)
    world.close()


def test_a_round_whose_last_deliverer_died_over_it_is_closed_by_another_within_seconds() -> None:
    world, wanted = start(2, 0)
    slow = add_worker(world, "slow", stays=True, works_s=9.0)
    add_worker(world, "quick", stays=True)

    def dies(request: Request) -> bool:
        return request.who == "slow" and "/updates/" in request.key and request.verb == "CREATE"

    world.run(until=lambda: any(dies(row) for row in world.s3.log))
    slow.kill()
    delivered = world.now
    world.run(until=lambda: keys.global_weights(GROUP, 1) in world.s3.objects)
    assert world.now - delivered < 20
    add_worker(world, "another")
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


def test_a_dead_member_costs_the_deadline_and_one_look() -> None:
    world, wanted = start(4, 0, episodes=6, min_participants=3, round_timeout_s=100.0)
    workers = [add_worker(world, f"w{number}", stays=True) for number in range(4)]
    world.run(until=lambda: keys.global_weights(GROUP, 2) in world.s3.objects)
    workers[0].kill()
    died = world.now
    world.run(until=lambda: keys.global_weights(GROUP, 3) in world.s3.objects)
    assert 100 <= world.now - died < 100 + 10
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects)
    assert [len(decision.participants) for decision in decisions(world, wanted)] == [4, 4, 3, 3, 3, 3]
    world.close()


def test_a_member_that_fails_for_good_leaves_and_the_others_go_on() -> None:
    world, wanted = start(3, 2)
    queue.reject(bucket_of(world), keys.member_job(GROUP, 2), "its manifest was damaged")
    world.run(all_over(world, wanted))
    assert [[p.member for p in row.participants] for row in decisions(world, wanted)] == [[0, 1]] * 3
    assert outcome(world).status is OutcomeStatus.FINISHED
    world.close()


def test_a_federation_whose_members_have_all_failed_ends_too() -> None:
    world, _ = start(2, 0)
    for member in range(2):
        queue.reject(bucket_of(world), keys.member_job(GROUP, member), "its manifest was damaged")
    add_worker(world, "idle")
    world.run(until=lambda: keys.active(GROUP) not in world.s3.objects, limit_s=600.0)
    assert outcome(world).reason == "round 1: 0 updates, at least 1 needed: 2 members of 2 ended"
    world.close()


def test_a_worker_that_stays_with_its_last_job_ends_the_federation_too() -> None:
    world, _ = start(2, 0, min_participants=2)
    bucket = bucket_of(world)
    queue.reject(bucket, keys.member_job(GROUP, 1), "its manifest was damaged")
    add_worker(world, "only", stays=True)
    world.run(until=lambda: False)
    assert outcome(world).status is OutcomeStatus.FAILED
    result = documents.read(bucket, Result, keys.result(keys.member_job(GROUP, 0)))
    assert result is not None
    assert "at least 2 needed" in (result.error or "")
    world.close()


def test_an_idle_worker_leaves_a_federation_alone_whose_submit_is_under_way() -> None:
    world, wanted = World(seed=1), federation(2, barrier=Closers.WORKERS)
    bucket = bucket_of(world)
    bucket.create(keys.federation(GROUP), wanted.to_bytes())
    bucket.create(keys.active(GROUP), b"")
    add_worker(world, "idle")
    world.run(until=lambda: world.now > 200)
    assert keys.outcome(GROUP) not in world.s3.objects
    submit_federation(bucket, wanted)
    add_worker(world, "w1")
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


def test_one_that_died_after_its_last_update_is_resumed_and_the_last_round_closed() -> None:
    world, wanted = start(1, 1)
    last = keys.update(GROUP, wanted.rounds, 0)
    world.run(until=lambda: last in world.s3.objects)
    world.processes[0].kill()
    assert keys.global_weights(GROUP, wanted.rounds) not in world.s3.objects
    taken = queue.claim(bucket_of(world), keys.member_job(GROUP, 0), Attempts(attempt=1), "x", TTL_S)
    assert taken is not None
    taken.lease.release("test")
    add_worker(world, "another")
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


@pytest.mark.parametrize("error", [Transient, Unfit])
def test_a_job_that_ended_well_has_ended_well_though_other_federations_cannot_be_read(
    error: type[StoreError],
) -> None:
    def refused(process: Process, request: Request, after: bool) -> None:
        if process.name == "only" and request.key == keys.ACTIVE:
            raise error("no")

    world = World(seed=1, fault=refused)
    [job_id] = submit_job(bucket_of(world), training(2)).job_ids
    only = add_worker(world, "only", stays=True)
    world.run(until=lambda: only.ended)
    assert only.error is None
    assert queue.is_over(bucket_of(world), job_id)
    world.close()


def test_a_member_that_goes_on_elsewhere_does_not_search_for_the_open_round() -> None:
    world, wanted = start(8, 3, episodes=16)
    world.run(all_over(world, wanted))
    searched = [row for row in world.s3.log if row.verb == "HEAD" and row.key.endswith("global_weights.safetensors")]
    assert len(searched) < 3 * 8 * 16
    check(world, wanted, episodes=16)
    world.close()


def test_no_member_ends_before_the_outcome_is_recorded() -> None:
    world, wanted = start(3, 3)
    world.run(all_over(world, wanted))
    created = [row.key for row in world.s3.log if row.verb == "CREATE"]
    results = [created.index(keys.result(keys.member_job(GROUP, member))) for member in range(3)]
    assert created.index(keys.outcome(GROUP)) < min(results)
    world.close()


def test_those_that_wait_leave_a_round_to_the_last_member_to_deliver() -> None:
    world, wanted = World(seed=1, latency_s=0.3), federation(6, 6, barrier=Closers.WORKERS)
    submit_federation(bucket_of(world), wanted)
    for member in range(6):
        add_worker(world, f"w{member}", stays=True, works_s=1.0 if member else 9.0)
    world.run(all_over(world, wanted))
    closed = [row.who for row in world.s3.log if row.verb == "CREATE" and row.key.endswith("round.json")]
    assert len(closed) < 2 * 6
    world.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_round_is_closed_within_seconds_of_its_deadline(seed: int) -> None:
    world, _ = start(2, 0, seed, episodes=8, round_timeout_s=100.0)
    add_worker(world, "only", stays=True)  # no worker runs the other member
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects)
    assert world.now < 8 * (1 + 100 + 13)  # a poll of at most 7.5 s, a grace of at most 3 s, and the clock's second
    world.close()
