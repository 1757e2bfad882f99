"""What one object refuses is that object's fault: it is named and left out, and everything else goes on."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import pytest

from infra.proof.standin import GROUP, TTL_S, StandIn, bucket_of, federation, integers, training
from infra.proof.virtual_time import World
from protocol.commands.download import download
from protocol.commands.inspect import describe_state, text_of
from protocol.commands.status import all_jobs, federation_summary
from protocol.jobs.submit import submit_federation, submit_job
from protocol.rounds.closer import Closer
from protocol.rounds.server import SyncServer
from protocol.rounds.updates import update_facts
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket, Created
from protocol.wire.clock import Clock
from protocol.wire.errors import BadDocument, Refused, TooLarge, Unreadable
from protocol.wire.federation_documents import Decision, Federation
from protocol.wire.job_documents import Manifest, Result, ResultStatus
from protocol.wire.keys import Mark
from protocol.wire.memory import MemoryStore, Request
from protocol.worker.worker_loop import WorkerLoop

ARCHIVED = "403 InvalidObjectState"


def refusing(world: World, some: Collection[str], verbs: Collection[str] = ("GET",)) -> Bucket:
    """A bucket in which some objects refuse to be read, as archived ones do (and under a key of SSE-C also a HEAD)."""

    def before(request: Request) -> None:
        if request.verb in verbs and request.key in some:
            raise Refused(f"memory: {request.verb} {request.key}: {ARCHIVED}")

    return Bucket(world.s3.store("t", before), bucket_of(world).clock)


def delivered(world: World, size: int) -> Federation:
    """A federation whose members have all delivered their update of round 1."""
    wanted, bucket = federation(size), bucket_of(world)
    submit_federation(bucket, wanted)
    for member in range(size):
        bucket.create(keys.update(GROUP, 1, member), str(member).encode(), update_facts(10, 0.5, 0))
    return wanted


def test_an_archived_update_is_left_out_by_name_and_the_round_closes() -> None:
    world = World(seed=1)
    wanted = delivered(world, 3)
    Closer(refusing(world, {keys.update(GROUP, 1, 1)}), wanted, integers, lambda line: None).step()
    decision = documents.parse(Decision, world.s3.objects[keys.decision(GROUP, 1)].body, "round.json")
    assert [p.member for p in decision.participants] == [0, 2]
    assert [(item.member, ARCHIVED in item.reason) for item in decision.left_out] == [(1, True)]


def test_a_closer_that_may_read_no_update_decides_nothing() -> None:
    world = World(seed=1)
    wanted = delivered(world, 2)
    closer = Closer(refusing(world, {keys.update(GROUP, 1, m) for m in (0, 1)}), wanted, integers, lambda line: None)
    with pytest.raises(Refused, match="no update can be read"):
        closer.step()
    assert keys.decision(GROUP, 1) not in world.s3.objects


@pytest.mark.parametrize("key", [keys.federation(GROUP), keys.update(GROUP, 1, 0), keys.result(f"{GROUP}-m0000")])
def test_a_sync_server_goes_on_with_the_other_federations(key: str) -> None:
    world, said = World(seed=1), list[str]()
    delivered(world, 1)
    other = federation(1).model_copy(update={"group": "other"})
    submit_federation(bucket_of(world), other)
    bucket_of(world).create(keys.update("other", 1, 0), b"7", update_facts(10, 0.5, 0))
    SyncServer(refusing(world, {key}, ("GET", "HEAD")), integers, said.append).drain()
    assert keys.global_weights("other", 1) in world.s3.objects
    assert keys.outcome(GROUP) not in world.s3.objects


@pytest.mark.parametrize("verb", ["GET", "HEAD", "CREATE", "DELETE"])
@pytest.mark.parametrize("of", ["manifest", "claim", "state", "result", "stray"])
def test_a_worker_goes_on_with_the_other_jobs(of: str, verb: str) -> None:
    world = World(seed=1)
    bad, good = (submit_job(bucket_of(world), training(1)).job_ids[0] for _ in range(2))
    stray = keys.attempt_mark("stray", Mark.CLAIM, 1)
    bucket_of(world).create(stray, b"{}")
    refused = {
        "manifest": {keys.pending_manifest(bad)},
        "claim": {keys.attempt_mark(bad, Mark.CLAIM, n) for n in range(1, 9)},
        "state": {keys.state(bad, 1)},
        "result": {keys.result(bad)},
        "stray": {stray},
    }[of]

    def main(clock: Clock, store: MemoryStore) -> None:
        inner = store.on_request

        def before(request: Request) -> None:
            inner(request)
            if request.verb == verb and request.key in refused:
                raise Refused(f"memory: {request.verb} {request.key}: {ARCHIVED}")

        store.on_request = before
        WorkerLoop(
            Bucket(store, clock), "w", TTL_S, lambda job: StandIn(job, world.pause, 1.0), integers, lambda line: None
        ).run_until_stopped()

    process = world.process("w", main)
    world.run(until=lambda: keys.result(good) in world.s3.objects)
    assert not process.ended
    world.close()


def test_a_job_whose_trace_is_refused_fails_with_the_reason_and_the_worker_goes_on() -> None:
    world = World(seed=1)
    bad, good = (submit_job(bucket_of(world), training(1)).job_ids[0] for _ in range(2))

    def main(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            if manifest.job_id == bad:
                refusing(world, {keys.trace("a" * 64)}).content(keys.trace, "a" * 64, 10)
            return StandIn(manifest, world.pause, 1.0)

        WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, lambda line: None).run_until_stopped()

    process = world.process("w", main)
    world.run(until=lambda: {keys.result(bad), keys.result(good)} <= world.s3.objects.keys())
    result = documents.parse(Result, world.s3.objects[keys.result(bad)].body, "result.json")
    assert (result.status, ARCHIVED in str(result.error)) == (ResultStatus.FAILED, True)
    assert not process.ended
    world.close()


def test_a_manifest_that_is_refused_is_not_rejected_for_good() -> None:
    world, said = World(seed=1), list[str]()
    job = submit_job(bucket_of(world), training(1)).job_ids[0]
    bucket = refusing(world, {keys.pending_manifest(job)})
    assert WorkerLoop(bucket, "w", TTL_S, lambda _: None, integers, said.append).run_one() is None  # type: ignore[arg-type,return-value]
    assert keys.result(job) not in world.s3.objects
    assert [job in line and ARCHIVED in line for line in said] == [True]


def test_whose_a_taken_key_is_that_may_not_be_read_is_not_mine() -> None:
    world = World(seed=1)
    bucket_of(world).create("k", b"theirs")
    assert refusing(world, {"k"}, ("HEAD",)).create("k", b"mine") is Created.LOST


def test_an_object_that_may_not_be_read_exists_all_the_same() -> None:
    world = World(seed=1)
    bucket_of(world).create("k/a", b"")
    bucket = refusing(world, {"k", "k/a"}, ("HEAD",))
    assert (bucket.exists("k/a"), bucket.exists("k")) == (True, False)


@pytest.mark.parametrize("size", [0, (8 << 20) + 1])
def test_one_unreadable_result_takes_nothing_from_the_others(size: int, tmp_path: Path) -> None:
    world = World(seed=1)
    wanted = federation(2)
    submit_federation(bucket_of(world), wanted)
    for member in range(2):
        job = keys.member_job(GROUP, member)
        result = Result(job_id=job, status=ResultStatus.SUCCESS, finished_at="t")
        bucket_of(world).create(keys.result(job), b" " * size if size and not member else result.to_bytes())
        bucket_of(world).create(keys.finished_manifest(job), b"{}")
    bad = keys.result(f"{GROUP}-m0000")
    bucket = bucket_of(world) if size else refusing(world, {bad})
    states = [row.state for row in federation_summary(bucket, GROUP, TTL_S).members]
    assert states == ["unreadable", "success"]
    assert "unreadable" in {row.state for row in all_jobs(bucket, TTL_S, 10)}
    found = download(bucket, GROUP, tmp_path)
    assert "member-0001/result.json" in found.files
    assert [bad in line for line in found.left_out] == [True]
    assert not found.incomplete


def test_unreadable_rounds_and_outcomes_are_rows_that_say_so() -> None:
    world = World(seed=1)
    wanted = federation(1)
    submit_federation(bucket_of(world), wanted)
    for key in (keys.decision(GROUP, 1), keys.outcome(GROUP), keys.global_weights(GROUP, 1)):
        bucket_of(world).create(key, b"")
    shown = federation_summary(refusing(world, {keys.decision(GROUP, 1), keys.outcome(GROUP)}), GROUP, TTL_S)
    assert (shown.outcome, ARCHIVED in str(shown.reason)) == ("unreadable", True)
    assert [ARCHIVED in row.reason for row in shown.recent] == [True]


def test_what_is_refused_or_too_large_is_a_document_that_cannot_be_read() -> None:
    world = World(seed=1)
    bucket_of(world).create("k", b" " * (9 << 20))
    with pytest.raises(Unreadable, match=ARCHIVED):
        documents.read(refusing(world, {"k"}), Result, "k")
    with suppress(documents.BadDocument):
        documents.read(bucket_of(world), Result, "k")
    assert issubclass(TooLarge, Refused)


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        (Federation, federation(1).to_bytes(), keys.federation("other")),
        (Manifest, Manifest(job_id="j", created_at="t", training=training(1)).to_bytes(), keys.pending_manifest("k")),
        (Result, Result(job_id="j", status=ResultStatus.FAILED, finished_at="t").to_bytes(), keys.result("k")),
    ],
)
def test_a_document_of_another_group_or_job_is_not_believed(
    kind: type[documents.Document], body: bytes, key: str
) -> None:
    bucket = bucket_of(World(seed=1))
    bucket.create(key, body)
    with pytest.raises(BadDocument, match="names another"):
        documents.read(bucket, kind, key)


@pytest.mark.parametrize("name", ["checkpoint_final.json", "train.log", "learning_curve.png"])
def test_a_file_larger_than_any_job_makes_is_not_read(name: str, tmp_path: Path) -> None:
    world = World(seed=1)
    job = submit_job(bucket_of(world), training(1)).job_ids[0]
    key = keys.artifact(job, name)
    bucket_of(world).create(key, bytes(keys.ARTIFACT_BYTES[name] + 1))
    found = download(bucket_of(world), job, tmp_path)
    assert (found.incomplete, [key in line for line in found.left_out]) == (True, [True])
    if name.endswith(".log"):
        with pytest.raises(TooLarge):
            text_of(bucket_of(world), job, name)
    if name.endswith(".json"):
        with pytest.raises(TooLarge):
            describe_state(bucket_of(world), job)
