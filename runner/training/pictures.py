"""The pictures of a training: its learning curve, its Q-values and its actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from env.actions import Action
from runner.training.curves import Series, learning_curve, save
from runner.training.metrics import Metrics

SMOOTHING = 10
"""Snapshots that a share of actions is taken over."""
_COLOURS = [colormaps["tab10"](number) for number in range(len(Action))]


def draw(
    folder: Path,
    title: str,
    history: Sequence[Mapping[str, Any]],
    metrics: Metrics,
    optimum: Sequence[float] | None,
) -> None:
    """Write learning_curve.png, actions.png and, for an agent that has them, q_values.png.

    Raises:
        AgentError: a file cannot be written.
    """
    learning_curve(
        history,
        folder / "learning_curve.png",
        title=title,
        evaluations=metrics.evaluations,
        baselines=metrics.baselines,
    )
    actions(metrics.snapshots, folder / "actions.png", title=title, optimum=optimum)
    valued = [row for row in metrics.snapshots if "q_max" in row]
    if valued:
        q_values(valued, folder / "q_values.png", title=title)


def q_values(snapshots: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw the largest Q-value and that of each action over the episodes; means over the probes, not smoothed.

    Args:
        snapshots: Rows with episode, q_max and q_actions.
        path: The PNG to write.
        title: Which training it is.
    """
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    figure.suptitle(f"{title}: Q-values, means over first states of the validation problems, not smoothed")
    axes = figure.subplots()
    episodes = [row["episode"] for row in snapshots]
    values = np.array([row["q_actions"] for row in snapshots], dtype=np.float64)
    axes.plot(episodes, [row["q_max"] for row in snapshots], color="black", linewidth=2.5, label="largest of the seven")
    for action, colour in zip(Action, _COLOURS, strict=True):
        axes.plot(episodes, values[:, action], color=colour, linewidth=1.5, label=_name(action))
    axes.set_xlabel("training episode")
    axes.set_ylabel("Q-value (expected discounted return)")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center")
    save(figure, path)


def actions(snapshots: Sequence[Mapping[str, Any]], path: Path, *, title: str, optimum: Sequence[float] | None) -> None:
    """Draw which share of the steps each action has, over the episodes, and beside it in the shortest solutions.

    Args:
        snapshots: Rows with episode and actions, counts since the last row.
        path: The PNG to write.
        title: Which training it is.
        optimum: Share of each action in the shortest solutions; None if they are not known.
    """
    figure = Figure(figsize=(9, 5), dpi=100, layout="constrained")
    window = SMOOTHING * (snapshots[0]["episode"] if snapshots else 0)
    figure.suptitle(f"{title}: actions taken in training, shares over {window} episodes")
    axes, beside = figure.subplots(1, 2, width_ratios=(12, 1), sharey=True)
    episodes, shares = action_shares(snapshots)
    areas = axes.stackplot(
        episodes, 100 * shares.T, labels=[_name(action) for action in Action], colors=_COLOURS, alpha=0.85
    )
    if optimum is not None:
        _optimum(axes, beside, 100 * np.array(optimum))
    else:
        beside.set_visible(False)
    axes.set_xlabel("training episode, exploration included")
    axes.set_ylabel("share of the steps (%)")
    axes.set_ylim(0, 100)
    axes.margins(x=0)
    figure.legend(handles=areas[::-1], loc="outside right center")  # in the order of the areas, from the top
    save(figure, path)


def action_shares(snapshots: Sequence[Mapping[str, Any]]) -> tuple[Series, Series]:
    """Episodes, and at each the shares of the actions (n, 7) over it and the snapshots before it, `SMOOTHING` in all.

    Snapshots with no step in that window are left out.
    """
    counts = np.array([row["actions"] for row in snapshots], dtype=np.float64).reshape(-1, len(Action))
    sums = np.concatenate((np.zeros((1, len(Action))), counts.cumsum(axis=0)))
    ends = np.arange(1, len(counts) + 1)
    window = sums[ends] - sums[np.maximum(0, ends - SMOOTHING)]
    total = window.sum(axis=1)
    episodes = np.array([row["episode"] for row in snapshots], dtype=np.float64)
    return episodes[total > 0], window[total > 0] / total[total > 0, None]


def _optimum(axes: Axes, beside: Axes, percent: Series) -> None:
    """A column of the optimum's shares beside the areas, and lines at its bounds through them."""
    bounds = np.concatenate(([0.0], percent.cumsum()))
    for low, share, colour in zip(bounds, percent, _COLOURS, strict=False):
        beside.bar(0, share, bottom=low, color=colour, alpha=0.85, width=1.0)
    for bound in bounds[1:-1]:
        axes.axhline(bound, color="black", linestyle="--", linewidth=0.8, alpha=0.7)
        beside.axhline(bound, color="black", linestyle="--", linewidth=0.8, alpha=0.7)
    beside.set_xlim(-0.5, 0.5)
    beside.set_xticks([0], ["optimum (- -)"])
    beside.tick_params(axis="y", length=0)


def _name(action: Action) -> str:
    return action.name.lower()
