"""`worker`: claims jobs and runs them on this machine's cluster."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from protocol.commands.console import BucketOption, LeaseOption, open_daemon_bucket, say, this_worker
from protocol.jobs.lease import LEASE_TTL_S
from protocol.learners.gym import CollectionLearner, TrainingLearner
from protocol.learners.materials import Scenarios
from protocol.learners.trace_bucket import open_trace_bucket
from protocol.rounds.aggregation import Aggregate, RoundInputs
from protocol.wire import ids
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import JobType, Manifest, ResultStatus
from protocol.worker.learner import Learner
from protocol.worker.results import AttemptEnd
from protocol.worker.worker_loop import WorkerLoop
from runner.clusters import TRACE_DIR, ClusterChoice
from runner.commands import options as o
from runner.commands.console import Exit, check_place, err, new_app, parse_set, run

if TYPE_CHECKING:
    from env.cluster import Cluster

app = new_app("Claim jobs from a bucket and run them here.", no_args_is_help=False)


@app.command()
def worker(
    bucket: BucketOption,
    run_once: Annotated[bool, typer.Option("--run-once", help="Claim one job, run it, leave.")] = False,
    job: Annotated[
        str | None, typer.Option(help="Run this job and no other, then leave; for credentials that reach no other.")
    ] = None,
    worker_id: Annotated[
        str | None, typer.Option(help="Default: the instance id on EC2, else the host's name and a random tail.")
    ] = None,
    busy_file: Annotated[
        Path | None,
        typer.Option(
            envvar="SIM_ARENA_BUSY_FILE",
            help="Touch this file while there is a job; for whatever ends machines that have nothing to do.",
        ),
    ] = None,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    cluster: o.ClusterOption = "embedded",
    kube_context: o.KubeContextOption = None,
    trace_dir: o.TraceDirOption = TRACE_DIR,
    trace_bucket: o.TraceBucketOption = None,
    simkube: o.SimKubeOption = None,
) -> None:
    """Claim jobs from a bucket and run them here; without --run-once or --job for ever.

    Exit codes with --run-once or --job: 0 the job ended well, 1 it did not, 3 there was none.
    """
    name = ids.valid_id(worker_id, "--worker-id") if worker_id else this_worker()
    choice = ClusterChoice(cluster, kube_context, trace_dir, trace_bucket, parse_set(simkube or (), "--simkube"))
    if job is not None:
        ids.valid_id(job, "--job")
    at_work = _touching(busy_file)
    place = open_daemon_bucket(bucket, "worker")
    with choice.opened(open_trace_bucket) as opened:
        _work(place, name, lease_ttl, opened, run_once=run_once or job is not None, job=job, at_work=at_work)


def _touching(path: Path | None) -> Callable[[], None]:
    """What shows that there is work.

    The file is not touched before: a worker that only starts, again and again, must not keep its machine running.
    """
    if path is None:
        return lambda: None
    check_place(path, "--busy-file")

    def touch() -> None:
        try:
            path.touch()
        except OSError as error:
            say(f"--busy-file {path}: {error.strerror}; this machine looks idle")

    return touch


def _aggregate(federation: Federation, before: RoundInputs) -> Aggregate:
    from protocol.strategies.aggregate import aggregate_of

    return aggregate_of(federation, before)


def _work(
    place: Bucket,
    name: str,
    lease_ttl: float,
    cluster: Cluster | None,
    *,
    run_once: bool,
    job: str | None,
    at_work: Callable[[], None],
) -> None:
    import_module("runner.training.training")  # torch takes seconds; not while a claim waits for its first renewal
    scenarios = Scenarios(place)

    def start(manifest: Manifest) -> Learner:
        collects = manifest.training.job_type is JobType.EXPERIENCE_COLLECTION
        kind = CollectionLearner if collects else TrainingLearner
        given = scenarios.read(manifest) if manifest.training.traces else None  # None: generated ones
        return kind(place, manifest, given, cluster)

    loop = WorkerLoop(place, name, lease_ttl, start, _aggregate, say, stays=run_once, only=job, at_work=at_work)
    if not run_once:
        say(f"{name}: working on {place.name}")
        loop.run_until_stopped()
        return
    result = loop.run_one()
    if result is None:
        nothing = f"{job}: not queued, passed over, or a living worker has it; nothing to do" if job else "no free job"
        err.print(f"{nothing} in {place.name}", highlight=False)
        raise typer.Exit(int(Exit.NOTHING_TO_DO))
    if result.end is AttemptEnd.STOPPED:
        raise typer.Exit(int(Exit.INTERRUPTED))
    if result.status is not ResultStatus.SUCCESS:
        raise typer.Exit(int(Exit.FAILED))


def main() -> None:
    run(app)
