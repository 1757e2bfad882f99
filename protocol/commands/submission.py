"""A submission step by step: checked and drafted from options, its inputs uploaded, its jobs queued.

All errors in options and inputs are reported before anything is uploaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agents.kinds import agent_kind, check_trainable, with_weights
from env.errors import UsageError
from env.gym.checks import packages_of
from env.words import count
from protocol.commands.submission_epochs import in_epochs
from protocol.commands.submission_learner import with_learner
from protocol.commands.submit_options import DEFAULT_UNITS, EpochsChoice
from protocol.jobs.submit import Submitted, new_id, submit_federation, submit_job
from protocol.learners import inputs
from protocol.learners.environments import tensors_of
from protocol.learners.nodes import write_nodes
from protocol.learners.series import read_files
from protocol.wire import documents, ids, keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Federation, TensorSpec
from protocol.wire.job_documents import SAMPLING_VERSION, TrainingSpec
from protocol.wire.schedule import default_per_round
from runner.commands.environments import environment_kind
from runner.options.flatten import changed

if TYPE_CHECKING:
    from protocol.commands.submit_options import FederationChoice, JobChoice
    from runner.options.agents import EpisodeChoice
    from runner.options.workload import ReplayChoice, WorkloadChoice


@dataclass(frozen=True)
class Submission:
    """What is to be queued.

    Attributes:
        training: Without traces and weights, until they are uploaded.
        federation: None: a single job.
        traces, weights: Where the inputs are: files, folders or s3:// URIs.
        shapes: Name -> shape of all tensors that are trained; empty if there are none, or they are not known.
        series: Those to be uploaded, see `protocol.learners.series`.
        first: Weights to start from in place of `weights`, made by the learner.
    """

    training: TrainingSpec
    federation: Federation | None
    traces: tuple[str, ...]
    weights: str | None
    shapes: Mapping[str, tuple[int, ...]]
    series: tuple[bytes, ...] = ()
    first: bytes | None = None


def draft(
    job: JobChoice,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    federation: FederationChoice,
    epochs: EpochsChoice | None = None,
) -> Submission:
    """The submission of these options.

    Raises:
        UsageError: options that do not go together.
        SimArenaError: a value that does not fit.
    """
    _check_federation(federation)
    if job.learner is not None:
        own = with_learner(job.learner, job, episode, workload, federation, epochs or EpochsChoice())
        described = _federation(federation, own.training, own.shapes) if federation.wanted else None
        return Submission(own.training, described, (), job.weights, own.shapes, first=own.first)
    kind = environment_kind(workload.env)
    agent = job.agent or kind.learner
    _check(job, agent, federation)
    more = (
        _on_cluster(job, agent, episode, workload, federation, epochs)
        if kind.plan is None
        else in_epochs(kind, job, episode, workload, federation, epochs or EpochsChoice())
    )
    training = documents.build(
        TrainingSpec,
        job_type=job.job_type,
        agent=agent,
        agent_settings=_settings(job, federation),
        reward=episode.reward,
        steps=episode.steps,
        seed=job.seed,
        max_attempts=job.max_attempts,
        episode_timeout_s=job.episode_timeout,
        **more,
    )
    shapes = tensors_of(training)
    if job.weights and not shapes:
        raise UsageError(f"--weights: agent {agent!r} has none; only {with_weights()} have")
    drafted = _federation(federation, training, shapes) if federation.wanted else None
    return Submission(training, drafted, workload.trace, job.weights, shapes, _series(training, federation, epochs))


def _series(training: TrainingSpec, federation: FederationChoice, epochs: EpochsChoice | None) -> tuple[bytes, ...]:
    if training.environment is None or epochs is None or not epochs.series:
        return ()
    shares = federation.size if federation.heterogeneous else 0
    environment = training.environment
    return tuple(read_files(environment.name, epochs.series, environment.settings, shares))


def _on_cluster(
    job: JobChoice,
    agent: str,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    federation: FederationChoice,
    epochs: EpochsChoice | None,
) -> dict[str, object]:
    """What a training says only where it is counted in episodes; errors as of `draft`."""
    for option in changed(epochs) if epochs else ():
        raise UsageError(f"{option}: is of trainings by epochs; leave it out with --env {workload.env}")
    if workload.problem is not None and federation.heterogeneous:
        raise UsageError(f"--problem {workload.problem}: --heterogeneous gives each member another kind; leave one out")
    agent_kind(agent).filled(_settings(job, federation))
    workload.check_needed()
    if workload.manifests.filename:
        raise UsageError(
            f"{workload.source}: a job takes trace files, which go to the bucket; make one with: sim-arena trace make "
            f"{workload.source} --to web.sktrace, and give it with --trace web.sktrace"
        )
    replay = workload.replay
    return {
        "traces": (),
        **_workload(replay),
        "target": replay.target,
        "nodes": write_nodes(replay.pools()),
        "duration_s": replay.duration,
        "problem": workload.problem,
        "packages": packages_of(episode.reward, workload.problem),
        "episodes": job.episodes or DEFAULT_UNITS,
    }


def _workload(replay: ReplayChoice) -> dict[str, str | None]:
    """The workload as a job names it: without a kind for a Deployment, as releases before kinds do."""
    named = replay.named()
    kind = named.pop("kind")
    return {**named, "workload_kind": None if kind == "Deployment" else kind}


def upload(bucket: Bucket, submission: Submission) -> Submission:
    """The same, with traces and weights uploaded, each under the hash of its content."""
    federation = submission.federation
    shares = federation.size if federation is not None and federation.heterogeneous else 0
    weights = submission.weights
    uploaded: dict[str, object] = {
        "traces": inputs.upload_traces(bucket, submission.traces, submission.training, shares),
        "weights": inputs.upload_weights(bucket, weights, submission.shapes) if weights else None,
    }
    if submission.first is not None:
        uploaded["weights"] = bucket.upload(keys.weights, submission.first)
    if environment := submission.training.environment:
        series = tuple(bucket.upload(keys.series, body) for body in submission.series)
        uploaded["environment"] = environment.model_copy(update={"series": series})
    training = documents.build(TrainingSpec, **{**dict(submission.training), **uploaded})
    if federation is not None:
        federation = federation.model_copy(update={"training": training})
    return replace(submission, training=training, federation=federation)


def queue(bucket: Bucket, submission: Submission) -> Submitted:
    """Queue the job, or all members of the federation."""
    if submission.federation is None:
        return submit_job(bucket, submission.training)
    return submit_federation(bucket, submission.federation)


def _check(job: JobChoice, agent: str, federation: FederationChoice) -> None:
    check_trainable(agent)
    if federation.wanted and (not agent_kind(agent).has_weights or job.job_type != "training"):
        raise UsageError(f"only the training of {with_weights()} has weights to average; leave out --federation-size")


def _check_federation(federation: FederationChoice) -> None:
    if not federation.wanted:
        for option in changed(federation):
            raise UsageError(f"{option}: needs --federation-size")
    if (federation.sample or 1) > federation.size:
        raise UsageError(f"--sample {federation.sample}: the federation has {count(federation.size, 'member')}")
    if (federation.min_participants or 1) > federation.round_size:
        has = f"--sample draws {federation.sample}" if federation.sample else "the federation has"
        members = "" if federation.sample else f" {count(federation.size, 'member')}"
        raise UsageError(f"--min-participants {federation.min_participants}: {has}{members}")
    if federation.per_episode_sync and (federation.size, federation.episodes_per_round or 1) != (1, 1):
        raise UsageError("--per-episode-sync is a federation of one with a round for each episode; leave it out")


def _settings(job: JobChoice, federation: FederationChoice) -> dict[str, object]:
    return inputs.with_strategy(dict(job.settings), federation.strategy)


def _federation(choice: FederationChoice, training: TrainingSpec, shapes: Mapping[str, tuple[int, ...]]) -> Federation:
    per_round = choice.episodes_per_round or default_per_round(training.episodes)
    strategy = choice.strategy
    sample = choice.sample if choice.round_size < choice.size else None  # who draws all draws nobody
    return documents.build(
        Federation,
        version=training.version if sample is None else SAMPLING_VERSION,
        group=ids.valid_group(choice.group or new_id("fed")),
        created_at=documents.timestamp(),
        size=choice.size,
        sample=sample,
        training=training,
        episodes_per_round=1 if choice.per_episode_sync else per_round,
        heterogeneous=choice.heterogeneous,
        strategy=strategy,
        barrier=choice.barrier,
        min_participants=choice.min_participants or strategy.min_participants(choice.round_size),
        round_timeout_s=choice.round_timeout,
        model=tuple(TensorSpec(name=name, shape=shape) for name, shape in shapes.items()),
    )
