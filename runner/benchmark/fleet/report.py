"""What is reported of attempts at fleets: nodes, and by how much they are above what is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.benchmark.fleet.players import FLEET_PLAYERS, MODEL
from runner.benchmark.fleet.rows import FleetRow
from runner.benchmark.fleet.scenarios import TYPES
from runner.benchmark.metrics import OF_ANSWERS, SOLVED, Metric
from runner.benchmark.report import Document, Reported


def _mean_of(value: Callable[[FleetRow], float]) -> Metric:
    """Gives the mean over the attempts at a scenario."""

    def mean(rows: Sequence[FleetRow]) -> float:
        return sum(map(value, rows)) / len(rows)

    return Metric(mean)


METRICS: Mapping[str, Metric] = {
    "nodes": _mean_of(lambda row: row.nodes),
    "above_best_known": _mean_of(lambda row: row.nodes / row.best_known - 1),
    "above_bound": _mean_of(lambda row: row.nodes / row.bound - 1),
    **SOLVED,
    **OF_ANSWERS,
}


def _scenario(row: FleetRow, attempts: Sequence[FleetRow]) -> Document:
    return {
        "services": row.services,
        "bound": row.bound,
        "best_known": row.best_known,
        "nodes": sum(each.nodes for each in attempts) / len(attempts) if attempts else None,
    }


def above_after(rows: Sequence[Any], replays: int) -> list[float]:
    """By which share the nodes after 1, 2, … replays are above the best known, in the mean over scenarios of the means
    over attempts.

    Args:
        rows: Of one agent, that count; at least one.
        replays: How many an attempt has at most. One that ended before stays as it was.
    """
    scenarios = [[row for row in rows if row.scenario == name] for name in dict.fromkeys(row.scenario for row in rows)]

    def above(some: Sequence[FleetRow], after: int) -> float:
        return sum(row.nodes_after(after) / row.best_known - 1 for row in some) / len(some)

    return [sum(above(some, after) for some in scenarios) / len(scenarios) for after in range(1, replays + 1)]


FLEET = Reported(
    types=TYPES,
    place=lambda row: row.services,
    players=(*FLEET_PLAYERS, MODEL),
    facts={"env": "fleet"},
    scenario=_scenario,
    metrics=METRICS,
    of_type=("above_best_known", "pass_at_1"),
)
