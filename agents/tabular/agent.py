"""Tabular epsilon-greedy Q-learning (Watkins 1989) over a handful of questions about the state.

The table is small enough to read: a state is the answers to `QUESTIONS`, one digit each, for example
"200011000" for "too many replicas, nothing pending, ...".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agents.agent import State, Transition
from agents.saved.fields import check_equal, count, generator_from, generator_text, mapping
from agents.saved.files import read_json, write_json
from agents.settings import as_mapping, linear, parse_settings
from agents.tabular.settings import GreedySettings
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_FEATURES

# Feature -> the thresholds that divide its range; digit k means that k of them are at or below the value.
QUESTIONS: dict[str, tuple[float, ...]] = {
    "replicas_distance": (-1e-6, 1e-6),  # too few, right, too many
    "pending": (1e-6,),
    "insufficient_cpu": (1e-6, 0.999),  # no node, some nodes, all nodes
    "insufficient_memory": (1e-6, 0.999),
    "too_many_pods": (1e-6,),
    "cpu_over_node": (1e-6,),
    "memory_over_node": (1e-6,),
    "oom_killed": (1e-6,),
    "cpu_starved": (1e-6,),
}
_QUESTIONS = [(STATE_FEATURES.index(name), thresholds) for name, thresholds in QUESTIONS.items()]
MAX_ROWS = math.prod(len(thresholds) + 1 for thresholds in QUESTIONS.values())


def discretise(state: State) -> str:
    """The row of the table that a state belongs to: one digit per question."""
    return "".join(str(sum(bool(state[i] >= t) for t in thresholds)) for i, thresholds in _QUESTIONS)


class EpsilonGreedy:
    """The agent. `settings` are those of `GreedySettings`."""

    name = "greedy"
    learns = True

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        self.settings = parse_settings(GreedySettings, settings)
        self._table: dict[str, list[float]] = {}
        self._env_steps = 0
        self._rng = np.random.default_rng(0)

    @property
    def epsilon(self) -> float:
        """Probability of a random action at the next exploring step."""
        s = self.settings
        return linear(s.epsilon_start, s.epsilon_end, s.epsilon_steps, self._env_steps)

    def seed(self, rng: np.random.Generator) -> None:
        """Take all randomness from `rng` from now on."""
        self._rng = rng

    def act(self, state: State, *, explore: bool) -> int:
        """The best action of the table, or with probability epsilon a random one; ties go to the first."""
        if explore and self._rng.random() < self.epsilon:
            return int(self._rng.integers(len(Action)))
        values = self._values(discretise(state))
        return values.index(max(values))

    def q_values(self, state: State) -> State:
        """Q-value of every action, float32 (actions,)."""
        return np.array(self._values(discretise(state)), dtype=np.float32)

    def learn(self, transition: Transition) -> dict[str, float]:
        """Move one entry of the table towards reward plus discounted best next value."""
        row = self._table.setdefault(discretise(transition.state), _zeros())
        following = 0.0 if transition.terminated else max(self._values(discretise(transition.next_state)))
        error = transition.reward + self.settings.gamma * following - row[transition.action]
        row[transition.action] += self.settings.learning_rate * error
        self._env_steps += 1
        return {"epsilon": self.epsilon, "loss": error * error, "q_mean": row[transition.action]}

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on exactly."""
        return {
            "agent": self.name,
            "questions": list(QUESTIONS),
            "settings": as_mapping(self.settings),
            "table": {key: list(values) for key, values in self._table.items()},
            "env_steps": self._env_steps,
            "rng": generator_text(self._rng),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict()`. Raises AgentError, and changes nothing, if it does not fit."""
        what = "greedy checkpoint"
        check_equal(state, {"agent": self.name, "questions": list(QUESTIONS)}, "checkpoint")
        check_equal(mapping(state, "settings", what), as_mapping(self.settings), what)
        table = _checked_table(mapping(state, "table", what), what)
        env_steps, rng = count(state, "env_steps", what), generator_from(state.get("rng"), what)
        self._table, self._env_steps, self._rng = table, env_steps, rng

    def save(self, path: Path) -> None:
        """Write a .json file, atomically."""
        write_json(path, self.state_dict())

    def load(self, path: Path) -> None:
        """Read a .json file; AgentError if it does not fit."""
        self.load_state_dict(read_json(path))

    def _values(self, key: str) -> list[float]:
        return self._table.get(key) or _zeros()


def _zeros() -> list[float]:
    return [0.0] * len(Action)


def _checked_table(table: Mapping[str, Any], what: str) -> dict[str, list[float]]:
    if len(table) > MAX_ROWS:
        raise AgentError(f"{what}: {len(table)} rows, there are no more than {MAX_ROWS} states")
    for key, values in table.items():
        if not _is_row(values):
            raise AgentError(f"{what}: row {key!r} is not {len(Action)} finite numbers")
    return {str(key): [float(value) for value in values] for key, values in table.items()}


def _is_row(values: object) -> bool:
    if not isinstance(values, list) or len(values) != len(Action):
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)
