"""A training with `--env fleet`: its settings, and how it is made, of a run and of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runner.training.ppo import check_ppo

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.fleet.train import FleetTraining
    from runner.training.epochs import WantedEpochs
    from runner.training.trainee import Opened

_VARIANT = "small"


def settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The learner's settings, filled in."""
    from agents.settings import as_mapping
    from runner.fleet.train import fleet_settings

    check_ppo(agent, "fleet")
    return as_mapping(fleet_settings(units, given))


def fleet_training(wanted: RunConfig) -> FleetTraining:
    """What a training in a fleet is, of filled settings."""
    from agents.ppo.settings import PPOSettings
    from agents.settings import parse_settings
    from env.fleet.variants import variant_named
    from runner.fleet.train import ENVIRONMENTS, EPOCHS, FleetTraining

    return FleetTraining(
        epochs=wanted.by_epochs.epochs or EPOCHS,
        seed=wanted.training.seed,
        environments=wanted.by_epochs.environments or ENVIRONMENTS,
        settings=parse_settings(PPOSettings, wanted.training.settings),
        variant=variant_named(wanted.season.variant or _VARIANT).name,
    )


def planned(wanted: WantedEpochs) -> FleetTraining:
    """The plan of a job."""
    from env.fleet.variants import variant_named
    from runner.fleet.train import FleetTraining, fleet_settings

    check_ppo(wanted.agent, "fleet")
    return FleetTraining(
        epochs=wanted.epochs,
        seed=wanted.seed,
        environments=wanted.environments,
        settings=fleet_settings(wanted.epochs, wanted.agent_settings, epoch_steps=wanted.epoch_steps),
        variant=variant_named(wanted.settings.get("variant", _VARIANT)).name,
        epoch_steps=wanted.epoch_steps,
        member=wanted.member,
    )


def opened(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    """An untrained training."""
    from runner.training.epochs import EpochTrainee
    from runner.training.trainee import Opened

    plan = fleet_training(wanted)
    return Opened(EpochTrainee(plan), plan.evaluator() if wanted.validation.evaluate_every else None)
