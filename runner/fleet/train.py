"""Train an agent in Fleet-v0: PPO on many fleets at a time, in epochs (`runner.training.epochs`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.ppo.vector import train as train_vector
from agents.settings import as_mapping
from agents.spaces import fleet as fleet_spaces
from env.fleet.vector_env import FleetVectorEnv
from runner.fleet.evaluator import FleetEvaluator
from runner.training.epochs import first_seed, last_measured
from runner.training.ppo import ppo_settings
from runner.training.validation import SEED

EPOCH_STEPS = 1 << 16
EPOCHS, ENVIRONMENTS = 30, 256
"""Of a training where nothing else is asked for."""


@dataclass(frozen=True)
class FleetTraining:
    """What a training is; everything random follows from `seed`.

    Attributes:
        epochs: How many.
        seed: Of the first weights, and of all that is drawn.
        environments: Fleets that are stepped together.
        settings: Of PPO.
        variant: As in `env.fleet.fleet_env.FleetEnv`.
        epoch_steps: Environment steps of an epoch, of all environments together.
        member: Its place in a federation.
    """

    epochs: int
    seed: int
    environments: int
    settings: PPOSettings = field(default_factory=PPOSettings)
    variant: str = "small"
    epoch_steps: int = EPOCH_STEPS
    member: int = 0

    def identity(self) -> dict[str, Any]:
        """What must be equal for a training to be gone on with."""
        return {
            "seed": self.seed,
            "environments": self.environments,
            "epoch_steps": self.epoch_steps,
            "settings": as_mapping(self.settings),
            "variant": self.variant,
        }

    def new_agent(self) -> PPO:
        """An agent that has learned nothing."""
        return PPO(seed=self.seed, settings=self.settings, spaces=fleet_spaces(self.variant))

    def train(self, agent: PPO, epoch: int) -> dict[str, float]:
        """Train an epoch; what its last update measured.

        Raises:
            Stopped: A stop was asked for, see `env.interrupt`; the agent is of no more use.
        """
        envs = FleetVectorEnv(self.environments, self.variant)
        seed = first_seed(self, epoch, self.environments, SEED)
        return last_measured(partial(train_vector, agent, envs, self.epoch_steps, seed=seed))

    def evaluator(self) -> FleetEvaluator:
        """Problems of its variant that no training draws."""
        return FleetEvaluator(self.variant)


def fleet_settings(
    epochs: int, changed: Mapping[str, Any] | None = None, *, epoch_steps: int = EPOCH_STEPS
) -> PPOSettings:
    """Settings of PPO for this environment; step size and entropy fall to the end.

    Args:
        epochs: Of the training.
        changed: Others than these, by name.
        epoch_steps: Environment steps of an epoch.

    Raises:
        AgentError: A setting out of range.
    """
    return ppo_settings(epochs * epoch_steps, {"minibatch_size": 1 << 10, "entropy": 0.01, **(changed or {})})
