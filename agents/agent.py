"""What an agent is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

State = npt.NDArray[np.float32]


class Transition(NamedTuple):
    """One step of an environment. A truncated episode's value is bootstrapped, a terminated one's is not."""

    state: State
    action: int
    reward: float
    next_state: State
    terminated: bool
    truncated: bool


class Agent(Protocol):
    """Anything that picks an action from a state (float32, shape `(STATE_DIM,)`)."""

    name: str
    learns: bool

    def seed(self, rng: np.random.Generator) -> None:
        """Take all randomness from `rng` from now on. Called at the start of every episode."""

    def act(self, state: State, *, explore: bool) -> int:
        """Index of the chosen action; `explore` allows a learning agent a random one."""

    def learn(self, transition: Transition) -> dict[str, float]:
        """Learn from one step; the metrics of this step, e.g. loss, q_mean, epsilon. May be empty."""

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on exactly: only arrays, numbers, strings, lists and dicts."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError if it does not fit this agent."""

    def save(self, path: Path) -> None:
        """Write a checkpoint, atomically."""

    def load(self, path: Path) -> None:
        """Read a checkpoint. Raises AgentError if it does not fit this agent."""


@runtime_checkable
class MaskedAgent(Protocol):
    """An agent that acts where only some actions are allowed at a time."""

    def act(self, state: State, *, explore: bool, mask: npt.NDArray[np.bool_] | None = None) -> int:
        """Index of the chosen action, one of those that `mask` is true for, bool (actions,)."""


@runtime_checkable
class WeightedAgent(Agent, Protocol):
    """An agent with networks, whose weights can be averaged with those of others."""

    def weights(self) -> dict[str, Any]:
        """All tensors of its networks, by name."""

    def load_weights(self, given: Mapping[str, Any]) -> None:
        """Take such tensors; what else it has learned stays. Raises AgentError if they do not fit."""
