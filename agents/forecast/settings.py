"""Settings of the forecaster. Importing them needs no torch, so that a job is checked fast before it is submitted."""

from __future__ import annotations

from dataclasses import dataclass

from agents.settings import Settings, check_hidden, check_range


@dataclass(frozen=True)
class ForecastSettings(Settings):
    """The forecaster. A rollout's length and the schedule count environment steps."""

    hidden: tuple[int, ...] = (256, 256)
    """Units of the hidden layers (ReLU)."""
    rollout_steps: int = 4096
    """Environment steps between two updates, of all environments together."""
    epochs: int = 3
    """Passes over the rollout in one update."""
    minibatch_size: int = 256
    """Steps in one gradient step."""
    learning_rate: float = 1e-3
    """Step size of Adam at first."""
    learning_rate_end: float = 3e-5
    """Step size after `anneal_steps`."""
    anneal_steps: int = 10_000_000
    """Environment steps over which the step size falls linearly."""
    temperature: float = 0.1
    """While it learns, an action is drawn with probability proportional to exp(-its cost in the next window / this)."""
    change: float = 0.03
    """What a change of the request counts, in windows in which the typical peak is requested: its price or a little
    more, so that a request does not follow every hint."""
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
        check_range(self, "temperature", 1e-6, 1e6)
        check_range(self, "change", 0.0, 1e3)
        check_range(self, "max_gradient", 1e-6, 1e6)
        check_range(self, "proximal", 0.0, 1_000.0)
