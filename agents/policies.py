"""Hand-written policies: from the named features of a state to an action. The baselines to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import State, Transition
from agents.fields import check_equal
from agents.files import read_json, write_json
from env.actions import Action
from env.errors import AgentError
from env.observation import STATE_FEATURES

Features = Mapping[str, float]


def noop(features: Features, rng: np.random.Generator) -> Action:
    """Nothing, ever."""
    return Action.NOOP


def heuristic(features: Features, rng: np.random.Generator) -> Action:
    """Surplus pods away first, then requests up where pods fail, down by the scheduler's reason, then missing pods."""
    if features["replicas_distance"] > 0:
        return Action.SCALE_DOWN_REPLICAS
    if features["oom_killed"] > 0:
        return Action.BUMP_MEM_SMALL
    if features["cpu_starved"] > 0:
        return Action.BUMP_CPU_SMALL
    if features["insufficient_cpu"] > 0 and features["insufficient_cpu"] >= features["insufficient_memory"]:
        return Action.REDUCE_CPU_SMALL
    if features["insufficient_memory"] > 0:
        return Action.REDUCE_MEM_SMALL
    if features["replicas_distance"] < 0:
        return Action.SCALE_UP_REPLICAS
    return Action.NOOP


def random(features: Features, rng: np.random.Generator) -> Action:
    """Any of the seven, uniformly."""
    return Action(int(rng.integers(len(Action))))


def bump_cpu(features: Features, rng: np.random.Generator) -> Action:
    """More CPU, always."""
    return Action.BUMP_CPU_SMALL


def bump_mem(features: Features, rng: np.random.Generator) -> Action:
    """More memory, always."""
    return Action.BUMP_MEM_SMALL


def scale_replicas(features: Features, rng: np.random.Generator) -> Action:
    """One more replica, always."""
    return Action.SCALE_UP_REPLICAS


POLICIES: dict[str, Callable[[Features, np.random.Generator], Action]] = {
    policy.__name__: policy for policy in (noop, heuristic, random, bump_cpu, bump_mem, scale_replicas)
}


class Policy:
    """One of `POLICIES` as an agent; it has nothing to learn or to set."""

    learns = False

    def __init__(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        if settings:
            raise AgentError(f"agent {name!r} has no settings, {', '.join(settings)} given")
        self.name = name
        self._policy = POLICIES[name]
        self._rng = np.random.default_rng(0)

    def seed(self, rng: np.random.Generator) -> None:
        """Take all randomness from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The policy's action; exploring makes no difference."""
        features = dict(zip(STATE_FEATURES, state.tolist(), strict=True))
        return int(self._policy(features, self._rng))

    def learn(self, transition: Transition) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The name; there is nothing else."""
        return {"agent": self.name}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Check that it is this policy's; AgentError otherwise."""
        check_equal(state, self.state_dict(), "checkpoint")

    def save(self, path: Path) -> None:
        """Write a .json file, atomically."""
        write_json(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read a .json file; AgentError if it is another agent's."""
        self.load_state_dict(read_json(path))
