"""The same federations in real time: members as threads, the embedded S3 as a process, every request delayed.

It shows that the figures hold in real time too. What is measured holds our own work, boto3's and
the embedded S3's, which answers one request at a time.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from infra.bench.protocol.cases import Latency, barrier_latency
from infra.bench.protocol.meter import Ledger, Meter
from infra.bench.protocol.world import NoOp, no_mean, no_op_federation, quiet
from infra.local.processes import Processes, clean_environment
from infra.proof.standin import GROUP
from protocol.jobs.submit import submit_federation
from protocol.rounds.server import SyncServer
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.clock import system_clock
from protocol.wire.schedule import LEASE_TTL_S
from protocol.wire.store import S3Store
from protocol.worker.worker_loop import WorkerLoop

BUCKET = "sim-arena-bench"


@dataclass(frozen=True)
class RealTime:
    """A no-op federation on this machine.

    Attributes:
        delay_ms: added to every request.
        round_ms, p95_ms: from one decision to the next, median over rounds and 95th percentile.
        undelayed_request_ms: what a GET takes here without the delay, median.
    """

    barrier: str
    members: int
    rounds: int
    delay_ms: float
    round_ms: float
    p95_ms: float
    barrier_ms: Latency
    undelayed_request_ms: float


def real_time(barrier: str, members: int, rounds: int, delay_ms: float) -> RealTime:
    """Run one federation over an endpoint of its own.

    Raises:
        SimArenaError: the embedded S3 did not start.
    """
    federation = no_op_federation(members, rounds, barrier)
    ledger, stop = Ledger(GROUP, rounds), threading.Event()
    with _endpoint() as settings, _environment(settings), ThreadPoolExecutor(members + 1) as threads:
        plain = Bucket(S3Store(BUCKET), system_clock())
        submit_federation(plain, federation)

        def bucket(name: str, role: str) -> Bucket:
            delayed = S3Store(BUCKET, role=role)
            delayed.client.meta.events.register("before-send.s3", lambda **_: time.sleep(delay_ms / 1000))
            return Bucket(Meter(delayed, name, role, ledger, time.monotonic), system_clock(stop))

        shops = [_worker(bucket(f"w{n}", "worker"), f"w{n}") for n in range(members)]
        server = SyncServer(bucket("sync-server", "sync-server"), no_mean, quiet)
        try:
            closing = federation.barrier is Closers.SYNC_SERVER and threads.submit(server.run, exit_when_idle=True)
            for ending in [threads.submit(shop.run_one) for shop in shops]:
                ending.result()
            if closing:
                closing.result()
        finally:
            stop.set()
        undelayed_ms = _request_ms(plain)
    decided = [ledger.decided[round_] for round_ in range(1, rounds + 1)]
    spans = sorted(1000 * (after - before) for before, after in pairwise(decided))
    return RealTime(
        barrier=barrier,
        members=members,
        rounds=rounds,
        delay_ms=delay_ms,
        round_ms=median(spans),
        p95_ms=spans[int(0.95 * (len(spans) - 1))],
        barrier_ms=barrier_latency(ledger, range(2, rounds)),
        undelayed_request_ms=undelayed_ms,
    )


def _worker(bucket: Bucket, name: str) -> WorkerLoop:
    return WorkerLoop(bucket, name, LEASE_TTL_S, lambda manifest: NoOp(time.sleep, 0.0), no_mean, quiet, stays=True)


def _request_ms(bucket: Bucket) -> float:
    taken = []
    for _ in range(20):
        began = time.monotonic()
        bucket.get(keys.outcome(GROUP))
        taken.append(1000 * (time.monotonic() - began))
    return median(taken)


@contextmanager
def _endpoint() -> Iterator[dict[str, str]]:
    """The settings of an embedded S3, a child process, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="sim-arena-bench-") as folder:
        processes = Processes(Path(folder), {})
        try:
            yield processes.start_s3(BUCKET)
        finally:
            processes.stop_all()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """boto3's settings are those of the endpoint, and none of the user's, until the block ends."""
    own = dict(os.environ)
    cleaned = clean_environment(settings)
    os.environ.clear()
    os.environ.update(cleaned)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(own)
