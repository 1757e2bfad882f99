"""The cost of processes that wait, with and without finished jobs in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.bench.protocol.meter import Counts, RequestKind
from infra.bench.protocol.world import MeteredWorld, add_history, no_op_federation, stage
from infra.proof.standin import bucket_of
from protocol.jobs.submit import submit_federation

DAY_S = 86_400.0
SETTLED_S = 3600.0  # polls have become as slow as they get
FOR_EVER_S = 1e8


@dataclass(frozen=True)
class Idle:
    """A process that waits for a day.

    Attributes:
        requests: of a day, by verb.
        rows: listed in a day.
        same_with_history: whether requests, bytes and rows are equal with finished jobs in the bucket.
    """

    who: str
    requests: dict[str, int]
    rows: int
    renewals: int
    dollars_a_day: float
    same_with_history: bool


def idle(latency_ms: float, history: int, seconds: float) -> list[Idle]:
    """A day of each kind of process that waits.

    Args:
        history: finished jobs in the bucket, with which everything is measured again.
        seconds: measured; the figures are multiplied up to a day.
    """
    rows = []
    for cast in (_nothing_to_do, _open_round):
        plain, old = (_counts(cast, latency_ms, jobs, seconds) for jobs in (0, history))
        rows += [_row(who, plain[who], old[who], DAY_S / seconds) for who in plain]
    return rows


def _row(who: str, counts: Counts, with_history: Counts, times: float) -> Idle:
    verbs = sorted({account.verb for account in counts.requests})
    return Idle(
        who,
        {verb: round(times * sum(n for a, n in counts.requests.items() if a.verb == verb)) for verb in verbs},
        round(times * sum(counts.rows.values())),
        round(times * counts.of(RequestKind.RENEWAL)),
        times * counts.dollars,
        counts == with_history,
    )


def _counts(
    cast: Callable[[MeteredWorld], dict[str, MeteredWorld]], latency_ms: float, jobs: int, seconds: float
) -> dict[str, Counts]:
    scene = stage(no_op_federation(2, 2, "sync-server"), latency_ms)
    add_history(scene.world, jobs)
    players = cast(scene)
    scene.run(lambda: scene.world.now >= SETTLED_S)
    before = {who: player.ledger.counts() for who, player in players.items()}
    scene.run(lambda: scene.world.now >= SETTLED_S + seconds)
    found = {who: player.ledger.counts() - before[who] for who, player in players.items()}
    scene.world.close()
    return found


def _nothing_to_do(scene: MeteredWorld) -> dict[str, MeteredWorld]:
    worker, server = scene.beside(), scene.beside()
    worker.worker("idle", lambda member: 0.0)
    server.sync_server()
    return {"worker without a job": worker, "sync-server without a federation": server}


def _open_round(scene: MeteredWorld) -> dict[str, MeteredWorld]:
    """One of two members works without end; the other one waits for it."""
    submit_federation(bucket_of(scene.world), no_op_federation(2, 2, "sync-server"))
    waiting, working, server = scene.beside(), scene.beside(), scene.beside()
    waiting.worker("waiting", lambda member: 0.0)
    working.worker("working", lambda member: FOR_EVER_S)
    server.sync_server()
    return {
        "member that waits": waiting,
        "member at work": working,
        "sync-server with an open round": server,
    }
