"""Learning curves as PNG files."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.saved.files import write_atomic
from env.words import count

Series = npt.NDArray[np.float64]

MOST_DOTS = 1_000
"""Single episodes that a panel shows; of more, every so many."""
ROUNDS_MEANT = 10
"""Rounds that a line of a federation's curve is the mean of."""
_COLOURS = ("tab:red", "tab:purple", "tab:olive", "tab:green", "black")
_DASH = 3.0


def learning_curve(
    history: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    title: str = "Training",
    unit: str = "episode",
    evaluations: Sequence[Mapping[str, Any]] = (),
    baselines: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Draw return, steps, solved share and loss over a training, as means over a window, and greedy evaluations.

    Args:
        history: Summaries of a training's units (its number as episode, reward, steps, solved, loss).
        path: The PNG to write.
        title: Which training it is.
        unit: What it is counted in.
        evaluations: Results on fixed problems (episode, n, mean_return, mean_steps, solved_rate).
        baselines: The same of others (agent instead of episode), drawn as lines.

    Raises:
        AgentError: the file cannot be written.
    """
    window = max(20, len(history) // 100) if unit == "episode" else max(1, len(history) // 20)  # an epoch is a mean
    figure = Figure(figsize=(9, 7), dpi=120, layout="constrained")
    figure.suptitle(f"{title}: {count(len(history), unit)}, blue lines are means of {window}")
    panels = figure.subplots(2, 2, sharex=True)
    episodes = _column(history, "episode")
    for axes, (name, evaluated, label, scale) in zip(
        panels.flat,
        (
            ("reward", "mean_return", "return (sum of rewards)", 1.0),
            ("steps", "mean_steps", "steps until the end", 1.0),
            ("solved", "solved_rate", "solved (%)", 100.0),
            ("loss", None, "loss", 1.0),
        ),
        strict=True,
    ):
        dots = f"one {unit}" if name != "solved" else None
        _panel(axes, episodes, _column(history, name) * scale, label, window, dots=dots)
        if evaluated is not None:
            _evaluated(axes, evaluations, baselines, evaluated, scale)
    for axes in panels[1]:
        axes.set_xlabel(f"training {unit}")
    panels[1][0].set_ylim(-3, 103)
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save(figure, path)


def running_mean(values: Series, window: int) -> Series:
    """Mean of each value and up to `window` - 1 before it; those that are not a number are left out."""
    known = ~np.isnan(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(known, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(known)))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    amount = counts[ends] - counts[starts]
    means: Series = np.where(amount > 0, (sums[ends] - sums[starts]) / np.maximum(amount, 1), np.nan)
    return means


def _column(history: Sequence[Mapping[str, Any]], name: str) -> Series:
    values = [summary.get(name) for summary in history]
    return np.array([np.nan if value is None else float(value) for value in values])


def _panel(axes: Axes, x: Series, y: Series, label: str, window: int, *, dots: str | None) -> None:
    if dots is not None:
        shown = slice(None, None, -(-len(x) // MOST_DOTS) or 1)
        axes.plot(x[shown], y[shown], ".", color="tab:blue", alpha=0.25, markersize=3, label=dots)
    axes.plot(x, running_mean(y, window), color="tab:blue", linewidth=2, label="mean in training")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)


def _evaluated(
    axes: Axes,
    evaluations: Sequence[Mapping[str, Any]],
    baselines: Sequence[Mapping[str, Any]],
    name: str,
    scale: float,
) -> None:
    """Points of evaluations and lines of baselines."""
    if evaluations:
        label = f"greedy, {evaluations[-1]['n']} validation problems"
        x, y = _column(evaluations, "episode"), _column(evaluations, name) * scale
        axes.plot(x, y, "o-", color="tab:orange", linewidth=1.5, markersize=4, label=label)
    gap = _DASH * (len(baselines) - 1)  # dashes of equal lines stand side by side, so that all are seen
    for number, (row, colour) in enumerate(zip(baselines, _COLOURS, strict=False)):
        label = f"{row['agent']}, on the same problems"
        dashes = (-_DASH * number, (_DASH, gap)) if gap else "--"
        axes.axhline(row[name] * scale, color=colour, linestyle=dashes, linewidth=1.6, label=label)


def federation_curve(rounds: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw a federation's mean return and solved share over its rounds, with means over `ROUNDS_MEANT` rounds.

    Args:
        rounds: For each round its number, the participants' mean return, and how many episodes they ran and solved
            (round, reward, episodes, solved).
        path: The PNG to write.

    Raises:
        AgentError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    figure.suptitle(f"{title}: {count(len(rounds), 'round')}, lines are means of {ROUNDS_MEANT}")
    left, right = figure.subplots(1, 2, sharex=True)
    numbers = _column(rounds, "round")
    solved = 100.0 * _column(rounds, "solved") / np.maximum(_column(rounds, "episodes"), 1.0)
    _panel(left, numbers, _column(rounds, "reward"), "mean return of the members", ROUNDS_MEANT, dots="one round")
    _panel(right, numbers, solved, "solved episodes (%)", ROUNDS_MEANT, dots=None)
    right.set_ylim(-3, 103)
    for axes in (left, right):
        axes.set_xlabel("round")
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG in one piece; AgentError if it cannot be."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())
