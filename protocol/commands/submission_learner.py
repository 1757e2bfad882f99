"""What a submission says only where it names a learner: checked and drafted from options."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.saved import checkpoint
from agents.saved.formats import parse_state
from env.errors import ConfigError, UsageError
from protocol.commands.submit_options import DEFAULT_UNITS
from protocol.learners import inputs
from protocol.learners.asking import LearnerFailed
from protocol.learners.catalogue import LearnerKind, is_installed, learner_kind
from protocol.learners.named import first_weights
from protocol.wire import documents, ids
from protocol.wire.bucket import WEIGHTS_BYTES
from protocol.wire.job_documents import LearnerSpec, TrainingSpec
from runner.commands.console import note
from runner.options.flatten import changed

if TYPE_CHECKING:
    from protocol.commands.submit_options import EpochsChoice, FederationChoice, JobChoice
    from runner.options.agents import EpisodeChoice
    from runner.options.workload import WorkloadChoice

_OURS = (
    "--learner",
    "--seed",
    "--set",
    "--weights",
    "--max-attempts",
    "--episode-timeout",
    "--epochs",
    "--epoch-steps",
)
"""Options of a job that a learner has too."""


@dataclass(frozen=True)
class LearnerDraft:
    """The training of a learner, and the weights that its federation starts from.

    Attributes:
        shapes: Name -> shape of what is averaged; empty where it is not known, in a job without a federation.
        first: Weights that the learner made; None where a user gave some, or in a job without a federation.
    """

    training: TrainingSpec
    shapes: Mapping[str, tuple[int, ...]]
    first: bytes | None


def with_learner(
    name: str,
    job: JobChoice,
    episode: EpisodeChoice,
    workload: WorkloadChoice,
    federation: FederationChoice,
    epochs: EpochsChoice,
) -> LearnerDraft:
    """The training of a job that names a learner.

    Raises:
        UsageError: Options that a learner does not have, or a name that none can have.
        ConfigError, AgentError: Where it is installed: a setting or starting weights that do not fit.
    """
    ids.valid_id(name, "--learner")
    _check(name, changed(job) | changed(episode) | changed(workload) | changed(epochs), federation)
    kind = _installed(name)
    given = {} if kind is None else dict(kind.packages)
    settings = inputs.with_strategy(dict(job.settings), federation.strategy)
    bound = {} if epochs.epoch_steps is None else {"epoch_steps": epochs.epoch_steps}
    training = documents.build(
        TrainingSpec,
        learner=documents.build(LearnerSpec, name=name, settings=settings, **bound),
        packages=given,
        episodes=epochs.epochs or DEFAULT_UNITS,
        steps=episode.steps,
        seed=job.seed,
        max_attempts=job.max_attempts,
        episode_timeout_s=job.episode_timeout,
    )
    if kind is None:
        return LearnerDraft(training, _shapes_in(job.weights, name) if federation.wanted else {}, None)
    kind.settings(settings)
    if not federation.wanted and not job.weights:
        return LearnerDraft(training, {}, None)
    try:
        with redirect_stdout(sys.stderr):  # what it prints is no data of ours
            shapes, first = first_weights(training, federation.size)
    except LearnerFailed as error:
        raise ConfigError(str(error)) from error
    return LearnerDraft(training, shapes, None if job.weights else first)


def _check(name: str, given: Mapping[str, object], federation: FederationChoice) -> None:
    for option in given:
        if option not in _OURS:
            use = "; give --epochs" if option == "--episodes" else "; leave it out, and set what it has with --set"
            raise UsageError(f"{option}: is not an option of --learner {name}{use}")
    if federation.heterogeneous:
        raise UsageError(f"--heterogeneous: --learner {name} says itself what each member sees; leave it out")


def _installed(name: str) -> LearnerKind | None:
    if is_installed(name):
        with redirect_stdout(sys.stderr):
            return learner_kind(name)
    note(f"learner {name} is not installed here: its settings are checked by the worker that has it")
    return None


def _shapes_in(weights: str | None, name: str) -> Mapping[str, tuple[int, ...]]:
    """Of a user's file of weights, where the learner is not installed."""
    if weights is None or weights.startswith("s3://"):
        raise UsageError(
            f"--learner {name}: is not installed here, so its weights are not known; install it, or give a file of "
            "them with --weights"
        )
    from runner.training.training import weights_in

    found = weights_in(parse_state(inputs.read_file(Path(weights), WEIGHTS_BYTES), weights))
    shapes = {name: tuple(array.shape) for name, array in found.items()}
    return {name: shape for name, shape in shapes.items() if checkpoint.tensors(found, shapes, weights)}
