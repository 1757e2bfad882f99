"""Rows of `metrics.jsonl` that a training goes on from, besides those of its episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from env.errors import AgentError
from runner.training.json_lines import records

Row = dict[str, Any]
MOST_ACTIONS = 1_000
_LARGEST = 1e300

_NUMBERS = ("n", "solved_rate", "mean_steps", "mean_return")


@dataclass(frozen=True)
class Metrics:
    """Rows by their kind, in the order of the episodes they came after.

    Attributes:
        baselines: What hand-written policies make of the validation problems.
        evaluations: What the agent makes of them.
        snapshots: The actions it took since the last one; its Q-values on fixed states.
    """

    baselines: list[Row] = field(default_factory=list)
    evaluations: list[Row] = field(default_factory=list)
    snapshots: list[Row] = field(default_factory=list)


def read_metrics(path: Path, last_episode: int | None = None) -> Metrics:
    """Those up to an episode, or all; AgentError if one is damaged."""
    metrics = Metrics()
    for row in records(path):
        known = _KINDS.get(str(row.get("kind")))
        if known is None or (last_episode is not None and row["episode"] > last_episode):
            continue
        name, is_whole = known
        if not is_whole(row):
            raise AgentError(f"{path}: damaged {row['kind']} after episode {row['episode']}")
        getattr(metrics, name).append(row)
    return metrics


def _is_score(row: Row) -> bool:
    return all(map(_is_number, map(row.get, _NUMBERS)))


def _is_snapshot(row: Row) -> bool:
    return _is_of_actions(row.get("actions")) and (
        "q_max" not in row or (_is_number(row["q_max"]) and _is_of_actions(row.get("q_actions")))
    )


def _is_of_actions(values: object) -> bool:
    return isinstance(values, list) and 0 < len(values) <= MOST_ACTIONS and all(map(_is_number, values))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and -_LARGEST < value < _LARGEST  # not so for NaN


def _is_baseline(row: Row) -> bool:
    return _is_score(row) and isinstance(row.get("agent"), str)


_KINDS: dict[str, tuple[str, Callable[[Row], bool]]] = {
    "baseline": ("baselines", _is_baseline),
    "evaluation": ("evaluations", _is_score),
    "snapshot": ("snapshots", _is_snapshot),
}
