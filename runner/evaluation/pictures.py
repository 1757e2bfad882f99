"""The picture of a comparison: which agent solves which problems, and how often it breaks neighbours."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agents.saved.files import write_atomic
from runner.evaluation.intervals import Estimate
from runner.evaluation.measure import Measures

_WIDTH, _ROW, _AROUND = 11.0, 0.3, 1.6  # inches
_DARK = 0.6  # share of the largest from which a field is so dark that its figure is white


def draw(agents: Mapping[str, Sequence[Measures]], path: Path) -> None:
    """Write a picture of what was measured.

    Args:
        agents: As `runner.evaluation.compare.compare` gives them.
        path: A .png file.

    Raises:
        AgentError: It cannot be written.
    """
    shares = any(row.shared for rows in agents.values() for row in rows)
    figure = Figure(figsize=(_WIDTH, (1 + shares) * (_ROW * len(agents) + _AROUND)), layout="constrained")
    axes = figure.subplots(1 + shares, 1, squeeze=False)[:, 0]
    grid(axes[0], "solved, %", {name: {row.problem: row.solved_rate for row in rows} for name, rows in agents.items()})
    if shares:
        broken = {name: {row.problem: row.broken_rate for row in rows} for name, rows in agents.items()}
        grid(axes[1], "episodes that end with a neighbour broken, %", broken, colours="Reds")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def grid(
    axes: Axes,
    title: str,
    shares: Mapping[str, Mapping[str, Estimate | None]],
    colours: str = "Greens",
    most: float = 100,
) -> None:
    """Draw a field for each agent and problem, in percent; the darkest colour stands for `most`."""
    problems = list(dict.fromkeys(problem for of in shares.values() for problem in of))
    estimates = [[of.get(problem) for problem in problems] for of in shares.values()]
    values = np.array([[np.nan if each is None else 100 * each.value for each in row] for row in estimates])
    axes.imshow(values, cmap=colours, vmin=0, vmax=most, aspect="auto")
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_yticks(range(len(shares)), list(shares), fontsize=8)
    axes.set_xticks(range(len(problems)), problems, rotation=30, ha="right", fontsize=8)
    for (y, x), value in np.ndenumerate(values):
        if not np.isnan(value):
            text = f"{value:.0f}" if value in (0, 100) else f"{value:.1f}"
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color="w" if value >= _DARK * most else "k")
