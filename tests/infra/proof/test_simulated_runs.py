"""Whole federations in virtual time: whatever dies, the training ends, with the same weights."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from infra.proof.standin import (
    GROUP,
    TTL_S,
    Result,
    StandIn,
    add_submit,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    final_weights,
    integers,
    training,
    undisturbed,
)
from infra.proof.virtual_time import Process, World
from protocol.commands.ending import cancel, purge
from protocol.commands.status import group_status
from protocol.jobs import queue as jobs
from protocol.jobs.lease import Attempts
from protocol.jobs.submit import submit_federation, submit_job
from protocol.rounds.closer import Closer
from protocol.rounds.decide import RoundInputs, update_facts
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.documents import Decision, Federation, Outcome, Status, Strategy
from protocol.wire.errors import Conflict, ProtocolError, Transient
from protocol.wire.memory import Request
from protocol.worker.attempt import Attempt

expected = cache(undisturbed)

COMMITTED = ("results/", "federations/", "traces/", "weights/")


def check(world: World, wanted: Federation) -> None:
    """The invariants that can be read off a finished run."""
    how = {"episodes_per_round": wanted.episodes_per_round, "strategy": wanted.strategy}
    assert final_weights(world, wanted) == expected(wanted.size, wanted.training.episodes, **how)
    bodies, before = world.s3.bodies(), RoundInputs()
    for round_ in range(1, wanted.rounds + 1):
        decision = documents.parse(Decision, bodies[keys.decision(GROUP, round_)], "round.json")
        assert [p.member for p in decision.participants] == list(range(wanted.size))
        aggregate = integers(wanted, before)
        for participant in decision.participants:
            episodes = episodes_of(bodies, wanted, round_, participant.member)
            assert participant.weight == sum(episode.steps for episode in episodes)
            assert participant.reward == sum(episode.reward for episode in episodes) / len(episodes)
            assert participant.solved == sum(episode.solved for episode in episodes)
            aggregate.add(bodies[keys.update(GROUP, round_, participant.member)], participant.weight)
        found = aggregate.finish()
        assert bodies[keys.global_weights(GROUP, round_)] == found.weights
        assert bodies.get(keys.server_state(GROUP, round_)) == found.server_state
        before = RoundInputs(found.weights, found.server_state)
    for row in world.s3.log:
        if row.key.startswith(COMMITTED) and not row.key.startswith(keys.ACTIVE):
            assert row.verb not in ("PUT", "DELETE"), row  # what is committed is neither overwritten nor deleted
    for member in range(wanted.size):
        result = documents.parse(documents.Result, bodies[keys.result(keys.member_job(GROUP, member))], "result.json")
        assert (result.status, result.episodes_completed) == (Status.SUCCESS, wanted.training.episodes)
    assert [process.error for process in world.processes if process.error] == []


def episodes_of(bodies: dict[str, bytes], wanted: Federation, round_: int, member: int) -> list[Result]:
    """The episodes that a member trained in a round, as its state tells them."""
    schedule = wanted.schedule
    state = json.loads(bodies[keys.state(keys.member_job(GROUP, member), schedule.last(round_))])
    return [Result(*row) for row in state["done"][schedule.last(round_ - 1) :]]


# Rounds of two, two and one episode, and a strategy whose server carries a state from round to round.
LONG: dict[str, Any] = {"episodes": 5, "episodes_per_round": 2, "strategy": Strategy.FEDADAM}


def start(size: int, workers: int, seed: int, **changes: Any) -> tuple[World, Federation]:
    world, wanted = World(seed=seed), federation(size, **changes)
    submit_federation(bucket_of(world), wanted)
    for number in range(workers):
        add_worker(world, f"w{number}")
    return world, wanted


@pytest.mark.parametrize("how", [{}, LONG], ids=["one-episode", "fedadam-of-two"])
@pytest.mark.parametrize(("members", "workers"), [(1, 1), (2, 2), (4, 4), (4, 2), (4, 1), (8, 3), (2, 4)])
def test_the_weights_do_not_depend_on_the_number_of_workers(members: int, workers: int, how: dict[str, Any]) -> None:
    world, wanted = start(members, workers, seed=workers, **how)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


@pytest.mark.parametrize("kind", ["kill_before", "kill_after"])
@pytest.mark.parametrize("victim", ["worker", "sync-server"])
@pytest.mark.parametrize("how", [{}, LONG], ids=["one-episode", "fedadam-of-two"])
def test_a_process_killed_at_any_request_changes_nothing(victim: str, kind: str, how: dict[str, Any]) -> None:
    number = 0
    while True:
        number += 1
        world, wanted = start(2, 2, seed=number, **how)
        server = add_sync_server(world)
        doomed = server if victim == "sync-server" else world.processes[0]
        setattr(doomed, kind, number)
        (add_sync_server if victim == "sync-server" else add_worker)(world, "another", at=20.0)
        world.run(all_over(world, wanted))
        check(world, wanted)
        died = doomed.dead
        world.close()
        if not died:
            break
    assert number > 30  # every request of the victim's life had its turn


@pytest.mark.parametrize("kind", ["kill_before", "kill_after"])
def test_a_submit_cut_off_at_any_request_is_completed_by_the_next(kind: str) -> None:
    number = 0
    while True:
        number += 1
        world, wanted = World(seed=number), federation(3)
        cut = add_submit(world, wanted)
        setattr(cut, kind, number)
        for index in range(3):
            add_worker(world, f"w{index}")
        add_sync_server(world)
        add_submit(world, wanted, "again", at=50.0)
        world.run(all_over(world, wanted))
        check(world, wanted)
        died = cut.dead
        world.close()
        if not died:
            break
    assert number > 8


def test_submitting_again_changes_nothing() -> None:
    world, wanted = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    world.run(until=lambda: not any(k.startswith(("jobs/pending", "federations/active")) for k in world.s3.objects))
    before = world.s3.bodies()
    assert submit_federation(bucket_of(world), wanted).created == 0
    assert world.s3.bodies() == before
    world.close()


def test_a_group_is_not_reused_with_other_settings() -> None:
    world, _ = start(2, 0, seed=1)
    with pytest.raises(ProtocolError, match="exists with another size, episodes; choose another --group"):
        submit_federation(bucket_of(world), federation(3, 5))


def test_a_dead_workers_job_is_taken_over_after_one_lease() -> None:
    world, wanted = start(1, 1, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.state(keys.member_job(GROUP, 0), 1) in world.s3.objects)
    world.processes[0].kill()
    died = world.now
    add_worker(world, "another")
    world.run(all_over(world, wanted))
    assert TTL_S - 25 < world.now - died < TTL_S + 40
    check(world, wanted)
    world.close()


def test_a_worker_told_to_stop_frees_its_job_at_once() -> None:
    world, wanted = start(1, 1, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.state(keys.member_job(GROUP, 0), 1) in world.s3.objects)
    world.processes[0].stopping = True
    world.run(until=lambda: world.processes[0].ended)
    stopped = world.now
    add_worker(world, "another")
    world.run(all_over(world, wanted))
    assert world.now - stopped < 15
    check(world, wanted)
    world.close()


def test_a_worker_stopped_in_the_middle_of_a_round_costs_that_rounds_episodes_and_no_more() -> None:
    world, wanted = World(seed=1), federation(1, 12, episodes_per_round=4)
    submit_federation(bucket_of(world), wanted)
    job_id = keys.member_job(GROUP, 0)
    add_worker(world, "first", works_s=10.0)
    add_sync_server(world)
    world.run(until=lambda: keys.global_weights(GROUP, 1) in world.s3.objects)
    closed = world.now
    world.run(until=lambda: world.now > closed + 25.0)  # the third episode of the second round
    world.processes[0].stopping = True
    stopped = world.now
    world.run(until=lambda: world.processes[0].ended)
    assert world.now - stopped < 12
    assert [key for key in world.s3.objects if key.startswith(keys.states(job_id))] == [keys.state(job_id, 4)]
    add_worker(world, "second", works_s=10.0)
    world.run(all_over(world, wanted))
    assert world.now - stopped < 2 * 4 * 10 + 30  # both rounds that were left, anew, and no lease to wait for
    check(world, wanted)
    world.close()


def test_a_round_much_longer_than_a_lease_keeps_its_owner() -> None:
    world, wanted = World(seed=1), federation(1, 20, episodes_per_round=10)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "w", works_s=3 * TTL_S)
    add_worker(world, "hungry")
    add_sync_server(world)
    world.run(all_over(world, wanted))
    assert not any(key.endswith("claim-0002.json") for key in (row.key for row in world.s3.log))
    check(world, wanted)
    world.close()


def test_a_state_from_the_middle_of_a_round_is_refused() -> None:
    world, wanted = World(seed=1), federation(1, 4, episodes_per_round=2)
    bucket, job_id = bucket_of(world), keys.member_job(GROUP, 0)
    submit_federation(bucket, wanted)
    state = {"value": 1, "private": "", "episode": 3, "done": []}
    bucket.create(keys.state(job_id, 3), json.dumps(state).encode())
    add_worker(world, "w")
    world.run(until=lambda: keys.result(job_id) in world.s3.objects)
    result = jobs.read_result(bucket, job_id)
    assert result is not None
    assert "episode 3 is not the last one of a round" in (result.error or "")
    world.close()


def test_a_zombie_that_slept_past_its_lease_does_no_harm() -> None:
    world, wanted = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.state(keys.member_job(GROUP, 0), 1) in world.s3.objects)
    world.freeze(world.processes[0], 500.0)
    add_worker(world, "another")
    world.run(until=lambda: world.now > 600.0)
    assert all_over(world, wanted)()
    check(world, wanted)
    world.close()


@pytest.mark.parametrize("known", [0, 1, 2])
def test_an_attempt_that_was_overtaken_by_the_one_before_it_goes_on_from_where_that_came(known: int) -> None:
    world, wanted = start(1, 1, seed=1)
    add_sync_server(world)
    bucket, job_id = bucket_of(world), keys.member_job(GROUP, 0)
    world.run(until=lambda: keys.update(GROUP, wanted.rounds, 0) in world.s3.objects)
    world.processes[0].kill()
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects)
    taken = jobs.claim(bucket, job_id, Attempts(attempt=1), "second", TTL_S)
    assert taken is not None
    taken = replace(taken, newest_state=keys.state(job_id, known) if known else None)
    learner = StandIn(taken.manifest, lambda seconds: None, 1.0)
    Attempt(bucket, taken, learner, None, integers, lambda line: None).run()
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


def test_two_sync_servers_and_a_duplicated_worker_change_nothing() -> None:
    world, wanted = start(2, 2, seed=3)
    add_sync_server(world, "sync-a")
    add_sync_server(world, "sync-b")
    add_worker(world, "w0")  # the same id twice, as on a cloned machine
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


class Weather:
    """Requests and answers get lost, delayed, refused, by chance."""

    def __init__(self, seed: int, rate: float) -> None:
        self.random = random.Random(seed)
        self.rate = rate

    def __call__(self, process: Process, request: Request, after: bool) -> None:
        if self.random.random() >= self.rate:
            return
        if not after and request.verb == "CREATE" and self.random.random() < 0.3:
            raise Conflict("409")
        raise Transient("answer lost" if after else "503 SlowDown")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    members=st.integers(1, 4),
    workers=st.integers(1, 4),
    kills=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=3),
    how=st.sampled_from([{}, LONG]),
)
@example(seed=2, members=4, workers=2, kills=[(0, 3)], how={})  # an attempt is overtaken by the one before it
def test_in_bad_weather_with_kills_the_weights_are_still_the_same(
    seed: int, members: int, workers: int, kills: list[tuple[int, int]], how: dict[str, Any]
) -> None:
    world, wanted = World(seed=seed, slow=0.02, fault=Weather(seed, 0.08)), federation(members, **how)
    submit_federation(bucket_of(world), wanted)
    for number in range(workers):
        add_worker(world, f"w{number}")
    add_sync_server(world)
    for victim, request in kills:
        world.processes[victim % len(world.processes)].kill_after = request
    add_worker(world, "spare", at=30.0)
    add_sync_server(world, "spare-sync", at=30.0)
    world.run(all_over(world, wanted))
    check(world, wanted)
    world.close()


# -- members that fail, rounds with deadlines --------------------------------------------------------


def test_a_member_that_fails_for_good_leaves_and_the_others_go_on() -> None:
    world, wanted = start(3, 2, seed=1)
    jobs.reject(bucket_of(world), keys.member_job(GROUP, 2), "its manifest was damaged")
    add_sync_server(world)
    world.run(all_over(world, wanted))
    decision = documents.parse(Decision, world.s3.objects[keys.decision(GROUP, 3)].body, "round.json")
    assert [p.member for p in decision.participants] == [0, 1]
    assert decision.departed == (2,)
    world.close()


def test_a_slow_member_is_left_behind_at_the_deadline_and_catches_up() -> None:
    world, wanted = World(seed=1), federation(3, 12, round_timeout_s=10.0, min_participants=2)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "fast-1", stays=True)
    add_worker(world, "fast-2", stays=True)
    add_worker(world, "slow", stays=True, works_s=50.0)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    assert world.now < 12 * 20 + 120  # at the pace of the others: twelve rounds of about eleven seconds
    results = [jobs.read_result(bucket_of(world), keys.member_job(GROUP, m)) for m in range(3)]
    completed = sorted(result.episodes_completed for result in results if result)
    assert completed[1:] == [12, 12]
    assert 1 <= completed[0] <= 5  # it skipped rounds instead of trailing behind
    world.close()


def test_a_federation_that_failed_ends_all_its_jobs_with_the_reason() -> None:
    world, wanted = World(seed=1), federation(2, 3, min_participants=2, round_timeout_s=30.0)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "only", stays=True)
    add_sync_server(world)
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects)
    add_worker(world, "late")
    world.run(all_over(world, wanted))
    outcome = documents.parse(Outcome, world.s3.objects[keys.outcome(GROUP)].body, "outcome.json")
    assert outcome.reason == "round 1: 1 updates, at least 2 are needed: the round timed out"
    for member in range(2):
        result = jobs.read_result(bucket_of(world), keys.member_job(GROUP, member))
        assert result is not None
        assert result.status is Status.FAILED
        assert "the round timed out" in (result.error or "")
    world.close()


def test_cancelling_stops_the_owner_within_a_third_of_the_lease() -> None:
    world, wanted = World(seed=1), federation(1, 500)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "w")
    add_sync_server(world)
    job_id = keys.member_job(GROUP, 0)
    world.run(until=lambda: keys.state(job_id, 3) in world.s3.objects)
    asked = world.now
    bucket_of(world).create(keys.cancel(job_id), b"{}")
    world.run(until=lambda: keys.result(job_id) in world.s3.objects)
    assert world.now - asked < TTL_S / 3 + 2
    result = jobs.read_result(bucket_of(world), job_id)
    assert result is not None
    assert result.status is Status.CANCELLED
    assert result.episodes_completed >= 3
    world.close()


def test_a_single_job_resumes_and_needs_no_sync_server() -> None:
    world = World(seed=1)
    job_id = submit_job(bucket_of(world), training(100)).job_ids[0]
    first = add_worker(world, "w0")
    world.run(until=lambda: any("/state/" in key for key in world.s3.objects))
    first.kill()
    add_worker(world, "w1")
    world.run(until=lambda: keys.result(job_id) in world.s3.objects)
    undisturbed_world = World(seed=2)
    other = submit_job(bucket_of(undisturbed_world), training(100)).job_ids[0]
    add_worker(undisturbed_world, "w0")
    undisturbed_world.run(until=lambda: keys.result(other) in undisturbed_world.s3.objects)
    log = "train.log"
    assert (
        world.s3.objects[keys.artifact(job_id, log)].body
        == undisturbed_world.s3.objects[keys.artifact(other, log)].body
    )
    world.close()
    undisturbed_world.close()


# -- cost --------------------------------------------------------------------------------------------


def test_a_member_costs_two_writes_a_round_and_polls_are_gets() -> None:
    world, wanted = World(seed=1), federation(2, 30)
    submit_federation(bucket_of(world), wanted)
    for number in range(2):
        add_worker(world, f"w{number}", stays=True)
    add_sync_server(world)
    world.run(all_over(world, wanted))
    writes = [row for row in world.s3.log if row.who.startswith("w") and row.verb == "CREATE"]
    in_rounds = [row for row in writes if "/state/" in row.key or "/updates/" in row.key]
    assert len(in_rounds) == 2 * 2 * 30
    assert len(writes) - len(in_rounds) <= 2 * 6  # claim, artifacts, result, moved manifest
    assert not any(row.verb == "LIST" and "/updates/" in row.key for row in world.s3.log if row.who.startswith("w"))
    closing = [row for row in world.s3.log if row.who == "sync"]
    assert sum(row.verb == "CREATE" for row in closing) == 2 * 30 + 1  # round.json, global weights; the outcome
    world.close()


def test_a_long_round_costs_no_more_requests_than_a_short_one() -> None:
    created = []
    for episodes in (1, 10):
        world, wanted = World(seed=1), federation(2, 6 * episodes, episodes_per_round=episodes)
        submit_federation(bucket_of(world), wanted)
        for number in range(2):
            add_worker(world, f"w{number}", stays=True)
        add_sync_server(world)
        world.run(all_over(world, wanted))
        created.append(sorted((row.who, row.key.split("/")[0]) for row in world.s3.log if row.verb == "CREATE"))
        world.close()
    assert created[0] == created[1]


def test_looking_for_work_costs_the_same_however_long_the_history() -> None:
    costs = []
    for finished in (0, 3000):
        world = World(seed=1)
        bucket = bucket_of(world)
        for number in range(finished):
            bucket.create(keys.finished_manifest(f"job-{number}"), b"")
            bucket.create(keys.result(f"job-{number}"), b"")
        submit_federation(bucket, federation(1))
        world.s3.log.clear()
        jobs.list_queue(bucket)
        Closer(bucket, federation(1), integers, lambda line: None).step()
        costs.append([row.verb for row in world.s3.log])
    assert costs[0] == costs[1]


def test_status_tells_members_and_rounds() -> None:
    world, _ = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.global_weights(GROUP, 2) in world.s3.objects)
    now = group_status(bucket_of(world), GROUP, TTL_S)
    assert (now.closed, now.outcome) == (2, None)
    assert {member.state for member in now.members} == {"running"}
    assert [(row.participants, row.episodes) for row in now.recent] == [(2, 2), (2, 2)]
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects and not jobs.list_queue(bucket_of(world)).jobs)
    now = group_status(bucket_of(world), GROUP, TTL_S)
    assert (now.closed, now.outcome) == (3, "finished")
    assert {member.state for member in now.members} == {"success"}
    world.close()


def test_runs_with_equal_seeds_are_equal_request_by_request() -> None:
    logs = []
    for _ in range(2):
        world, wanted = start(3, 2, seed=42)
        add_sync_server(world)
        world.run(all_over(world, wanted))
        logs.append(list(world.s3.log))
        world.close()
    assert logs[0] == logs[1]


def test_a_worker_told_to_stop_while_it_changes_jobs_leaves_none_behind() -> None:
    for moment in range(1, 40):
        world, _ = start(3, 1, seed=moment)
        add_sync_server(world)
        worker = world.processes[0]
        world.run(until=lambda moment=moment, worker=worker: worker.requests > 10 + 3 * moment)  # type: ignore[misc]
        worker.stopping = True
        world.run(until=lambda worker=worker: worker.ended)  # type: ignore[misc]
        queue = jobs.list_queue(bucket_of(world))
        assert sorted(queue.free(TTL_S)) == sorted(queue.jobs), moment
        assert worker.error is None
        world.close()


def test_a_member_of_a_federation_that_is_gone_does_not_wait_for_ever() -> None:
    world, _ = start(2, 1, seed=1)
    world.run(until=lambda: keys.state(keys.member_job(GROUP, 0), 1) in world.s3.objects)
    del world.s3.objects[keys.federation(GROUP)]
    world.run(until=lambda: keys.result(keys.member_job(GROUP, 0)) in world.s3.objects)
    result = jobs.read_result(bucket_of(world), keys.member_job(GROUP, 0))
    assert result is not None
    assert "purged" in (result.error or "")
    world.close()


def test_one_federations_trouble_does_not_hold_up_another() -> None:
    def trouble(process: Process, request: Request, after: bool) -> None:
        if process.name == "sync" and f"/{GROUP}/rounds" in request.key:
            raise Transient("503")

    world = World(seed=1, fault=trouble)
    for group in (GROUP, "other"):
        submit_federation(bucket_of(world), federation(1, 2, group=group))
    add_worker(world, "w0", stays=True)
    add_worker(world, "w1", stays=True)
    add_sync_server(world)
    world.run(until=lambda: keys.outcome("other") in world.s3.objects, limit_s=3600.0)
    assert keys.outcome("other") in world.s3.objects
    world.close()


# -- operators, poison and outages -------------------------------------------------------------------


def test_a_member_that_delivers_and_ends_while_the_closer_asks_is_not_lost() -> None:
    world, wanted = World(seed=1), federation(1, 1)
    bucket = bucket_of(world)
    closer = Closer(bucket_that_delivers_late(world), wanted, integers, lambda line: None)
    assert not closer.step()
    decision = documents.parse(Decision, world.s3.objects[keys.decision(GROUP, 1)].body, "round.json")
    assert [p.member for p in decision.participants] == [0]
    assert bucket.exists(keys.global_weights(GROUP, 1))


def bucket_that_delivers_late(world: World) -> Bucket:
    """A closer's bucket: between its listing and its question the only member delivers and ends."""
    bucket = bucket_of(world)

    def before(request: Request) -> None:
        if request.verb == "HEAD" and request.key == keys.result(keys.member_job(GROUP, 0)):
            bucket.create(keys.update(GROUP, 1, 0), b"7", update_facts(5, 0.0, False))
            bucket.create(request.key, jobs.ended("x", Status.SUCCESS, "").to_bytes())

    return Bucket(world.s3.store("closer", before), bucket.clock)


