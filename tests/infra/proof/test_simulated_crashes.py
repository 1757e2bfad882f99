"""Federations in virtual time: processes are killed, stopped, frozen and doubled, and the weights stay the same."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from simulated import LONG, FlakyNetwork, check, start

from env.errors import UsageError
from infra.proof.standin import (
    GROUP,
    TTL_S,
    StandIn,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    integers,
)
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.jobs.lease import Attempts
from protocol.jobs.submit import submit_federation
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Result
from protocol.wire.memory import MemoryStore
from protocol.worker.attempt import Attempt


def submit(clock: Clock, store: MemoryStore, wanted: Federation) -> None:
    submit_federation(Bucket(store, clock), wanted)


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
        cut = world.process("dispatch", partial(submit, wanted=wanted))
        setattr(cut, kind, number)
        for index in range(3):
            add_worker(world, f"w{index}")
        add_sync_server(world)
        world.process("again", partial(submit, wanted=wanted), at=50.0)
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
    with pytest.raises(UsageError, match=r"exists with other settings \(size, episodes\); choose another --group"):
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
    result = documents.read(bucket, Result, keys.result(job_id))
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
    taken = queue.claim(bucket, job_id, Attempts(attempt=1), "second", TTL_S)
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


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    members=st.integers(1, 4),
    workers=st.integers(1, 4),
    kills=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 60)), max_size=3),
    how=st.sampled_from([{}, LONG]),
)
@example(seed=2, members=4, workers=2, kills=[(0, 3)], how={})  # an attempt is overtaken by the one before it
def test_on_a_flaky_network_with_kills_the_weights_are_still_the_same(
    seed: int, members: int, workers: int, kills: list[tuple[int, int]], how: dict[str, Any]
) -> None:
    world, wanted = World(seed=seed, slow=0.02, fault=FlakyNetwork(seed, 0.08)), federation(members, **how)
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
        listed = queue.list_queue(bucket_of(world))
        assert sorted(listed.free(TTL_S)) == sorted(listed.jobs), moment
        assert worker.error is None
        world.close()
