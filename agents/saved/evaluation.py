"""The evaluation table in a model's file: how well the agent in it does, beside others on the same problems.

A file may say anything, so rows are read within bounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agents.saved.fields import short
from env.errors import AgentError
from env.printable import one_line

KEY = "evaluation"
MOST_ROWS = 100
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Measured:
    """A mean or a share, and the ends of its 95 % interval where that is known."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class EvaluationRow:
    """One agent on one kind of problems, greedily.

    Attributes:
        agent: Who played; the model itself by the name of its kind.
        problems: On what.
        episodes: How many.
        solved_rate: Share of them that were solved.
        mean_return, mean_steps: Means of all.
    """

    agent: str
    problems: str
    episodes: int
    solved_rate: Measured
    mean_return: Measured
    mean_steps: Measured


def with_evaluation(state: Mapping[str, Any], rows: Sequence[EvaluationRow]) -> dict[str, Any]:
    """An agent's state as a model's file holds it."""
    return {**state, KEY: [asdict(row) for row in rows]} if rows else dict(state)


def evaluation_in(state: Mapping[str, Any], what: str) -> list[EvaluationRow]:
    """The rows in an agent's state; none where it has no table.

    Raises:
        AgentError: It has something else there.
    """
    found = state.get(KEY, [])
    if not isinstance(found, list) or len(found) > MOST_ROWS:
        raise AgentError(f"{what}: {KEY} is {short(found)}, no table of at most {MOST_ROWS} rows")
    return [_row(each, what) for each in found]


def _row(given: object, what: str) -> EvaluationRow:
    row: Mapping[Any, Any] = given if isinstance(given, Mapping) else {}
    match [_measured(row.get(name)) for name in ("solved_rate", "mean_return", "mean_steps")], dict(row):
        case (
            [Measured() as solved, Measured() as reward, Measured() as steps],
            {"agent": str(agent), "problems": str(problems), "episodes": int(episodes)},
        ) if 0 <= episodes < 2**53:
            agent, problems = (one_line(name, _LONGEST_NAME) for name in (agent, problems))
            return EvaluationRow(agent, problems, episodes, solved, reward, steps)
    raise AgentError(f"{what}: {KEY}: {short(given)} is no row")


def _measured(given: object) -> Measured | None:
    match given:
        case {"value": int() | float() as value, "low": low, "high": high}:
            ends = [float(end) if isinstance(end, int | float) else None for end in (low, high)]
            numbers = [float(value), *(end for end in ends if end is not None)]
            return Measured(float(value), *ends) if all(map(math.isfinite, numbers)) else None
    return None
