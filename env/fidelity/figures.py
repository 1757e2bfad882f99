"""How often outcomes agree, over many comparisons: the engine with a cluster, and the cluster with itself.

A cluster draws lots and its components race, so that it decides now this, now that. With one recording only single
draws can be compared; several show what else it may decide, and how well anything could agree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from env.fidelity.agreement import MEASURES, agreement_with_any, compare
from env.fidelity.comparison import OutcomeComparison
from env.fidelity.truth import RecordedOutcome

# Per cent of all outcomes. A real cluster, recorded twice, agrees with itself on 120 of 121: rollouts race.
GOALS: Mapping[str, float] = {"counts": 99.0, "spread": 97.0, "messages": 95.0}
SET_GOALS: Mapping[str, float] = {"counts": 98.0}


@dataclass(frozen=True)
class Tally:
    """Outcomes, and how many of them agree on each of `MEASURES`."""

    n: int
    agreeing: Mapping[str, int]

    def percent(self, measure: str) -> float | None:
        """None for no outcomes at all."""
        return 100 * self.agreeing[measure] / self.n if self.n else None


def single_draws(rows: Iterable[OutcomeComparison]) -> Tally:
    """The engine with each recording: what to expect of one more recording."""
    found = [(len(row.recorded), row.agreeing) for row in rows]
    return Tally(sum(n for n, _ in found), {name: sum(agreeing[name] for _, agreeing in found) for name in MEASURES})


def in_sets(rows: Iterable[OutcomeComparison]) -> Tally:
    """The engine with any recording: whether the cluster has ever decided that."""
    return _tally({name: number > 0 for name, number in row.agreeing.items()} for row in rows)


def cluster_single_draws(rows: Iterable[OutcomeComparison]) -> Tally:
    """Each recording with each other one."""
    pairs = [compare(*pair) for row in rows for pair in combinations(row.recorded, 2)]
    return _tally({name: getattr(each, name) for name in MEASURES} for each in pairs)


def cluster_in_sets(rows: Iterable[OutcomeComparison]) -> Tally:
    """Each recording with any of the others."""
    return _tally(
        agreement_with_any(each, [*row.recorded[:number], *row.recorded[number + 1 :]])
        for row in rows
        if len(row.recorded) > 1
        for number, each in enumerate(row.recorded)
    )


def covered_by_draws(rows: Iterable[OutcomeComparison]) -> Tally:
    """Of each step's distinct recorded outcomes, those that the engine's own draws find."""
    return _tally(agreement_with_any(each, row.draws) for row in rows for each in distinct(row.recorded))


def distinct(outcomes: Sequence[RecordedOutcome]) -> list[RecordedOutcome]:
    """Those that do not agree completely with one before."""
    found: list[RecordedOutcome] = []
    for each in outcomes:
        if not any(compare(other, each).complete for other in found):
            found.append(each)
    return found


def missed_goals(over_all: Tally, goals: Mapping[str, float] = GOALS) -> list[str]:
    """The aspects that stay below their goal; all of them for no outcomes at all."""
    return [name for name, goal in goals.items() if (over_all.percent(name) or 0.0) < goal]


def _tally(each: Iterable[Mapping[str, bool]]) -> Tally:
    rows = list(each)
    return Tally(len(rows), {name: sum(row[name] for row in rows) for name in MEASURES})
