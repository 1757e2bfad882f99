"""Settings of the tabular agent."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import Settings, check_range


@dataclass(frozen=True)
class GreedySettings(Settings):
    """Tabular epsilon-greedy Q-learning."""

    learning_rate: float = 0.2
    """Share of the new estimate in an update of one table entry."""
    gamma: float = 0.97
    """Discount of the next step's value."""
    epsilon_start: float = 1.0
    """Probability of a random action at the first step."""
    epsilon_end: float = 0.05
    """Probability of a random action after `epsilon_steps`."""
    epsilon_steps: int = 2_000
    """Environment steps over which epsilon falls linearly."""

    def __post_init__(self) -> None:
        check_range(self, "learning_rate", 1e-8, 1.0)
        check_range(self, "gamma", 0.0, 1.0)
        check_range(self, "epsilon_start", 0.0, 1.0)
        check_range(self, "epsilon_end", 0.0, 1.0)
        check_range(self, "epsilon_steps", 1, 1_000_000_000)
