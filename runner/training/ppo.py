"""What trainings of PPO in environments other than Cluster-v0 have in common: who learns, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.kinds import check_trainable
from agents.ppo.settings import PPOSettings
from agents.settings import parse_settings
from env.errors import AgentError

LEARNER = "ppo"


def check_ppo(agent: str, environment: str) -> None:
    """Refuse other agents than PPO.

    Raises:
        AgentError: It is another one, or none that there is.
    """
    if agent != LEARNER:
        check_trainable(agent)
        raise AgentError(f"agent {agent!r}: does not learn --env {environment}; {LEARNER} does")


def ppo_settings(env_steps: int, given: Mapping[str, Any]) -> PPOSettings:
    """PPO's settings for a training of so many environment steps; step size and entropy fall to its end.

    Args:
        env_steps: Of all epochs and environments together.
        given: Others than these, by name.

    Raises:
        AgentError: A setting out of range.
    """
    own: dict[str, Any] = {
        "hidden": (128, 128),
        "rollout_steps": 1 << 14,
        "epochs": 2,
        "learning_rate": 1e-3,
        "anneal_steps": env_steps,
        "gamma": 0.99,
    }
    settings = parse_settings(PPOSettings, {**own, **given})
    if "learning_rate_end" in given:
        return settings
    return replace(settings, learning_rate_end=min(settings.learning_rate_end, settings.learning_rate))
