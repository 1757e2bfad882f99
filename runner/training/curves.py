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
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from agents.saved.files import write_atomic
from env.words import count

Series = npt.NDArray[np.float64]

MOST_DOTS = 1_000
"""Single episodes that a panel shows; of more, some, as dense on its axis everywhere."""
ROUNDS_MEANT = 10
"""Rounds that a line of a federation's curve is the mean of."""
LOG_FROM = 300
"""Episodes, epochs or rounds from which their axis is logarithmic: most is learned in the first of them."""
_DECADES = 1000
"""How many times the first number of such an axis its last one is."""
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
        points = evaluations if evaluated is not None else ()
        _panel(axes, episodes, _column(history, name) * scale, label, window, dots=dots, others=len(points))
        if evaluated is not None:
            _evaluated(axes, evaluations, evaluated, scale)
            _baselines(axes, baselines, evaluated, scale)
        units_axis(axes, episodes, f"training {unit}")
    for axes in panels[0]:
        axes.set_xlabel("")
    panels[1][0].set_ylim(-3, 103)
    _legend(figure, panels[0][0])
    save(figure, path)


def centred_mean(values: Series, window: int) -> Series:
    """Mean of each value and as many before as after it, `window` in all, so that a curve does not lag behind.

    At both ends the window is shorter. Values that are not a number are left out.
    """
    known = ~np.isnan(values)
    sums = np.concatenate(([0.0], np.cumsum(np.where(known, values, 0.0))))
    counts = np.concatenate(([0], np.cumsum(known)))
    places = np.arange(len(values))
    half = np.minimum(window // 2, np.minimum(places, len(values) - 1 - places))
    starts, ends = places - half, places + half + 1
    amount = counts[ends] - counts[starts]
    means: Series = np.where(amount > 0, (sums[ends] - sums[starts]) / np.maximum(amount, 1), np.nan)
    return means


def units_axis(axes: Axes, numbers: Sequence[float] | Series, label: str) -> None:
    """Whole numbers along an axis of episodes, epochs or rounds; logarithmic from `LOG_FROM` of them on."""
    last = max(numbers, default=0)
    if last >= LOG_FROM:
        axes.set_xscale("log")
        axes.set_xlim(max(1.0, min(numbers), last / _DECADES), last)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        label = f"{label} (log scale)"
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel(label)


def say_empty(axes: Axes, why: str) -> None:
    """Write into a panel without a curve why there is none."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color="0.4")


def _column(history: Sequence[Mapping[str, Any]], name: str) -> Series:
    values = [summary.get(name) for summary in history]
    return np.array([np.nan if value is None else float(value) for value in values])


def _panel(axes: Axes, x: Series, y: Series, label: str, window: int, *, dots: str | None, others: int = 0) -> None:
    """Dots and their mean; `others`: how many points of something else come into the panel."""
    if dots is not None:
        shown = _spread(len(x))
        axes.plot(x[shown], y[shown], ".", color="tab:blue", alpha=0.25, markersize=3, label=dots)
    axes.plot(x, centred_mean(y, window), color="tab:blue", linewidth=2, label="mean in training")
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    if not others and np.isnan(y).all():
        say_empty(axes, "nothing was measured")


def _spread(number: int) -> npt.NDArray[np.int64]:
    """Indices of at most `MOST_DOTS` of so many units; where the axis is logarithmic, dense at its beginning."""
    if number <= MOST_DOTS:
        return np.arange(number)
    return np.unique(np.geomspace(1, number, MOST_DOTS).astype(np.int64)) - 1


def _evaluated(axes: Axes, evaluations: Sequence[Mapping[str, Any]], name: str, scale: float) -> None:
    """Points of evaluations."""
    if evaluations:
        label = f"greedy, {evaluations[-1]['n']} validation problems"
        x, y = _column(evaluations, "episode"), _column(evaluations, name) * scale
        axes.plot(x, y, "o-", color="tab:orange", linewidth=1.5, markersize=4, label=label)


def _baselines(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str, scale: float) -> None:
    """Lines of others on the same problems."""
    gap = _DASH * (len(rows) - 1)  # dashes of equal lines stand side by side, so that all are seen
    for number, (row, colour) in enumerate(zip(rows, _COLOURS, strict=False)):
        label = f"{row['agent']}, on the same problems"
        dashes = (-_DASH * number, (_DASH, gap)) if gap else "--"
        axes.axhline(row[name] * scale, color=colour, linestyle=dashes, linewidth=1.6, label=label)


def _legend(figure: Figure, axes: Axes) -> None:
    """The legend of one panel below all; dashes keep their gaps short, so that each is seen in it."""
    legend = figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    for line in legend.get_lines():
        if line.is_dashed():
            line.set_linestyle("--")


def federation_curve(
    rounds: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    model: Mapping[str, Any] | None = None,
    baselines: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Draw a federation's mean return and solved share over its rounds, with means over `ROUNDS_MEANT` rounds.

    Args:
        rounds: For each round its number, the participants' mean return, and how many episodes they ran and solved
            (round, reward, episodes, solved).
        path: The PNG to write.
        title: Which federation it is.
        model: What the last global model makes of problems that it was not trained on (n, mean_return, solved_rate).
        baselines: What others make of the same problems (agent besides), drawn as lines.

    Raises:
        AgentError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 4.3), dpi=120, layout="constrained")
    figure.suptitle(f"{title}: {count(len(rounds), 'round')}, blue lines are means of {ROUNDS_MEANT}")
    left, right = figure.subplots(1, 2, sharex=True)
    numbers = _column(rounds, "round")
    solved = 100.0 * _column(rounds, "solved") / np.maximum(_column(rounds, "episodes"), 1.0)
    for axes, values, label, name, scale in (
        (left, _column(rounds, "reward"), "mean return of an episode", "mean_return", 1.0),
        (right, solved, "solved (%)", "solved_rate", 100.0),
    ):
        _panel(axes, numbers, values, label, ROUNDS_MEANT, dots="one round, all members")
        if model is not None and len(numbers):
            label = f"the last model, greedy, {model['n']} unseen problems"
            axes.plot(numbers[-1:], [model[name] * scale], "o", color="tab:orange", markersize=7, label=label)
        _baselines(axes, baselines, name, scale)
        units_axis(axes, numbers, "round")
    right.set_ylim(-3, 103)
    _legend(figure, left)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a PNG in one piece; AgentError if it cannot be."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())
