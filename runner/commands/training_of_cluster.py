"""A training with `--env cluster`: its settings, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.kinds import agent_kind, check_learns_from_rewards

if TYPE_CHECKING:
    from env.cluster import Cluster
    from runner.commands.run_config import RunConfig
    from runner.training.trainee import Opened


def settings(units: int, agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The learner's settings, filled in."""
    check_learns_from_rewards(agent)
    return agent_kind(agent).filled(given)


def opened(wanted: RunConfig, cluster: Cluster | None) -> Opened:
    """An untrained training."""
    from runner.training.trainee import Opened
    from runner.training.training import Training
    from runner.training.validation import Validation, validation_problems

    workload, episode = wanted.workload, wanted.episode
    scenarios = workload.scenarios()
    training = Training(wanted.training_config(), scenarios or None, cluster)
    if not wanted.validation.evaluate_every:
        return Opened(training)
    problems = scenarios or validation_problems(workload.problem)
    return Opened(training, Validation(problems, episode.steps, episode.reward, cluster))
