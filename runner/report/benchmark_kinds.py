"""What a benchmark's page shows of each environment's scenarios: its metrics, bars, charts, columns and verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.benchmark.fleet.report import above_after
from runner.benchmark.players import LLM
from runner.benchmark.report import Document
from runner.evaluation.intervals import Estimate
from runner.report.bars import PERCENT, shown_estimate
from runner.report.page import Chart, Column, Line


@dataclass(frozen=True)
class BenchmarkKind:
    """What is shown of one environment.

    Attributes:
        metrics: Of each agent: a label, and what the value is multiplied by, PERCENT for shares.
        bars: By type of problem: metric, title, unit, and what the value is multiplied by.
        scenarios: Columns of the table of scenarios, by the names in the document; its SHA-256 comes last.
        verdict: What the model's attempts did, and what follows after how many these were; given its metrics.
        charts: Further ones; given the document and the rows.
    """

    metrics: Mapping[str, tuple[str, float]]
    bars: Sequence[tuple[str, str, str, float]]
    scenarios: Mapping[str, Column]
    verdict: Callable[[Document], tuple[str, str]]
    charts: Callable[[Document, Sequence[Any]], Sequence[Chart]]


def estimate(found: Mapping[str, Any] | None) -> Estimate | None:
    """A figure of the document, or None."""
    return None if found is None else Estimate(found["value"], found["low"], found["high"])


def _percent(found: Estimate | None) -> str:
    return "" if found is None else f"{shown_estimate(found, PERCENT)}\u202f%"


def _solves(metrics: Document) -> tuple[str, str]:
    steps = estimate(metrics["steps_over_optimum"])
    ratio = f", in {steps.value:.2f} times the fewest steps possible" if steps else ""
    return f"solves {_percent(estimate(metrics['pass_at_1']))}", ratio


def _packs(metrics: Document) -> tuple[str, str]:
    few = _percent(estimate(metrics["pass_at_1"]))
    above = _percent(estimate(metrics["above_best_known"]))
    return f"needs as few nodes as the best known in {few}", f", in the mean {above} more"


def _by_replay(document: Document, rows: Sequence[Any]) -> Sequence[Chart]:
    """Nodes above the best known after each replay, a line an agent; dashed: those that need one replay."""
    facts = document["facts"]
    most, lines, said = facts["max_steps"], list[Line](), list[str]()
    for agent in document["agents"]:
        own = [row for row in rows if row.agent == agent and row.counts]
        if not own:
            continue
        name = f"{facts['provider']} {facts['model']}" if agent == LLM else agent
        above = [PERCENT * each for each in above_after(own, most)]
        is_rule = agent != LLM and all(len(row.steps) == 1 for row in own)
        lines.append(Line(name, [*range(1, most + 1)], above, style="dashed" if is_rule else "line"))
        said.append(f"{name} {above[-1]:.1f}\u202f%")
    summary = f"Above the best known after {most} replays: {', '.join(said)}."
    title = "Nodes above the best known, by replay"
    return [Chart(title, "replays", "above the best known (%)", lines, summary, whole_x=True)]


KINDS: Mapping[str, BenchmarkKind] = {
    "cluster": BenchmarkKind(
        metrics={
            "pass_at_1": ("solved (pass@1)", PERCENT),
            "pass_at_k": ("once in all attempts", PERCENT),
            "pass_all_k": ("in all attempts", PERCENT),
            "steps_over_optimum": ("× the fewest steps", 1.0),
            "over_allocation": ("over-allocation", PERCENT),
            "mean_return": ("return", 1.0),
            "invalid_rate": ("invalid actions", PERCENT),
            "blocked_rate": ("blocked actions", PERCENT),
        },
        bars=(
            ("pass_at_1", "Solved by type of problem", "%", PERCENT),
            ("steps_over_optimum", "Steps over optimum by type of problem", "× the fewest steps", 1.0),
        ),
        scenarios={
            "name": Column("scenario", "code"),
            "type": Column("type"),
            "difficulty": Column("difficulty"),
            "least_actions": Column("fewest actions", "number"),
            "attempts": Column("attempts", "number"),
            "solved": Column("solved", "number"),
            "mean_steps": Column("mean steps", "number"),
        },
        verdict=_solves,
        charts=lambda document, rows: (),
    ),
    "fleet": BenchmarkKind(
        metrics={
            "nodes": ("nodes", 1.0),
            "above_best_known": ("above the best known", PERCENT),
            "above_bound": ("above the bound", PERCENT),
            "pass_at_1": ("as few nodes (pass@1)", PERCENT),
            "pass_all_k": ("as few in all attempts", PERCENT),
            "invalid_rate": ("invalid answers", PERCENT),
            "blocked_rate": ("blocked answers", PERCENT),
        },
        bars=(("above_best_known", "Nodes above the best known, by type of problem", "%", PERCENT),),
        scenarios={
            "name": Column("scenario", "code"),
            "type": Column("type"),
            "services": Column("services", "number"),
            "bound": Column("bound", "number", "No replicas need fewer nodes"),
            "best_known": Column("best known", "number", "Nodes, by annealing, rules and the planner"),
            "attempts": Column("attempts", "number"),
            "nodes": Column("nodes", "number", "Mean over the model's attempts"),
            "solved": Column("as few", "number", "Attempts that need no more than the best known"),
        },
        verdict=_packs,
        charts=_by_replay,
    ),
}
