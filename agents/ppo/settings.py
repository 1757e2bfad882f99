"""Settings of PPO. Importing them needs no torch, so that a job is checked fast before it is submitted."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import Settings, check_hidden, check_range


@dataclass(frozen=True)
class PPOSettings(Settings):
    """PPO. A rollout's length and the schedules count the agent's own environment steps."""

    hidden: tuple[int, ...] = (64, 64)
    """Units of the hidden tanh layers, of the actor and of the critic."""
    rollout_steps: int = 512
    """Environment steps between two updates; of all environments together, where there are many."""
    epochs: int = 4
    """Passes over the rollout in one update."""
    minibatch_size: int = 128
    """Steps in one gradient step."""
    learning_rate: float = 1e-3
    """Step size of Adam at first."""
    learning_rate_end: float = 1e-4
    """Step size after `anneal_steps`."""
    anneal_steps: int = 100_000
    """Environment steps over which the step size and `entropy` fall linearly."""
    reward_scale: float = 1.0
    """What rewards are multiplied by before they are learned from: a critic learns fastest where returns are near 1."""
    gamma: float = 0.95
    """Discount of the next step's value."""
    gae_lambda: float = 0.95
    """Generalised advantage estimation's lambda: 0 trusts the critic's next value, 1 the rewards that followed."""
    clip: float = 0.2
    """How far from 1 the ratio of new to old probability may go and still be rewarded."""
    entropy: float = 0.01
    """Weight of the policy's entropy in the loss at first: keeps it exploring."""
    entropy_end: float = 0.0
    """The same after `anneal_steps`."""
    value: float = 0.5
    """Weight of the critic's squared error in the loss."""
    max_gradient: float = 0.5
    """Longer gradients are shortened to this norm."""
    proximal: float = 0.0
    """Pull towards the weights that were loaded last: FedProx's mu."""

    def __post_init__(self) -> None:
        check_hidden(self.hidden)
        check_range(self, "rollout_steps", 1, 1_000_000)
        check_range(self, "epochs", 1, 1_000)
        check_range(self, "minibatch_size", 1, 1_000_000)
        check_range(self, "learning_rate", 1e-8, 1.0)
        check_range(self, "learning_rate_end", 0.0, 1.0)
        check_range(self, "anneal_steps", 1, 1_000_000_000_000)
        check_range(self, "reward_scale", 1e-6, 1e6)
        check_range(self, "gamma", 0.0, 1.0)
        check_range(self, "gae_lambda", 0.0, 1.0)
        check_range(self, "clip", 1e-3, 10.0)
        check_range(self, "entropy", 0.0, 10.0)
        check_range(self, "entropy_end", 0.0, 10.0)
        check_range(self, "value", 0.0, 100.0)
        check_range(self, "max_gradient", 1e-6, 1e6)
        check_range(self, "proximal", 0.0, 1_000.0)
