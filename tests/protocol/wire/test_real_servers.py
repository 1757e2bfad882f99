"""The protocol on real S3 servers: what holds in the simulation's memory holds over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.proof.standin import GROUP, TTL_S, StandIn, federation, integers, undisturbed
from protocol.commands.cancel import cancel
from protocol.commands.purge import purge
from protocol.commands.status import federation_summary
from protocol.jobs import queue
from protocol.jobs.lease import Attempts
from protocol.jobs.submit import submit_federation
from protocol.rounds.server import SyncServer
from protocol.strategies.table import Strategy
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.clock import system_clock
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Result, ResultStatus
from protocol.wire.store import S3Store
from protocol.worker.worker_loop import WorkerLoop

PATIENCE_S = 60.0
LONG: dict[str, Any] = {"episodes": 5, "episodes_per_round": 2, "strategy": Strategy.FEDADAM}


def silent(line: str) -> None:
    return None


def bucket_of(name: str, stop: threading.Event | None = None) -> Bucket:
    return Bucket(S3Store(name, role="test"), system_clock(stop), patience_s=PATIENCE_S)


@contextmanager
def threads(*works: Callable[[], object]) -> Iterator[list[threading.Thread]]:
    running = [threading.Thread(target=work) for work in works]
    for thread in running:
        thread.start()
    yield running
    for thread in running:
        thread.join()


def train(name: str, wanted: Federation, workers: int) -> bytes:
    """A whole federation; its weights."""
    stop = threading.Event()

    def work(number: int) -> None:
        learner = lambda manifest: StandIn(manifest, lambda seconds: None, 0.0)  # noqa: E731
        WorkerLoop(bucket_of(name, stop), f"w{number}", TTL_S, learner, integers, silent).run_until_stopped()

    def close() -> None:
        SyncServer(bucket_of(name, stop), integers, silent).run(exit_when_idle=True)

    submit_federation(bucket_of(name), wanted)
    closers = [close] if wanted.barrier is Closers.SYNC_SERVER else []
    with threads(*closers, *(lambda number=number: work(number) for number in range(workers))):
        bucket = bucket_of(name)
        while bucket.get(keys.outcome(GROUP)) is None or not all_ended(bucket, wanted):
            bucket.clock.sleep(0.2)
        stop.set()
    return bucket.get(keys.global_weights(GROUP, wanted.rounds)) or b""


def all_ended(bucket: Bucket, wanted: Federation) -> bool:
    return all(
        documents.read(bucket, Result, keys.result(keys.member_job(GROUP, member))) for member in range(wanted.size)
    )


@pytest.mark.parametrize("barrier", list(Closers))
def test_a_federation_ends_with_the_weights_of_the_simulation(s3: str, barrier: Closers) -> None:
    weights = train(s3, federation(3, barrier=barrier, **LONG), workers=2)
    assert weights == undisturbed(3, **LONG)
    bucket = bucket_of(s3)
    status = federation_summary(bucket, GROUP, TTL_S)
    assert (status.outcome, status.closed) == ("finished", 3)
    assert [entry.key for entry in bucket.list(keys.JOBS).entries if "/finished/" not in entry.key] == []


def test_of_many_workers_one_gets_the_job(s3: str) -> None:
    submit_federation(bucket_of(s3), federation(1))
    job, start = keys.member_job(GROUP, 0), threading.Barrier(8)
    taken: list[queue.ClaimedJob | None] = []

    bucket = bucket_of(s3)

    def contend(number: int) -> None:
        start.wait()
        taken.append(queue.claim(bucket, job, Attempts(), f"w{number}", TTL_S))

    with threads(*(lambda number=number: contend(number) for number in range(8))):
        pass
    assert len(taken) == 8
    assert sum(one is not None for one in taken) == 1
    assert list(queue.list_queue(bucket).free(TTL_S)) == []


def test_a_cancelled_federation_ends_and_can_be_purged(s3: str) -> None:
    bucket = bucket_of(s3)
    submit_federation(bucket, federation(2))
    cancel(bucket, GROUP, TTL_S)
    results = [documents.read(bucket, Result, keys.result(keys.member_job(GROUP, member))) for member in range(2)]
    assert [result.status for result in results if result] == [ResultStatus.CANCELLED] * 2
    assert list(queue.list_queue(bucket).free(TTL_S)) == []
    purge(bucket, GROUP)
    assert [entry.key for entry in bucket.list("").entries] == [keys.federation(GROUP), keys.outcome(GROUP)]
