"""The environments that a job can be trained in by epochs: what `dispatch submit` checks is what a worker makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.kinds import agent_kind, check_trainable
from protocol.wire.errors import NotInstalled
from protocol.wire.job_documents import EpochsSpec, Manifest, TrainingSpec
from runner.commands.environments import KINDS, environment_kind
from runner.training.epochs import EpochTrainee, WantedEpochs


def require_environment(manifest: Manifest) -> None:
    """Accept a job of an environment that this release knows.

    Raises:
        NotInstalled: Another worker may know it.
    """
    environment = manifest.training.environment
    if environment is not None and (environment.name not in KINDS or KINDS[environment.name].plan is None):
        raise NotInstalled(f"{manifest.job_id}: needs the environment {environment.name!r}, which is not known here")


def make_trainee(
    training: TrainingSpec, environment: EpochsSpec, member: int, series: NDArray[np.float64] | None = None
) -> EpochTrainee[Any]:
    """The training of a job, new; `series` are those that it names.

    Raises:
        ConfigError, AgentError: An environment, an agent or a setting that does not exist or does not fit.
    """
    check_trainable(training.agent)
    wanted = WantedEpochs(
        epochs=training.episodes,
        epoch_steps=environment.epoch_steps,
        environments=environment.environments,
        max_steps=training.steps,
        seed=training.seed,
        member=member,
        agent=training.agent,
        agent_settings=training.agent_settings,
        kinds=environment.kinds,
        settings=environment.settings,
        series=series,
    )
    return EpochTrainee(environment_kind(environment.name).planned(wanted))


def tensors_of(training: TrainingSpec) -> Mapping[str, tuple[int, ...]]:
    """Name -> shape of all tensors of the networks that a job trains; empty if there are none.

    Raises:
        ConfigError, AgentError: As `make_trainee`.
    """
    if training.environment is None:
        return agent_kind(training.agent).tensors(training.agent_settings)
    weights = make_trainee(training, training.environment, 0).agent.weights()
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}