def test_a_living_sync_server_lets_go_of_a_group_that_was_cancelled() -> None:
    world, wanted = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.global_weights(GROUP, 1) in world.s3.objects)
    cancel(bucket_of(world), GROUP, TTL_S)
    world.run(until=lambda: not jobs.list_queue(bucket_of(world)).jobs)
    asked = world.now
    world.run(until=lambda: world.now > asked + 10)  # until it has read the index again
    world.s3.log.clear()
    world.run(until=lambda: world.now > asked + 600)
    assert not any(f"/{GROUP}/" in row.key for row in world.s3.log if row.who == "sync" and row.key != keys.ACTIVE)
    assert submit_federation(bucket_of(world), wanted).created == 0  # a name is never used twice
    purge(bucket_of(world), GROUP)
    purge(bucket_of(world), GROUP)  # again, as after one that was cut short
    assert [key for key in world.s3.objects if GROUP in key.split("/")[-1] or f"/{GROUP}" in key] == [
        keys.federation(GROUP),
        keys.outcome(GROUP),
    ]
    world.close()


POISON = {
    "federations/active/active": b"",
    "federations/active/" + "g" * 60: b"",
    "federations/active/poison-a": b"",
    "federations/poison-a/federation.json": b"[" * 5000,
    "federations/active/poison-b": b"",
    "federations/poison-b/federation.json": b"null",
    "jobs/pending/poison-c/manifest.json": b"\xff",
    "jobs/pending/" + "x" * 100 + "/manifest.json": b"{}",
    "jobs/in_progress/poison-c/claim-99999999999.json": b"{}",
    "jobs/in_progress/poison-d/heartbeat-0001.json": b"nonsense",
    f"federations/{GROUP}/rounds/000001/updates/99.pt": b"not a member",
    f"federations/{GROUP}/rounds/000001/updates/../evil": b"",
}


