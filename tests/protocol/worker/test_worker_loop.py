"""How workers choose among free jobs, what they touch, and how often they look."""

from __future__ import annotations

import json
from itertools import count, islice, pairwise

from infra.proof.standin import TTL_S, StandIn, bucket_of, integers, training
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.jobs.lease import Attempts
from protocol.jobs.queue import ClaimedJob, claim
from protocol.jobs.submit import submit_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.job_documents import Manifest, ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import IDLE_S, SPREAD, WorkerLoop, idle_delay, spread

JOBS = [f"job-{number:03d}" for number in range(200)]
CLAIM = keys.attempt_mark("job-001", Mark.CLAIM, 1)


def test_a_contender_begins_among_the_oldest_and_looks_further_each_time() -> None:
    last = list(islice(spread(JOBS, lambda: 0.999), 4))
    assert last == ["job-007", "job-016", "job-033", "job-066"]
    assert list(islice(spread(JOBS, lambda: 0.0), 3)) == JOBS[:3]


def test_every_free_job_is_tried_once() -> None:
    numbers = count()
    assert sorted(spread(JOBS, lambda: next(numbers) * 0.37 % 1)) == JOBS
    assert len(JOBS) > SPREAD


def test_an_empty_queue_is_looked_at_ever_more_seldom() -> None:
    assert [idle_delay(idle_s) for idle_s in (0.0, 100.0, 1e6)] == [IDLE_S[0], 10.0, IDLE_S[1]]


def test_a_worker_for_one_job_touches_no_other() -> None:
    world = World(seed=1)
    mine, other = (submit_job(bucket_of(world), training(2)).job_ids[0] for _ in range(2))

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, 1.0)

        bucket = Bucket(store, clock)
        WorkerLoop(bucket, "w", TTL_S, start, integers, lambda line: None, stays=True, only=mine).run_one()

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended)
    assert queue.is_over(bucket_of(world), mine)
    assert not queue.is_over(bucket_of(world), other)
    assert [row.key for row in world.s3.log if row.who == "w" and mine not in row.key] == []
    world.close()


def test_a_worker_that_leaves_when_idle_takes_over_what_a_killed_one_had() -> None:
    world = World(seed=1)
    jobs = [submit_job(bucket_of(world), training(2)).job_ids[0] for _ in range(2)]

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, 1.0)

        bucket = Bucket(store, clock)
        WorkerLoop(bucket, "w", TTL_S, start, integers, lambda line: None).run_until_stopped(exit_when_idle=True)

    claim(bucket_of(world), jobs[0], Attempts(), "killed", TTL_S)  # and is never renewed
    worker = world.process("w", work)
    world.run(until=lambda: worker.ended)
    assert all(queue.is_over(bucket_of(world), job) for job in jobs)
    world.close()


def test_a_job_of_another_release_keeps_no_worker_that_leaves_when_idle() -> None:
    world, said = World(seed=1), list[str]()
    newer = {"version": 999}
    bucket_of(world).create(keys.pending_manifest("job-001"), json.dumps(newer).encode())

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            raise AssertionError("there is nothing to run")

        WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append).run_until_stopped(
            exit_when_idle=True
        )

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended)
    assert [line for line in said if "passed over" in line]
    assert bucket_of(world).exists(keys.pending_manifest("job-001"))
    world.close()


def test_marks_of_a_job_that_is_nowhere_any_more_are_cleared_away() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    bucket.create(CLAIM, b"{}")  # by a process that was stopped during a purge
    queue.sweep(bucket, ("job-001",))
    assert not bucket.exists(CLAIM)


def test_marks_of_a_job_that_was_submitted_since_the_listing_stay() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    bucket.create(keys.pending_manifest("job-001"), b"{}")
    bucket.create(CLAIM, b"{}")
    queue.sweep(bucket, ("job-001",))
    assert bucket.exists(CLAIM)


def test_a_damaged_federation_is_a_line_for_an_idle_worker_not_a_traceback() -> None:
    world, said = World(seed=1), list[str]()
    bucket_of(world).create(keys.active("bad"), b"")
    bucket_of(world).create(keys.federation("bad"), b"[nonsense")

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, 1.0)

        WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append).run_until_stopped()

    world.process("w", work)
    world.run(until=lambda: bool(said))
    assert said[0].startswith("bad: cannot be ended: federations/bad/federation.json: ")
    assert "\n" not in said[0]
    world.close()


def test_it_shows_that_it_is_at_work_from_the_claim_to_the_end_of_a_job_and_at_no_other_time() -> None:
    world, shown = World(seed=1), list[float]()
    job = submit_job(bucket_of(world), training(20)).job_ids[0]
    ended = list[float]()

    def work(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, TTL_S / 10)

        bucket = Bucket(store, clock)
        shop = WorkerLoop(
            bucket, "w", TTL_S, start, integers, lambda line: None, at_work=lambda: shown.append(clock.now())
        )
        shop.run_until_stopped()

    def over() -> bool:
        if not ended and queue.is_over(bucket_of(world), job):
            ended.append(world.now)
        return bool(ended) and world.now > ended[0] + 10 * TTL_S

    world.process("w", work)
    world.run(until=over)
    assert max(later - earlier for earlier, later in pairwise(shown)) <= TTL_S / 2
    assert shown[-1] <= ended[0] <= shown[-1] + TTL_S / 2
    world.close()


def test_what_a_job_needs_is_prepared_before_its_claim_however_long_that_takes() -> None:
    world, claims = World(seed=1), list[bool]()
    submit_job(bucket_of(world), training(2))

    def work(clock: Clock, store: MemoryStore) -> None:
        bucket = Bucket(store, clock)

        def prepare(manifest: Manifest) -> None:
            claims.append(bool(bucket.list(keys.in_progress(manifest.job_id)).entries))
            world.pause(10 * TTL_S)

        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, 1.0)

        result = WorkerLoop(
            bucket, "w", TTL_S, start, integers, lambda line: None, stays=True, prepare=prepare
        ).run_one()
        assert result is not None
        assert result.status is ResultStatus.SUCCESS

    worker = world.process("w", work)
    world.run(until=lambda: worker.ended)
    assert claims == [False]
    world.close()


def test_a_job_that_another_worker_claimed_during_the_preparation_is_left_to_it() -> None:
    world = World(seed=1)
    job = submit_job(bucket_of(world), training(2)).job_ids[0]
    bucket, fast = bucket_of(world), list[ClaimedJob | None]()

    def prepare(manifest: Manifest) -> None:
        fast.append(queue.claim(bucket, manifest.job_id, Attempts(), "fast", TTL_S))

    assert queue.claim(bucket, job, Attempts(), "slow", TTL_S, prepare) is None
    assert fast[0] is not None
    world.close()
