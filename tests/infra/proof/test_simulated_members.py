"""Federations in virtual time: members that fail, lag or are cancelled, damaged objects, and outages."""

from __future__ import annotations

from simulated import check, start

from infra.proof.standin import (
    GROUP,
    TTL_S,
    add_sync_server,
    add_worker,
    all_over,
    bucket_of,
    federation,
    integers,
    training,
)
from infra.proof.virtual_threads import Process
from infra.proof.virtual_time import World
from protocol.commands.cancel import cancel
from protocol.commands.purge import purge
from protocol.commands.status import federation_summary
from protocol.jobs import queue
from protocol.jobs.submit import submit_federation, submit_job
from protocol.rounds.closer import Closer
from protocol.rounds.updates import update_facts
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import Transient
from protocol.wire.federation_documents import Decision, Outcome
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.memory import Request


def test_a_member_that_fails_for_good_leaves_and_the_others_go_on() -> None:
    world, wanted = start(3, 2, seed=1)
    queue.reject(bucket_of(world), keys.member_job(GROUP, 2), "its manifest was damaged")
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
    results = [documents.read(bucket_of(world), Result, keys.result(keys.member_job(GROUP, m))) for m in range(3)]
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
    assert outcome.reason == "round 1: 1 update, at least 2 needed: the round timed out, 3 extensions included"
    for member in range(2):
        result = documents.read(bucket_of(world), Result, keys.result(keys.member_job(GROUP, member)))
        assert result is not None
        assert result.status is ResultStatus.FAILED
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
    result = documents.read(bucket_of(world), Result, keys.result(job_id))
    assert result is not None
    assert result.status is ResultStatus.CANCELLED
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


def test_status_tells_members_and_rounds() -> None:
    world, _ = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.global_weights(GROUP, 2) in world.s3.objects)
    now = federation_summary(bucket_of(world), GROUP, TTL_S)
    assert (now.closed, now.outcome) == (2, None)
    assert {member.state for member in now.members} == {"running"}
    assert [(row.participants, row.episodes) for row in now.recent] == [(2, 2), (2, 2)]
    world.run(until=lambda: keys.outcome(GROUP) in world.s3.objects and not queue.list_queue(bucket_of(world)).jobs)
    now = federation_summary(bucket_of(world), GROUP, TTL_S)
    assert (now.closed, now.outcome) == (3, "finished")
    assert {member.state for member in now.members} == {"success"}
    world.close()


def test_a_member_of_a_federation_that_is_gone_does_not_wait_for_ever() -> None:
    world, _ = start(2, 1, seed=1)
    world.run(until=lambda: keys.state(keys.member_job(GROUP, 0), 1) in world.s3.objects)
    del world.s3.objects[keys.federation(GROUP)]
    world.run(until=lambda: keys.result(keys.member_job(GROUP, 0)) in world.s3.objects)
    result = documents.read(bucket_of(world), Result, keys.result(keys.member_job(GROUP, 0)))
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
            bucket.create(request.key, queue.ended("x", ResultStatus.SUCCESS, "").to_bytes())

    return Bucket(world.s3.store("closer", before), bucket.clock)


def test_a_living_sync_server_lets_go_of_a_group_that_was_cancelled() -> None:
    world, wanted = start(2, 2, seed=1)
    add_sync_server(world)
    world.run(until=lambda: keys.global_weights(GROUP, 1) in world.s3.objects)
    cancel(bucket_of(world), GROUP, TTL_S)
    world.run(until=lambda: not queue.list_queue(bucket_of(world)).jobs)
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
    f"federations/{GROUP}/rounds/000001/updates/99.safetensors": b"not a member",
    f"federations/{GROUP}/rounds/000001/updates/../evil": b"",
}


def test_poison_in_the_bucket_stops_neither_workers_nor_sync_servers() -> None:
    world, wanted = World(seed=1), federation(2)
    bucket = bucket_of(world)
    for key, body in POISON.items():
        bucket.create(key, body)
    manifest = b'{"version":2,"job_id":"' + b"g" * 60 + b'-m0000","federation":{"group":"' + b"g" * 60 + b'"}}'
    bucket.create("jobs/pending/poison-e/manifest.json", manifest)
    submit_federation(bucket, wanted)
    add_worker(world, "w0")
    add_worker(world, "w1")
    add_sync_server(world)
    world.run(all_over(world, wanted))
    check(world, wanted)
    assert documents.read(bucket, Result, keys.result("poison-c")).status is ResultStatus.REJECTED  # type: ignore[union-attr]
    world.close()


def test_an_outage_longer_than_any_deadline_ends_no_daemon() -> None:
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
