"""Two releases on one bucket: what another release wrote is passed over, said once, and left where it is."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from infra.proof.standin import GROUP, TTL_S, StandIn, all_over, bucket_of, federation, integers, training
from infra.proof.virtual_time import World
from protocol.commands.cancel import cancel
from protocol.commands.download import download
from protocol.commands.inspect import about
from protocol.commands.purge import purge
from protocol.commands.status import all_jobs, federation_summary
from protocol.jobs.submit import submit_federation
from protocol.rounds.server import SyncServer
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.documents import Document
from protocol.wire.errors import BadDocument, OtherRelease
from protocol.wire.federation_documents import Decision, Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import Manifest, Result, ResultStatus
from protocol.wire.memory import MemoryStore
from protocol.worker.worker_loop import LOOKS, TRIES, WorkerLoop

NEWER, OLDER = "newer release", "finish it with that release, or submit it again"


def of_version(document: Document, version: int, **more: object) -> bytes:
    """The document as the release of that version wrote it."""
    return json.dumps({**json.loads(document.to_bytes()), "version": version, **more}).encode()


def manifest(job_id: str) -> Manifest:
    return Manifest(job_id=job_id, created_at="", training=training())


def put_job(bucket: Bucket, job_id: str, version: int) -> None:
    bucket.create(keys.pending_manifest(job_id), of_version(manifest(job_id), version))


def put_group(bucket: Bucket, group: str, version: int) -> None:
    more = {"surprise": [1]} if version > Federation.newest() else {}
    bucket.create(keys.federation(group), of_version(federation(2, group=group), version, **more))
    bucket.create(keys.active(group), b"")


def add_worker(world: World, said: list[str]) -> None:
    def main(clock: Clock, store: MemoryStore) -> None:
        def start(manifest: Manifest) -> StandIn:
            return StandIn(manifest, world.pause, 1.0)

        WorkerLoop(Bucket(store, clock), "w", TTL_S, start, integers, said.append).run_until_stopped()

    world.process("w", main)


def add_sync_server(world: World, said: list[str]) -> None:
    def main(clock: Clock, store: MemoryStore) -> None:
        SyncServer(Bucket(store, clock), integers, said.append).run()

    world.process("sync", main)


def test_documents_of_other_releases_stay_where_they_are_beside_work_that_goes_on() -> None:
    world, wanted = World(seed=1), federation(2)
    bucket = bucket_of(world)
    jobs = {f"aaa-{number:03d}": 8 for number in range(LOOKS * TRIES + 1)} | {"aaa-old": 1}
    groups = {"aaa-new": 8, "aaa-old": 1}
    for job_id, version in jobs.items():
        put_job(bucket, job_id, version)
    for group, version in groups.items():
        put_group(bucket, group, version)
    foreign = world.s3.bodies()
    submit_federation(bucket, wanted)
    worker_said: list[str] = []
    server_said: list[str] = []
    add_worker(world, worker_said)
    add_sync_server(world, server_said)
    world.run(all_over(world, wanted))
    over = world.now
    world.run(lambda: world.now > over + 600.0)  # idle workers also look for unfinished federations
    left = world.s3.bodies()
    assert {key: left.get(key) for key in foreign} == foreign
    assert [key for key in left if "aaa-" in key and key not in foreign] == []
    assert [process.error for process in world.processes if process.error] == []
    told = {keys.pending_manifest(job_id): version for job_id, version in jobs.items()}
    check_said_once(worker_said, told)
    check_said_once(server_said, {keys.federation(group): version for group, version in groups.items()})
    world.close()


def check_said_once(said: list[str], told: dict[str, int]) -> None:
    """One line for each of these keys, by the version of the document there."""
    for key, version in told.items():
        [line] = [line for line in said if line.startswith(f"passed over: {key}: ")]
        assert (NEWER if version == 8 else OLDER) in line


@pytest.mark.parametrize(
    "ask",
    [
        lambda bucket, path: federation_summary(bucket, "new", TTL_S),
        lambda bucket, path: cancel(bucket, "new", TTL_S),
        lambda bucket, path: cancel(bucket, "job", TTL_S),
        lambda bucket, path: purge(bucket, "new"),
        lambda bucket, path: download(bucket, "new", path),
        lambda bucket, path: about(bucket, "job", TTL_S),
        lambda bucket, path: submit_federation(bucket, federation(2, group="new")),
    ],
    ids=["status", "cancel-group", "cancel-job", "purge", "download", "inspect", "submit"],
)
def test_commands_refuse_what_a_newer_release_wrote_and_change_nothing(
    ask: Callable[[Bucket, object], object], tmp_path: object
) -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    put_job(bucket, "job", 8)
    put_group(bucket, "new", 8)
    before = world.s3.bodies()
    with pytest.raises(OtherRelease, match=NEWER) as error:
        ask(bucket, tmp_path)
    assert "\n" not in str(error.value)
    assert world.s3.bodies() == before
    world.close()


def test_a_list_of_jobs_names_those_of_other_releases() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    for job_id, version in {"new": 8, "now": 2, "old": 1}.items():
        put_job(bucket, job_id, version)
    bucket.create(keys.pending_manifest("torn"), b'{"version": 2')
    states = {row.job_id: row.state for row in all_jobs(bucket, TTL_S, 10)}
    assert states == {"new": "newer release", "now": "pending", "old": "older release", "torn": "unreadable"}
    world.close()


def test_an_older_release_s_unfinished_work_can_be_looked_at_and_cancelled_and_not_submitted_into() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    put_job(bucket, "old-job", 1)
    put_group(bucket, GROUP, 1)
    with pytest.raises(OtherRelease, match=OLDER):
        submit_federation(bucket, federation(2))
    assert about(bucket, "old-job", TTL_S)["state"] == "pending"
    assert federation_summary(bucket, GROUP, TTL_S).outcome is None
    assert cancel(bucket, "old-job", TTL_S) == ["old-job: cancelled"]
    assert cancel(bucket, GROUP, TTL_S)
    assert federation_summary(bucket, GROUP, TTL_S).outcome == "failed"
    world.close()


def test_an_older_release_s_finished_work_is_still_shown() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    put_group(bucket, GROUP, 1)
    outcome = Outcome(status=OutcomeStatus.FINISHED, rounds=3, reason="all rounds closed", finished_at="")
    bucket.create(keys.outcome(GROUP), of_version(outcome, 1))
    for member in range(2):
        job_id = keys.member_job(GROUP, member)
        bucket.create(keys.finished_manifest(job_id), of_version(manifest("x"), 1))
        result = Result(job_id=job_id, status=ResultStatus.SUCCESS, finished_at="")
        bucket.create(keys.result(job_id), of_version(result, 1))
    summary = federation_summary(bucket, GROUP, TTL_S)
    assert (summary.outcome, summary.closed, summary.rounds) == ("finished", 3, 3)
    assert [row.state for row in summary.members] == ["success", "success"]
    assert [row.state for row in all_jobs(bucket, TTL_S, 10)] == ["success", "success"]
    world.close()


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        (Manifest, b'{"version": 8, "whatever": [1]}', OtherRelease),
        (Manifest, b'{"version": 1, "whatever": [1]}', OtherRelease),
        (Manifest, b'{"version": 2, "whatever": [1]}', BadDocument),
        (Manifest, b'{"version": 0}', BadDocument),
        (Manifest, b'{"version": 1000000}', BadDocument),
        (Manifest, b'{"version": "3"}', BadDocument),
        (Federation, b'{"version": 8}', OtherRelease),
        (Decision, b'{"version": 2}', OtherRelease),
        (Result, b'{"version": 1}', BadDocument),
    ],
)
def test_only_a_whole_version_tells_another_release(kind: type[Document], body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"\Aname: "):
        documents.parse(kind, body, "name")


def test_this_release_writes_the_versions_that_the_docs_name() -> None:
    assert [kind.newest() for kind in (Manifest, Federation, Decision, Outcome, Result)] == [7, 7, 1, 1, 1]


def test_a_document_larger_than_its_kind_allows_is_refused_in_one_line() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    bucket.create(keys.outcome(GROUP), b" " * (Outcome.max_bytes + 1))
    with pytest.raises(BadDocument, match=str(Outcome.max_bytes)):
        documents.read(bucket, Outcome, keys.outcome(GROUP))
    world.close()


def test_a_document_that_names_another_job_is_refused() -> None:
    world = World(seed=1)
    bucket = bucket_of(world)
    bucket.create(keys.pending_manifest("mine"), manifest("other").to_bytes())
    with pytest.raises(BadDocument, match="'other'"):
        documents.read(bucket, Manifest, keys.pending_manifest("mine"))
    world.close()
