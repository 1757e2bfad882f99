"""Pictures of what the protocol costs, and of who took part in which round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from env.words import count
from infra.bench.protocol.cases import Cost
from infra.bench.protocol.deadline import Stragglers
from infra.bench.protocol.tables import by_barrier
from runner.training.curves import save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"sync-server": "C0", "workers": "C1"}
_WIDTHS = {"sync-server": 4.0, "workers": 1.5}  # where both are equal, both are seen
_Styles = Mapping[str, Literal["-", "--", ":"]]
_REQUESTS: _Styles = {"work": "-", "polls": "--", "renewals": ":"}
_LATENCIES: _Styles = {"median": "-", "95th percentile": "--"}


def draw_costs(costs: Sequence[Cost], path: Path) -> None:
    """Draw requests, dollars and waiting over the number of members, a line for each barrier.

    Raises:
        AgentError: the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import StrMethodFormatter

    figure = Figure(figsize=(13, 4.6), dpi=120, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    sizes = sorted({row.case.members for row in costs})
    for barrier, rows in by_barrier(costs).items():
        look = {"color": COLOURS[barrier], "linewidth": _WIDTHS[barrier]}
        members = [row.case.members for row in rows]
        for kind, style in _REQUESTS.items():
            left.plot(members, [row.own[kind] for row in rows], style, **look)
        middle.plot(members, [row.dollars_per_1000_rounds for row in rows], **look)
        right.plot(members, [row.barrier_ms.median for row in rows], **look)
        right.plot(members, [row.barrier_ms.p95 for row in rows], _LATENCIES["95th percentile"], **look)
    left.set_title("requests of a member in a round")
    middle.set_title("dollars per 1000 rounds, requests, AWS us-east-1")
    right.set_title("last update in → weights at a member, ms")
    middle.set_yscale("log")
    middle.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    legends: tuple[tuple[Axes, _Styles], ...] = ((left, _REQUESTS), (middle, {}), (right, _LATENCIES))
    for axes, styles in legends:
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xlabel("members")
        axes.grid(alpha=0.3)
        if styles:
            lines = [Line2D([], [], color="black", linestyle=style, label=name) for name, style in styles.items()]
            axes.legend(handles=lines, fontsize="small", handlelength=3)
    for axes in (left, right):
        axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    barriers = [
        Line2D([], [], color=COLOURS[name], linewidth=_WIDTHS[name], label=f"rounds are closed by {name}")
        for name in by_barrier(costs)
    ]
    figure.legend(handles=barriers, loc="outside lower center", ncols=2)
    save(figure, path)


def draw_stragglers(run: Stragglers, path: Path) -> None:
    """Draw who was in which round over time, and when the fast members alone would have ended.

    Raises:
        AgentError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), dpi=120, layout="constrained")
    axes = figure.subplots()
    began = (0.0, *run.closed)
    for row, member in enumerate(reversed(run.members)):
        colour = "C0" if member.kind.startswith("fast") else "C1"
        spans = [(began[round_ - 1], began[round_] - began[round_ - 1]) for round_ in member.rounds]
        axes.broken_barh(spans, (row - 0.35, 0.7), facecolors=colour, edgecolors="white", linewidth=0.3)
        if not spans:
            text = f"trained {count(member.episodes, 'episode')}, all too late" if member.episodes else "never"
            axes.text(0.01 * run.seconds, row, text, va="center", fontsize="small", color=colour)
    axes.axvline(run.undisturbed_s, color="grey", linestyle=":", label="the fast five alone are done")
    axes.axvline(run.seconds, color="black", linestyle="--", label="the federation of eight is done")
    axes.set_yticks(range(len(run.members)), [member.kind for member in reversed(run.members)])
    axes.set_xlim(0, 1.02 * max(run.seconds, run.undisturbed_s))
    axes.set_xlabel("seconds")
    plot = run.plot
    axes.set_title(
        f"whose update was averaged: {count(plot.rounds, 'round')} of {plot.work_s:g} s, "
        f"--round-timeout {plot.timeout_s:g}, {run.barrier}",
        fontsize="medium",
    )
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    save(figure, path)
