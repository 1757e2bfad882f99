"""A training with `--env season`: its settings, and how it is made, of a run and of a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.kinds import check_trainable
from env.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.season.train import SeasonTraining
    from runner.training.epochs import WantedEpochs
    from runner.training.trainee import Opened

LEARNER = "forecast"


def settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The learner's settings, filled in."""
    from runner.season.train import season_settings

    check_trainable(agent)
    return season_settings(agent, units, given)


def season_training(wanted: RunConfig) -> SeasonTraining:
    """What a training in a season is, of filled settings."""
    from env.season.variants import checked_kappa
    from runner.season.train import ENVIRONMENTS, EPOCHS, SeasonTraining

    season, file = wanted.season, wanted.beside.series
    played = {} if season.variant is None else {"variant": season.variant}
    return SeasonTraining(
        epochs=wanted.by_epochs.epochs or EPOCHS,
        seed=wanted.training.seed,
        environments=wanted.by_epochs.environments or ENVIRONMENTS,
        agent=wanted.training.agent or LEARNER,
        settings=wanted.training.settings,
        variant=season.variant or _VARIANT,
        kappa=checked_kappa(season.kappa),
        kinds=(season.kind,) if season.kind else (),
        beside=None if file is None else read_series(Path(file), played),
    ).checked()


_VARIANT = "memory"
_MOST_ENVIRONMENTS = 2048
"""Of a job."""


def opened(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    """An untrained training."""
    from runner.training.epochs import EpochTrainee
    from runner.training.trainee import Opened

    plan = season_training(wanted)
    return Opened(EpochTrainee(plan), plan.evaluator() if wanted.validation.evaluate_every else None)


def planned(wanted: WantedEpochs) -> SeasonTraining:
    """The plan of a job."""
    from env.season.variants import checked_kappa
    from runner.season.train import SeasonTraining, season_settings

    check_trainable(wanted.agent)
    if wanted.environments > _MOST_ENVIRONMENTS:
        raise ConfigError(f"environments {wanted.environments}: a job in a season has at most {_MOST_ENVIRONMENTS:,}")
    return SeasonTraining(
        epochs=wanted.epochs,
        seed=wanted.seed,
        environments=wanted.environments,
        agent=wanted.agent,
        settings=season_settings(wanted.agent, wanted.epochs, wanted.agent_settings, epoch_steps=wanted.epoch_steps),
        variant=wanted.settings.get("variant", _VARIANT),
        kappa=checked_kappa(wanted.settings.get("kappa")),
        kinds=tuple(wanted.kinds),
        epoch_steps=wanted.epoch_steps,
        member=wanted.member,
        series=wanted.series,
    ).checked()


def read_series(path: Path, settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Recorded peaks in a file, for a variant."""
    from env.season import real
    from env.season.variants import variant_named

    return real.read_series(path, variant_named(settings.get("variant", _VARIANT))).series.peaks
