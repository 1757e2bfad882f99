"""`worker`: claims jobs and runs them on this machine's cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from env.errors import UsageError
from protocol.commands import completion
from protocol.commands.options import BucketChoice, LeaseChoice, OwnerChoice
from runner.clusters.choice import ClusterChoice
from runner.commands.program import single
from runner.options.flatten import flattened
from runner.options.output import VersionOption


@dataclass(frozen=True, kw_only=True)
class ClaimChoice:
    """Which jobs are claimed, and under what name."""

    panel: ClassVar[str] = "Jobs"

    run_once: Annotated[bool, typer.Option("--run-once", help="Claim one job, run it, leave.")] = False
    exit_when_idle: Annotated[
        bool, typer.Option("--exit-when-idle", help="Leave when no job is unfinished, also if there was none.")
    ] = False
    job: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Run this job and no other, then leave; for credentials that reach no other.",
            autocompletion=completion.jobs,
        ),
    ] = None
    worker_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Default: the instance id on EC2, else the host's name and a random tail."),
    ] = None
    busy_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            envvar="SIM_ARENA_BUSY_FILE",
            help="Touch this file while there is a job; a program that ends idle machines can read its age.",
        ),
    ] = None


@flattened
def worker(
    where: BucketChoice,
    owner: OwnerChoice,
    claim: ClaimChoice,
    lease: LeaseChoice,
    cluster: ClusterChoice,
    version: VersionOption = False,
) -> None:
    """Claim jobs from a bucket and run them here; without --run-once, --exit-when-idle or --job until it is stopped.

    Exit codes with --run-once or --job: 0 the job ended well, 1 it did not, 3 there was none. With --exit-when-idle: 0
    no job is unfinished, 130 it was told to stop before.
    """
    from protocol.commands.buckets import open_daemon_bucket
    from protocol.commands.instance import this_worker
    from protocol.commands.working import touching, work
    from protocol.learners.trace_bucket import open_trace_bucket
    from protocol.wire import ids

    name = ids.valid_id(claim.worker_id, "--worker-id") if claim.worker_id else this_worker()
    if claim.job is not None:
        ids.valid_id(claim.job, "--job")
    if claim.exit_when_idle and (claim.run_once or claim.job is not None):
        raise UsageError("--exit-when-idle: --run-once and --job leave after one job; choose one")
    cluster.check()
    at_work = touching(claim.busy_file)
    place = open_daemon_bucket(where.bucket, "worker", owner.bucket_owner)
    with cluster.opened(open_trace_bucket) as opened:
        work(
            place,
            name,
            lease.lease_ttl,
            opened,
            run_once=claim.run_once,
            exit_when_idle=claim.exit_when_idle,
            job=claim.job,
            at_work=at_work,
        )


app = single(worker)