def test_poison_in_the_bucket_stops_neither_workers_nor_sync_servers() -> None:
    world, wanted = World(seed=1), federation(2)
    bucket = bucket_of(world)
    for key, body in POISON.items():
        bucket.create(key, body)
    manifest = b'{"version":1,"job_id":"' + b"g" * 60 + b'-m0000","federation":{"group":"' + b"g" * 60 + b'"}}'
    bucket.create("jobs/pending/poison-e/manifest.json", manifest)
    submit_federation(bucket, wanted)
    add_worker(world, "w0")
    add_worker(world, "w1")
    add_sync_server(world)
    world.run(all_over(world, wanted))
    check(world, wanted)
    assert jobs.read_result(bucket, "poison-c").status is Status.REJECTED  # type: ignore[union-attr]
    world.close()


def test_an_outage_longer_than_anybodys_patience_ends_no_daemon() -> None:
    dark = (5.0, 5.0 + 400.0)

    def outage(process: Process, request: Request, after: bool) -> None:
        if dark[0] < world.now < dark[1]:
            raise Transient("503")

    world = World(seed=1, fault=outage)
    wanted = federation(2, 6)
    submit_federation(bucket_of(world), wanted)
    add_worker(world, "w0")
    add_worker(world, "w1")
    add_sync_server(world)
    world.run(all_over(world, wanted))
    check(world, wanted)
    assert world.now > dark[1]
    world.close()
