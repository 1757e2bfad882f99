"""What an agent does and expects by now: counts of its actions, and its Q-values on fixed states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from agents.agent import Agent, State
from env.errors import AgentError


@runtime_checkable
class Values(Protocol):
    """An agent that can tell the value of each action."""

    def q_values(self, state: State) -> State:
        """Q-value of every action, shape (actions,); valid until the next call."""


class Actions:
    """Counts the actions of step records, first of those that a run has left; AgentError if one is damaged.

    Args:
        number: Of actions.
        records: What a run has left.
    """

    def __init__(self, number: int, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self._counts = [0] * number
        for record in records:
            try:
                self.add(record)
            except (KeyError, IndexError, TypeError) as error:
                raise AgentError(
                    f"step record of episode {record.get('episode')}: damaged, it has no action"
                ) from error

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a step."""
        self._counts[record["action"]["index"]] += 1

    def taken(self) -> list[int]:
        """The counts by action, and begin again."""
        counts, self._counts = self._counts, [0] * len(self._counts)
        return counts


def q_summary(agent: Agent, probes: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Means over the probes, of the largest Q-value and of each action's; empty for an agent without Q-values."""
    if not isinstance(agent, Values) or not len(probes):
        return {}
    values = np.array([agent.q_values(state).copy() for state in probes], dtype=np.float64)
    return {"q_max": float(values.max(axis=1).mean()), "q_actions": [float(mean) for mean in values.mean(axis=0)]}
