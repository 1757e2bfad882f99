"""The replay buffer of a DQN: n-step transitions in memory that is allocated once.

Sources: Mnih et al., Nature 2015 (replay); Sutton, 1988 (n steps); Schaul et al., ICLR 2016 (priorities).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.agent import Transition
from agents.dqn import sum_tree
from agents.dqn.kernel import Columns
from agents.saved import checkpoint
from agents.saved.fields import count
from env.actions import Action
from env.errors import AgentError
from env.gym.features import STATE_DIM

_CORRECTION = 0.4
_LEAST_ERROR = 1e-3  # so that nothing is never drawn again


class Replay:
    """The last `capacity` transitions of `n_step` steps each (Sutton 1988; fewer at the end of an episode)."""

    def __init__(self, capacity: int, n_step: int, gamma: float, priority: float = 0.0) -> None:
        """`priority`: exponent of a transition's last error in its chance to be drawn; 0: all alike."""
        self.capacity = capacity
        self.columns = Columns(
            states=np.zeros((capacity, STATE_DIM), np.float32),
            actions=np.zeros(capacity, np.int64),
            returns=np.zeros(capacity, np.float32),
            next_states=np.zeros((capacity, STATE_DIM), np.float32),
            discounts=np.zeros(capacity, np.float32),
        )
        self.size = 0
        self._next = 0
        self._n_step = n_step
        self._gamma = gamma
        self._open: list[Transition] = []  # the last steps of the episode, not n of them yet
        self._priority = priority
        self._tree = sum_tree.new(capacity if priority else 1)
        self._largest = 1.0
        self._even = np.ones(0, np.float32)

    def add(self, step: Transition) -> None:
        """Take one step of an episode in, in its order; the oldest transition makes room."""
        self._open.append(step)
        ends = step.terminated or step.truncated
        if len(self._open) == self._n_step or ends:
            self._close(step)
        while ends and self._open:
            self._close(step)

    def _close(self, last: Transition) -> None:
        """Keep the transition from the oldest open step to `last`."""
        value, discount = 0.0, 1.0
        for step in self._open:
            value += discount * step.reward
            discount *= self._gamma
        first, row = self._open.pop(0), self._next
        states, actions, returns, next_states, discounts = self.columns
        states[row] = first.state
        actions[row] = first.action
        returns[row] = value
        next_states[row] = last.next_state
        discounts[row] = 0.0 if last.terminated else discount
        if self._priority:
            sum_tree.replace(self._tree, np.array([row]), np.array([self._largest]))
        self._next = (row + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, rng: np.random.Generator, size: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows drawn with replacement, and the weights of their losses.

        With priorities the weights make up for the uneven chances, with exponent 0.4 as by Schaul et al., ICLR 2016.
        """
        if not self._priority:
            if len(self._even) != size:
                self._even = np.ones(size, np.float32)
            return rng.integers(self.size, size=size), self._even
        rows = sum_tree.draw(self._tree, rng.random(size))
        chances = sum_tree.leaves(self._tree)[rows] / self._tree[1]
        weights = (self.size * chances) ** -_CORRECTION
        return rows, (weights / weights.max()).astype(np.float32)

    def learned(self, rows: NDArray[np.int64], errors: NDArray[np.float32]) -> None:
        """Note the temporal-difference errors of rows that were sampled."""
        if self._priority:
            values = (np.abs(errors).astype(np.float64) + _LEAST_ERROR) ** self._priority
            self._largest = max(self._largest, float(values.max()))
            sum_tree.replace(self._tree, rows, values)

    def state_dict(self) -> dict[str, Any]:
        """The filled part, the row to be written next, and the steps that wait for others of their episode."""
        filled = {name: column[: self.size] for name, column in self.columns._asdict().items()}
        rows = self.size if self._priority else 0
        priorities = sum_tree.leaves(self._tree)[:rows].copy()
        return {
            "size": self.size,
            "next": self._next,
            "largest": self._largest,
            "priorities": priorities,
            "open": [[step.state.tolist(), step.action, float(step.reward)] for step in self._open],
            **filled,
        }

    def load_state_dict(self, state: Mapping[str, Any], what: str) -> None:
        """Go on from `state_dict()`; AgentError if it is not one of a buffer of this capacity."""
        size, following = count(state, "size", what), count(state, "next", what)
        expected = range(self.capacity) if size == self.capacity else (size,)
        if size > self.capacity or following not in expected:
            raise AgentError(f"{what}: {size} transitions, next {following}, in a buffer of {self.capacity}")
        loaded = []
        columns: dict[str, NDArray[Any]] = self.columns._asdict()
        for name, column in columns.items():
            shape = (size, *column.shape[1:])
            loaded.append(checkpoint.tensor(state.get(name), shape, column.dtype, f"{what}: {name}"))
        if size and not 0 <= loaded[1].min() <= loaded[1].max() < len(Action):
            raise AgentError(f"{what}: an action that does not exist")
        waiting = [_read_step(step, f"{what}: open") for step in _list(state.get("open"), self._n_step - 1, what)]
        tree, largest = self._read_priorities(state, size, what)
        for column, values in zip(columns.values(), loaded, strict=True):
            column[:size] = values
        self.size, self._next, self._open = size, following, waiting
        self._tree, self._largest = tree, largest

    def _read_priorities(self, state: Mapping[str, Any], size: int, what: str) -> tuple[NDArray[np.float64], float]:
        tree, largest = np.zeros_like(self._tree), state.get("largest")
        rows = size if self._priority else 0
        values = checkpoint.tensor(state.get("priorities"), (rows,), np.float64, f"{what}: priorities")
        if not isinstance(largest, float) or not 1.0 <= largest < math.inf or (rows and float(values.min()) <= 0):
            raise AgentError(f"{what}: priorities that cannot be")
        if rows:
            sum_tree.replace(tree, np.arange(rows), values)
        return tree, largest


def _list(given: object, longest: int, what: str) -> list[object]:
    if not isinstance(given, list) or len(given) > longest:
        raise AgentError(f"{what}: open: more than {longest} steps, or no list")
    return given


def _read_step(given: object, what: str) -> Transition:
    """A step that waits for others, of which only the start and the reward count."""
    match given:
        case [list(numbers), int(action), float(reward)] if len(numbers) == STATE_DIM and 0 <= action < len(Action):
            if all(isinstance(number, float) and math.isfinite(number) for number in (*numbers, reward)):
                state = np.array(numbers, np.float32)
                return Transition(state, action, reward, state, terminated=False, truncated=False)
    raise AgentError(f"{what}: not a step")
