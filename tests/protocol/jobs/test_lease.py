"""Attempts: who owns a job is a function of one listing and S3's clock."""

from __future__ import annotations

from collections.abc import Callable

from infra.proof.standin import GROUP, TTL_S, add_sync_server, add_worker, bucket_of, federation
from infra.proof.virtual_time import World
from protocol.jobs import queue
from protocol.jobs.lease import Attempts, EndReason, Lease, attempts
from protocol.jobs.submit import submit_federation
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.memory import Request
from protocol.wire.store import ObjectSummary

JOB = keys.member_job(GROUP, 0)


def marks(*rows: tuple[Mark, int, float]) -> Attempts:
    entries = [
        ObjectSummary(keys.cancel(JOB) if mark is Mark.CANCEL else keys.attempt_mark(JOB, mark, attempt), 1, modified)
        for mark, attempt, modified in rows
    ]
    return attempts(entries).get(JOB, Attempts())


def test_a_fresh_claim_or_heartbeat_keeps_an_attempt_alive() -> None:
    assert marks((Mark.CLAIM, 1, 100.0)).alive(160.0, TTL_S)
    assert not marks((Mark.CLAIM, 1, 100.0)).alive(161.0, TTL_S)
    assert marks((Mark.CLAIM, 1, 100.0), (Mark.HEARTBEAT, 1, 150.0)).alive(210.0, TTL_S)


def test_only_the_highest_attempt_counts() -> None:
    view = marks((Mark.CLAIM, 1, 100.0), (Mark.HEARTBEAT, 1, 500.0), (Mark.CLAIM, 2, 200.0))
    assert view.attempt == 2
    assert not view.alive(300.0, TTL_S)


def test_a_released_attempt_is_free_at_once() -> None:
    assert not marks((Mark.CLAIM, 1, 100.0), (Mark.RELEASED, 1, 101.0)).alive(101.0, TTL_S)
    assert marks((Mark.CLAIM, 1, 100.0), (Mark.RELEASED, 1, 101.0), (Mark.CLAIM, 2, 102.0)).alive(103.0, TTL_S)


def test_a_heartbeat_without_a_claim_owns_nothing() -> None:
    assert marks((Mark.HEARTBEAT, 9, 100.0)) == Attempts()


def test_a_job_that_was_only_cancelled_is_seen_as_cancelled() -> None:
    assert marks((Mark.CANCEL, 0, 100.0)) == Attempts(cancelled=True)


def test_keys_that_are_not_ours_are_passed_over() -> None:
    assert (
        attempts(
            [ObjectSummary("jobs/in_progress/../claim-0001.json", 1, 0.0), ObjectSummary("jobs/in_progress/x", 1, 0.0)]
        )
        == {}
    )


def test_a_second_worker_cannot_take_a_living_job() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    assert queue.claim(bucket, JOB, Attempts(), "first", TTL_S) is not None
    assert queue.claim(bucket, JOB, Attempts(), "second", TTL_S) is None
    assert list(queue.list_queue(bucket).free(TTL_S)) == []


def test_an_owner_stops_when_another_attempt_is_higher() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    taken = queue.claim(bucket, JOB, Attempts(), "first", TTL_S)
    assert taken is not None
    taken.lease.renew()
    assert taken.lease.end_reason() is None
    queue.claim(bucket, JOB, Attempts(attempt=1), "second", TTL_S)
    taken.lease.renew()
    assert taken.lease.end_reason() is EndReason.LOST


def test_an_owner_that_could_not_renew_for_a_lease_stops_by_its_own_clock() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    taken = queue.claim(bucket, JOB, Attempts(), "first", TTL_S)
    assert taken is not None
    world.now = TTL_S - 1
    assert taken.lease.end_reason() is None
    world.now = TTL_S
    assert taken.lease.end_reason() is EndReason.LOST


def test_old_marks_are_deleted_so_that_the_listing_stays_short() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    for number in range(5):
        view = queue.list_queue(bucket).jobs[JOB]
        taken = queue.claim(bucket, JOB, view, f"w{number}", TTL_S)
        assert taken is not None
        taken.lease.renew()
        taken.lease.release("turn about")
    claims = [key for key in world.s3.objects if "/claim-" in key]
    assert claims == [keys.attempt_mark(JOB, Mark.CLAIM, 4), keys.attempt_mark(JOB, Mark.CLAIM, 5)]


