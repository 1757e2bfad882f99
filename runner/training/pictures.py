"""The pictures of a training: its learning curve, its Q-values and its actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from env.words import count
from runner.training.curves import Series, learning_curve, save, say_empty, units_axis
from runner.training.metrics import Metrics
from runner.training.trainee import Trainee

SMOOTHING = 10
"""Snapshots that a share of actions is taken over."""


def draw(folder: Path, title: str, training: Trainee, metrics: Metrics, optimum: Sequence[float] | None) -> None:
    """Write learning_curve.png, actions.png and, for an agent that has them, q_values.png.

    Actions are those taken in training; where those are not recorded, those of the evaluations.

    Raises:
        AgentError: a file cannot be written.
    """
    learning_curve(
        training.history,
        folder / "learning_curve.png",
        title=title,
        unit=training.unit,
        evaluations=metrics.evaluations,
        baselines=metrics.baselines,
    )
    evaluated = [row for row in metrics.evaluations if "actions" in row]
    taken = "taken in evaluations" if evaluated else "taken in training, exploration included"
    actions(
        evaluated or metrics.snapshots,
        folder / "actions.png",
        title=f"{title}: actions {taken}",
        unit=training.unit,
        names=training.actions,
        optimum=optimum,
    )
    valued = [row for row in metrics.snapshots if "q_max" in row]
    if valued:
        q_values(valued, folder / "q_values.png", title=title, unit=training.unit, names=training.actions)


def q_values(
    snapshots: Sequence[Mapping[str, Any]], path: Path, *, title: str, unit: str, names: Sequence[str]
) -> None:
    """Draw the largest Q-value and that of each action over a training; means over the probes, not smoothed.

    Args:
        snapshots: Rows with episode, q_max and q_actions.
        path: The PNG to write.
        title: Which training it is.
        unit: What it is counted in.
        names: Of the actions.
    """
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    figure.suptitle(f"{title}: Q-values, means over first states of the validation problems, not smoothed")
    axes = figure.subplots()
    episodes = [row["episode"] for row in snapshots]
    values = np.array([row["q_actions"] for row in snapshots], dtype=np.float64)
    axes.plot(episodes, [row["q_max"] for row in snapshots], color="black", linewidth=2.5, label="the largest")
    for action, (name, colour) in enumerate(zip(names, _colours(len(names)), strict=True)):
        axes.plot(episodes, values[:, action], color=colour, linewidth=1.5, label=name)
    units_axis(axes, episodes, f"training {unit}")
    axes.set_ylabel("Q-value (expected discounted return)")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    save(figure, path)


def actions(
    snapshots: Sequence[Mapping[str, Any]],
    path: Path,
    *,
    title: str,
    unit: str,
    names: Sequence[str],
    optimum: Sequence[float] | None,
) -> None:
    """Draw which share of the steps each action has, over a training, and beside it in the shortest solutions.

    Args:
        snapshots: Rows with episode and actions, counts since the last row.
        path: The PNG to write.
        title: Which training it is, and which actions.
        unit: What it is counted in.
        names: Of the actions.
        optimum: Share of each action in the shortest solutions; None if they are not known.
    """
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    window = SMOOTHING * (snapshots[0]["episode"] if snapshots else 0)
    figure.suptitle(f"{title}, shares over {count(window, unit)}")
    axes, beside = figure.subplots(1, 2, width_ratios=(12, 1), sharey=True)
    episodes, shares = action_shares(snapshots, len(names))
    colours = _colours(len(names))
    areas = axes.stackplot(episodes, 100 * shares.T, labels=names, colors=colours, alpha=0.85)
    if optimum is not None:
        _optimum(axes, beside, 100 * np.array(optimum), colours)
    else:
        beside.set_visible(False)
    axes.set_ylabel("share of the steps (%)")
    axes.set_ylim(0, 100)
    axes.margins(x=0)
    units_axis(axes, episodes, f"training {unit}")
    if not len(episodes):
        say_empty(axes, "no step was recorded")
    figure.legend(handles=areas[::-1], loc="outside right center")  # in the order of the areas, from the top
    save(figure, path)


def action_shares(snapshots: Sequence[Mapping[str, Any]], number: int) -> tuple[Series, Series]:
    """Episodes, and at each the shares of the actions over it and the snapshots before it, `SMOOTHING` in all.

    Snapshots with no step in that window are left out.

    Args:
        snapshots: Rows with episode and actions.
        number: Of actions.

    Returns:
        (n,) and (n, number).
    """
    counts = np.array([row["actions"] for row in snapshots], dtype=np.float64).reshape(-1, number)
    sums = np.concatenate((np.zeros((1, number)), counts.cumsum(axis=0)))
    ends = np.arange(1, len(counts) + 1)
    window = sums[ends] - sums[np.maximum(0, ends - SMOOTHING)]
    total = window.sum(axis=1)
    episodes = np.array([row["episode"] for row in snapshots], dtype=np.float64)
    return episodes[total > 0], window[total > 0] / total[total > 0, None]


def _optimum(axes: Axes, beside: Axes, percent: Series, colours: Sequence[Any]) -> None:
    """A column of the optimum's shares beside the areas, and lines at its bounds through them."""
    bounds = np.concatenate(([0.0], percent.cumsum()))
    for low, share, colour in zip(bounds, percent, colours, strict=False):
        beside.bar(0, share, bottom=low, color=colour, alpha=0.85, width=1.0)
    for bound in bounds[1:-1]:
        axes.axhline(bound, color="black", linestyle="--", linewidth=0.8, alpha=0.7)
        beside.axhline(bound, color="black", linestyle="--", linewidth=0.8, alpha=0.7)
    beside.set_xlim(-0.5, 0.5)
    beside.set_xticks([0], ["optimum (- -)"])
    beside.tick_params(axis="y", length=0)


def _colours(number: int) -> list[Any]:
    """One for each action."""
    palette = colormaps["tab10" if number <= 10 else "tab20"]
    return [palette(each) for each in range(number)]
