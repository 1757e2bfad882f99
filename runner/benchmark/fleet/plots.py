"""The pictures of a report about fleets: what each replay brings, and cost against success."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from runner.benchmark.fleet.report import above_after
from runner.benchmark.fleet.rows import FleetRow
from runner.benchmark.players import LLM
from runner.benchmark.plots import cost_against_success, legend, new_figure
from runner.benchmark.report import Document
from runner.training.curves import save


def draw_fleet(folder: Path, report: Document, rows: Sequence[FleetRow]) -> None:
    """Write `nodes_by_replay.png` and `cost_against_success.png`.

    Raises:
        OutputError: One cannot be written.
    """
    facts = report["facts"]
    title = f"{facts['provider']} {facts['model']}"
    counted = [row for row in rows if row.counts]
    save(nodes_by_replay(report, counted, title), folder / "nodes_by_replay.png")
    save(cost_against_success([row for row in counted if row.agent == LLM], title), folder / "cost_against_success.png")


def nodes_by_replay(report: Document, rows: Sequence[FleetRow], title: str) -> Figure:
    """Lines of nodes above the best known after each replay, one an agent; those that need one replay are dashed."""
    figure, axes = new_figure(f"{title}: nodes above the best known, by replay")
    most = report["facts"]["max_steps"]
    for name in report["agents"]:
        own = [row for row in rows if row.agent == name]
        if own:
            is_rule = name != LLM and all(len(row.steps) == 1 for row in own)
            label = title.replace("$", r"\$") if name == LLM else name
            heights = [100 * above for above in above_after(own, most)]
            axes.plot(range(1, most + 1), heights, "--" if is_rule else "o-", label=label, alpha=0.8)
    axes.set_xlabel("replays")
    axes.set_ylabel("nodes above the best known (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure)
    return figure