def test_clean_releases_do_not_count_as_failures_but_silence_and_errors_do() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    for number in range(30):  # far more than max_attempts
        taken = queue.claim(bucket, JOB, queue.list_queue(bucket).jobs[JOB], "w", TTL_S)
        assert taken is not None, number
        taken.lease.release("turn about")
    for _ in range(10):
        taken = queue.claim(bucket, JOB, queue.list_queue(bucket).jobs[JOB], "w", TTL_S)
        assert taken is not None
        taken.lease.release("the cluster is broken", failed=True)
    assert queue.claim(bucket, JOB, queue.list_queue(bucket).jobs[JOB], "w", TTL_S) is None
    result = documents.read(bucket, Result, keys.result(JOB))
    assert result is not None
    assert result.status == "failed"
    assert result.error == "10 attempts failed; the last: the cluster is broken"


def test_progress_forgives_earlier_failures() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    for episode in range(1, 40):
        taken = queue.claim(bucket, JOB, queue.list_queue(bucket).jobs[JOB], "w", TTL_S)
        assert taken is not None
        bucket.create(keys.state(JOB, episode), b"")
        taken.lease.release("killed", failed=True)


def test_a_job_whose_result_exists_is_not_run_again_however_late_the_claim() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    submit_federation(bucket, federation(1))
    queue.finish(bucket, queue.ended(JOB, ResultStatus.FAILED, "test"))
    # A submit that slept through all this queues the job again.
    manifest = world.s3.objects[keys.finished_manifest(JOB)].body
    bucket.create(keys.pending_manifest(JOB), manifest)
    assert queue.claim(bucket, JOB, Attempts(), "late", TTL_S) is None
    assert [key for key in world.s3.objects if key.startswith("jobs/") and "finished" not in key] == []


def test_a_heartbeat_that_lands_after_the_end_is_swept_away() -> None:
    world, wanted = World(seed=1), federation(1)
    bucket = bucket_of(world)
    submit_federation(bucket, wanted)
    queue.finish(bucket, queue.ended(JOB, ResultStatus.FAILED, "test"))
    bucket.put_without_retry(keys.attempt_mark(JOB, Mark.HEARTBEAT, 1), b"{}")
    add_worker(world, "w")
    world.run(until=lambda: world.now > 5)
    assert not any(key.startswith(keys.IN_PROGRESS) for key in world.s3.objects)
    world.close()


def test_no_mark_locks_a_job_for_ever_whatever_its_number() -> None:
    for number in (keys.MAX_ATTEMPT, keys.MAX_ATTEMPT - 1):
        world, wanted = World(seed=1), federation(1)
        submit_federation(bucket_of(world), wanted)
        for mark in (Mark.CLAIM, Mark.HEARTBEAT, Mark.RELEASED):
            bucket_of(world).create(keys.attempt_mark(JOB, mark, number), b"{}")
        add_worker(world, "w")
        add_sync_server(world)
        world.run(until=lambda world=world: queue.is_over(bucket_of(world), JOB))
        world.close()


def owned(world: World, before: Callable[[Request], None]) -> Lease:
    """The lease of an attempt; `before` is called before each of its owner's requests."""
    submit_federation(bucket_of(world), federation(1))
    bucket = Bucket(world.s3.store("owner", before), bucket_of(world).clock)
    taken = queue.claim(bucket, JOB, Attempts(), "owner", TTL_S)
    assert taken is not None
    return taken.lease


def test_a_renewal_counts_from_before_its_request() -> None:
    world = World(seed=1)

    def slowly(request: Request) -> None:
        if request.verb == "PUT":
            world.now += TTL_S / 2  # the request takes so long

    lease = owned(world, slowly)
    lease.renew()
    world.now = TTL_S - 1
    assert lease.end_reason() is None
    world.now = TTL_S
    assert lease.end_reason() is EndReason.LOST


def test_a_heartbeat_that_lands_after_the_end_is_taken_back() -> None:
    world = World(seed=1)
    leases: list[Lease] = []

    def closes(request: Request) -> None:
        if request.verb == "PUT":
            leases[0].close()  # the work ends while the heartbeat is on its way

    leases.append(owned(world, closes))
    leases[0].renew()
    assert keys.attempt_mark(JOB, Mark.HEARTBEAT, 1) not in world.s3.objects
