"""The pictures of a report: success by type of problem, steps against the optimum, cost against success."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runner.benchmark.players import LLM
from runner.benchmark.report import Document
from runner.benchmark.rows import AttemptRow, Row
from runner.training.curves import save

_NOT_SHOWN = ("noop", "random")  # beside the others they say little of each type


def draw(folder: Path, report: Document, rows: Sequence[Row]) -> None:
    """Write `success_by_type.png`, `steps_against_optimum.png` and `cost_against_success.png`.

    Raises:
        OutputError: One cannot be written.
    """
    facts = report["facts"]
    title = f"{facts['provider']} {facts['model']}"
    model = [row for row in rows if row.agent == LLM and row.counts]
    save(success_by_type(report, title), folder / "success_by_type.png")
    save(steps_against_optimum(model, title), folder / "steps_against_optimum.png")
    save(cost_against_success(model, title), folder / "cost_against_success.png")


def success_by_type(report: Document, title: str) -> Figure:
    """Bars of pass@1 with their intervals, one group a type of problem."""
    figure, axes = new_figure(f"{title}: solved attempts by type of problem")
    agents = {name: agent for name, agent in report["agents"].items() if name not in _NOT_SHOWN}
    types = list(dict.fromkeys(name for agent in agents.values() for name in agent["by_type"]))
    width = 0.8 / max(1, len(agents))
    for number, (name, agent) in enumerate(agents.items()):
        found = [(at, agent["by_type"][kind]["pass_at_1"]) for at, kind in enumerate(types) if kind in agent["by_type"]]
        known = [(at + (number + 0.5) * width - 0.4, each) for at, each in found if each]
        heights = [100 * each["value"] for _, each in known]
        label = title.replace("$", r"\$") if name == LLM else name
        axes.bar([at for at, _ in known], heights, width, label=label, yerr=_reach(known), ecolor="0.3", capsize=2)
    axes.set_xticks(range(len(types)), types)
    axes.set_ylabel("solved (%)")
    axes.set_ylim(0, 105)
    legend(figure)
    return figure


def steps_against_optimum(rows: Sequence[Row], title: str) -> Figure:
    """Steps of each attempt over the fewest possible; attempts that failed end at the step limit."""
    figure, axes = new_figure(f"{title}: steps against the optimum")
    for solved, marker, colour, label in ((True, "o", "tab:blue", "solved"), (False, "x", "tab:red", "failed")):
        shown = [row for row in rows if row.solved is solved]
        x = [row.optimum_steps + _aside(row) for row in shown]
        axes.plot(x, [len(row.steps) for row in shown], marker, color=colour, alpha=0.5, label=label)
    most = max([row.max_steps for row in rows], default=1)
    axes.plot([1, most], [1, most], color="0.4", linestyle="--", linewidth=1, label="the optimum")
    axes.set_xlabel("fewest steps possible")
    axes.set_ylabel("steps")
    legend(figure)
    return figure


def cost_against_success(rows: Sequence[AttemptRow], title: str) -> Figure:
    """One point a scenario: what an attempt costs, and how many solve it. In tokens where no price is known."""
    figure, axes = new_figure(f"{title}: cost against success, a point is a scenario")
    priced = bool(rows) and all(row.cost and row.cost.dollars is not None for row in rows)
    for kind in dict.fromkeys(row.problem_type for row in rows):
        names = list(dict.fromkeys(row.scenario for row in rows if row.problem_type == kind))
        groups = [[row for row in rows if row.scenario == name] for name in names]
        x = [sum(_spent(row, priced) for row in group) / len(group) for group in groups]
        y = [100 * sum(row.solved for row in group) / len(group) for group in groups]
        axes.plot(x, y, "o", alpha=0.6, label=kind)
    axes.set_xlabel("dollars an attempt" if priced else "tokens an attempt (no price is known)")
    axes.set_ylabel("solved (%)")
    axes.set_ylim(-5, 105)
    legend(figure)
    return figure


def new_figure(title: str) -> tuple[Figure, Axes]:
    """An empty picture with a title, which providers' names may be part of."""
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, parse_math=False)
    axes.grid(alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def legend(figure: Figure) -> None:
    """What is what, below the picture, so that it hides nothing."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=7, frameon=False)


def _reach(known: Sequence[tuple[float, Any]]) -> list[list[float]]:
    """How far intervals reach below and above their values, in percent."""
    ends = [(each["value"], each["low"], each["high"]) for _, each in known]
    below = [0.0 if low is None else 100 * max(0.0, value - low) for value, low, _ in ends]
    above = [0.0 if high is None else 100 * max(0.0, high - value) for value, _, high in ends]
    return [below, above]


def _aside(row: Row) -> float:
    """Moves the attempts at one scenario apart."""
    return 0.4 * ((row.attempt - 0.5) / row.attempts - 0.5)


def _spent(row: AttemptRow, priced: bool) -> float:
    if row.cost is None:
        return 0.0
    return float(row.cost.dollars or 0.0) if priced else float(row.cost.tokens_in + row.cost.tokens_out)
