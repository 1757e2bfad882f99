"""A training with `--env fleet`: its settings, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.kinds import check_trainable
from env.errors import AgentError

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.fleet.train import FleetTraining
    from runner.training.trainee import Opened

LEARNER = "ppo"


def settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The learner's settings, filled in."""
    from agents.settings import as_mapping
    from runner.fleet.train import fleet_settings

    if agent != LEARNER:
        check_trainable(agent)
        raise AgentError(f"agent {agent!r}: does not learn --env fleet; {LEARNER} does")
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
        variant=variant_named(wanted.season.variant or "small").name,
    )


def opened(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    """An untrained training."""
    from runner.fleet.evaluator import FleetEvaluator
    from runner.training.epochs import EpochTrainee
    from runner.training.trainee import Opened

    plan = fleet_training(wanted)
    return Opened(EpochTrainee(plan), FleetEvaluator(plan.variant) if wanted.validation.evaluate_every else None)
