"""Federations in virtual time: how many requests they send."""

from __future__ import annotations

from infra.proof.standin import (
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    integers,
)
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.jobs.submit import submit_federation
from protocol.rounds.closer import Closer
from protocol.wire import keys


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
        workers = [add_worker(world, f"w{number}", stays=True) for number in range(2)]
        add_sync_server(world)
        world.run(all_over(world, wanted))
        world.run(until=lambda workers=workers: all(worker.ended for worker in workers))  # they clear away
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
        queue.list_queue(bucket)
        Closer(bucket, federation(1), integers, lambda line: None).step()
        costs.append([row.verb for row in world.s3.log])
    assert costs[0] == costs[1]
