"""The tables of `sim-arena benchmark`: results, and scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.markup import escape

from runner.commands import tables
from runner.commands.fitted import FittedTable
from runner.options.language_model import LLM

_OF_SEVERAL = "pass_all_k"
"""A metric of more than one attempt."""
_COLUMNS = {  # title, metric, digits, scale
    "cluster": (
        ("pass@1 %", "pass_at_1", 1, 100),
        ("pass^{k} %", _OF_SEVERAL, 1, 100),
        ("steps/optimum", "steps_over_optimum", 2, 1),
        ("over-allocation %", "over_allocation", 1, 100),
        ("return", "mean_return", 2, 1),
        ("invalid %", "invalid_rate", 1, 100),
    ),
    "fleet": (
        ("nodes", "nodes", 2, 1),
        ("above best known %", "above_best_known", 1, 100),
        ("above bound %", "above_bound", 1, 100),
        ("as few %", "pass_at_1", 1, 100),
        ("invalid %", "invalid_rate", 1, 100),
    ),
}


def results_table(env: str, document: Mapping[str, Any]) -> FittedTable:
    """The main figures of a report of an environment's scenarios, a row an agent."""
    facts, k = document["facts"], document["facts"]["attempts"]
    columns = [each for each in _COLUMNS[env] if k > 1 or each[1] != _OF_SEVERAL]
    table = FittedTable("agent", "attempts", *(title.format(k=k) for title, *_ in columns))
    for name, agent in document["agents"].items():
        cells = (tables.estimate(agent["metrics"][metric], digits, scale) for _, metric, digits, scale in columns)
        label = f"{facts['provider']} {facts['model']}" if name == LLM else name
        table.add_row(escape(label), str(agent["totals"]["attempts"]), *cells)
    return table


def scenario_table(env: str, facts: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Scenarios of an environment, a row each."""
    names = _SHOWN[env]
    table = FittedTable(*(name.replace("_", " ") for name in names))
    for row in facts:
        table.add_row(*(str(row[name]) for name in names))
    return table


def scenario_facts(env: str, scenario: Any) -> dict[str, Any]:
    """What is said of a scenario of an environment."""
    return {"name": scenario.name, "type": scenario.problem_type, **_FACTS[env](scenario), "sha256": scenario.sha256}


def _of_cluster(scenario: Any) -> dict[str, Any]:
    return {
        "difficulty": scenario.difficulty,
        "least_actions": scenario.least_actions,
        "target": scenario.scenario.target,
        "nodes": scenario.scenario.nodes.count,
        "channel": scenario.channel,
        "twin": scenario.twin,
    }


def _of_fleet(scenario: Any) -> dict[str, Any]:
    return {"services": scenario.services, "bound": scenario.bound, "best_known": scenario.best_known}


_FACTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {"cluster": _of_cluster, "fleet": _of_fleet}
_SHOWN = {
    "cluster": ("name", "type", "difficulty", "least_actions", "target", "nodes"),
    "fleet": ("name", "type", "services", "bound", "best_known"),
}
