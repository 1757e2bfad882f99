"""What `worker` does once it is set up: claims jobs, and runs them by the learner that each needs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from protocol.learners.catalogue import require_learner
from protocol.learners.collection import CollectionLearner
from protocol.learners.compiling import compile_for
from protocol.learners.environments import require_environment
from protocol.learners.epochs import EpochLearner
from protocol.learners.materials import Scenarios
from protocol.learners.named import NamedLearner
from protocol.learners.packages import require_packages
from protocol.learners.training import TrainingLearner
from protocol.rounds.aggregate import Aggregate, RoundInputs
from protocol.wire.bucket import Bucket
from protocol.wire.choices import JobType
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, ResultStatus
from protocol.worker.learner import JobLearner
from protocol.worker.results import AttemptEnd
from protocol.worker.worker_loop import WorkerLoop
from runner.commands.console import Exit, check_place, nothing_to_do, say

if TYPE_CHECKING:
    from env.cluster import Cluster


def touching(path: Path | None) -> Callable[[], None]:
    """A function that touches the busy file while there is work.

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
    from protocol.rounds.averaging import RoundAggregate

    return RoundAggregate(federation, before)


def work(
    place: Bucket,
    name: str,
    lease_ttl: float,
    cluster: Cluster | None,
    *,
    run_once: bool,
    exit_when_idle: bool,
    job: str | None,
    at_work: Callable[[], None],
) -> None:
    run_once = run_once or job is not None
    import_module("runner.training.training")  # takes a second; not while a claim waits for its first renewal
    scenarios = Scenarios(place)

    def start(manifest: Manifest) -> JobLearner:
        if manifest.training.learner is not None:
            return NamedLearner(place, manifest, say)
        if manifest.training.environment is not None:
            return EpochLearner(place, manifest, say)
        given = scenarios.read(manifest) if manifest.training.traces else None  # None: generated ones
        if manifest.training.job_type is JobType.EXPERIENCE_COLLECTION:
            return CollectionLearner(place, manifest, given, cluster)
        return TrainingLearner(place, manifest, given, cluster, say)

    def prepare(manifest: Manifest) -> None:
        require_packages(manifest)
        require_environment(manifest)
        require_learner(manifest)
        compile_for(manifest, cluster is None, say)

    loop = WorkerLoop(
        place, name, lease_ttl, start, _aggregate, say, stays=run_once, only=job, at_work=at_work, prepare=prepare
    )
    if not run_once:
        say(f"{name}: working on {place.name}")
        _run_many(loop, exit_when_idle)
    else:
        _run_one(loop, job)


def _run_many(loop: WorkerLoop, exit_when_idle: bool) -> None:
    loop.run_until_stopped(exit_when_idle=exit_when_idle)
    if exit_when_idle and loop.bucket.clock.stopping():  # 0 would say that the work is done
        raise typer.Exit(int(Exit.INTERRUPTED))


def _run_one(loop: WorkerLoop, job: str | None) -> None:
    result = loop.run_one()
    if result is None:
        nothing = f"{job}: not queued, passed over, or a living worker has it; nothing to do" if job else "no free job"
        nothing_to_do(f"{nothing} in {loop.bucket.name}")
    if result.end is AttemptEnd.STOPPED:
        raise typer.Exit(int(Exit.INTERRUPTED))
    if result.status is not ResultStatus.SUCCESS:
        raise typer.Exit(int(Exit.FAILED))
