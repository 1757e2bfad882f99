"""Settings of the DQN. Importing them needs no torch, so that a job is checked fast before it is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from agents.settings import Settings, check_hidden, check_range


@dataclass(frozen=True)
class DQNSettings(Settings):
    """DQN. Lengths of schedules count the agent's own environment steps or gradient steps."""

    RETIRED: ClassVar[Mapping[str, Any]] = {"dueling": False}
    """Settings of older releases with the one value that checkpoints and jobs may still hold."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of the hidden ReLU layers."""
    learning_rate: float = 1e-3
    """Step size of Adam at first."""
    halving_steps: int = 10_000
    """Gradient steps after which it is half: learning_rate / (1 + gradient steps / this). Without this decay a policy
    that solves everything is unlearned again."""
    gamma: float = 0.95
    """Discount of the next step's value. Most goals are up to a dozen steps away, the farthest 40."""
    n_step: int = 3
    """Rewards that are summed before a value is bootstrapped."""
    double: bool = True
    """Whether the online network picks the next action that the target network values."""
    action_gap: float = 0.7
    """Share of its disadvantage that is taken off an action's value: advantage learning's alpha. It keeps small errors
    of the network from changing which action is the best."""
    priority: float = 0.0
    """Exponent of a transition's error in its chance to be drawn; 0 draws all alike."""
    batch_size: int = 64
    """Transitions in one gradient step."""
    replay_size: int = 200_000
    """Transitions kept; the oldest is overwritten. Kept over episodes and federated rounds."""
    learning_starts: int = 200
    """Transitions before the first gradient step."""
    train_every: int = 1
    """Environment steps between trainings."""
    updates: int = 1
    """Gradient steps of one training."""
    target_every: int = 200
    """Gradient steps between updates of the target network."""
    target_tau: float = 1.0
    """Share of the online network in such an update: 1 copies it, less is a Polyak average."""
    epsilon_start: float = 1.0
    """Probability of a random action at the first step."""
    epsilon_end: float = 0.1
    """Probability of a random action after `epsilon_steps`."""
    epsilon_steps: int = 10_000
    """Environment steps over which epsilon falls linearly."""
    proximal: float = 0.0
    """Pull towards the weights that were loaded last: FedProx's mu."""

    def __post_init__(self) -> None:
        check_range(self, "n_step", 1, 100)
        check_range(self, "action_gap", 0.0, 0.99)
        check_range(self, "priority", 0.0, 2.0)
        check_range(self, "halving_steps", 1, 1_000_000_000)
        check_range(self, "proximal", 0.0, 1_000.0)
        check_range(self, "learning_rate", 1e-8, 1.0)
        check_range(self, "gamma", 0.0, 1.0)
        check_range(self, "batch_size", 1, 65_536)
        check_range(self, "replay_size", self.batch_size, 1_000_000)
        check_range(self, "learning_starts", 0, self.replay_size)
        check_range(self, "train_every", 1, 1_000_000)
        check_range(self, "updates", 1, 1_000)
        check_range(self, "target_every", 1, 1_000_000)
        check_range(self, "target_tau", 1e-6, 1.0)
        check_range(self, "epsilon_start", 0.0, 1.0)
        check_range(self, "epsilon_end", 0.0, 1.0)
        check_range(self, "epsilon_steps", 1, 1_000_000_000)
        check_hidden(self.hidden)
