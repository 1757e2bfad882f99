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

from agents.files import write_atomic

Series = npt.NDArray[np.float64]


def learning_curve(
    history: Sequence[Mapping[str, Any]], path: Path, *, title: str = "Training", window: int = 20
) -> None:
    """Draw return, steps, solved share and loss over the episodes, with means over `window` episodes.

    Args:
        history: Summaries of a training's episodes (episode, reward, steps, solved, loss).
        path: The PNG to write.

    Raises:
        AgentError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 7), dpi=120, layout="constrained")
    figure.suptitle(f"{title}: {len(history)} episodes, lines are means of {window}")
    panels = figure.subplots(2, 2, sharex=True)
    episodes = np.array([summary["episode"] for summary in history], dtype=np.float64)
    for axes, (name, label, scale) in zip(
        panels.flat,
        (
            ("reward", "return", 1.0),
            ("steps", "steps until the end", 1.0),
            ("solved", "solved (%)", 100.0),
            ("loss", "Huber loss", 1.0),
        ),
        strict=True,
    ):
        _panel(axes, episodes, _column(history, name) * scale, label, window, dots=name != "solved")
    for axes in panels[1]:
        axes.set_xlabel("episode")
    panels[1][0].set_ylim(-3, 103)
    _save(figure, path)


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


def _panel(axes: Axes, x: Series, y: Series, label: str, window: int, *, dots: bool) -> None:
    if dots:
        axes.plot(x, y, ".", color="tab:blue", alpha=0.3, markersize=4)
    axes.plot(x, running_mean(y, window), color="tab:blue", linewidth=2)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)


def federation_curve(rounds: Sequence[Mapping[str, Any]], path: Path, *, title: str, window: int = 10) -> None:
    """Draw a federation's mean return and solved share over its rounds, with means over `window` rounds.

    Args:
        rounds: For each round its number, the participants' mean return, and how many there were and solved it
            (round, reward, participants, solved).
        path: The PNG to write.

    Raises:
        AgentError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 4), dpi=120, layout="constrained")
    figure.suptitle(f"{title}: {len(rounds)} rounds, lines are means of {window}")
    left, right = figure.subplots(1, 2, sharex=True)
    numbers = _column(rounds, "round")
    solved = 100.0 * _column(rounds, "solved") / np.maximum(_column(rounds, "participants"), 1.0)
    _panel(left, numbers, _column(rounds, "reward"), "mean return of the members", window, dots=True)
    _panel(right, numbers, solved, "members that solved their episode (%)", window, dots=False)
    right.set_ylim(-3, 103)
    for axes in (left, right):
        axes.set_xlabel("round")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())
