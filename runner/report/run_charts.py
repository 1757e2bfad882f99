"""The learning curves of trainings: return, solved share, length of episodes and loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from runner.evaluation.intervals import share
from runner.report.cells import number as digits
from runner.report.page import Chart, Line
from runner.report.run_data import RunData, capitalized, solved_words
from runner.report.windows import is_early, means

_SHOWN = (
    ("reward", "mean_return", "Return", "sum of rewards"),
    ("solved", "solved_rate", "Solved", "%"),
    ("steps", "mean_steps", "Steps of an episode", "steps"),
    ("loss", None, "Loss", "loss"),
)
"""Name in training, name in evaluations, title, unit."""


def charts(runs: Sequence[RunData]) -> Iterator[Chart]:
    """Those that have something to show; all with the same kind of axis."""
    log = any(is_early(run.number, run.measured["reward"]) for run in runs)
    units = " or ".join(sorted({run.unit for run in runs}))
    for name, evaluated, title, unit in _SHOWN:
        lines = _of_one(runs[0], name, evaluated, log) if len(runs) == 1 else _of_several(runs, name, evaluated, log)
        if not lines or (name == "steps" and all(len(set(line.y)) == 1 for line in lines)):  # all are of one length
            continue
        label = capitalized(solved_words(runs)) if name == "solved" else title
        yield Chart(
            label,
            f"training {units}",
            unit,
            [*lines, *_baselines(runs, evaluated, lines)],
            _summary(label, unit, lines),
            log_x=log,
            whole_x=True,
            note=_note(runs, evaluated),
        )


def _of_one(run: RunData, name: str, evaluated: str | None, log: bool) -> list[Line]:
    """In training, and greedily on validation problems."""
    return [
        *_trained(run, name, "training", log, interval=True),
        *_evaluated(run, evaluated, "greedy"),
    ]


def _of_several(runs: Sequence[RunData], name: str, evaluated: str | None, log: bool) -> list[Line]:
    """One line a run: greedy, if all are evaluated."""
    if evaluated and all(run.metrics.evaluations for run in runs):
        return [line for run in runs for line in _evaluated(run, evaluated, run.name)]
    return [line for run in runs for line in _trained(run, name, run.name, log, interval=False)]


def _trained(run: RunData, name: str, label: str, log: bool, *, interval: bool) -> list[Line]:
    found = means(run.number, _scale(name) * run.measured[name], log=log)
    known = ~np.isnan(found.mean)
    if not known.any():
        return []
    most = _scale(name) if name == "solved" else np.inf  # a share's interval ends where shares do
    low, high = (
        each[known].clip(-np.inf if most == np.inf else 0.0, most).tolist() for each in (found.low, found.high)
    )
    x, y = found.x[known].tolist(), found.mean[known].tolist()
    return [Line(label, x, y, low, high) if interval else Line(label, x, y)]


def _evaluated(run: RunData, evaluated: str | None, label: str) -> list[Line]:
    rows = run.metrics.evaluations
    if not rows or evaluated is None:
        return []
    scale = _scale(evaluated)
    low = high = None
    if evaluated == "solved_rate":
        found = [share(round(row["solved_rate"] * row["n"]), int(row["n"])) for row in rows]
        low, high = ([scale * (getattr(each, end) or 0.0) for each in found] for end in ("low", "high"))
    x = [float(row["episode"]) for row in rows]
    return [Line(label, x, [scale * row[evaluated] for row in rows], low, high)]


def _baselines(runs: Sequence[RunData], evaluated: str | None, lines: Sequence[Line]) -> list[Line]:
    """Those that all runs have, with the same result."""
    if evaluated is None:
        return []
    ends = [min(line.x[0] for line in lines), max(line.x[-1] for line in lines)]
    return [
        Line(row["agent"], ends, [_scale(evaluated) * row[evaluated]] * 2, style="dashed")
        for row in runs[0].metrics.baselines
        if all(_has_baseline(run, row["agent"], row[evaluated], evaluated) for run in runs)
    ]


def _has_baseline(run: RunData, agent: str, value: float, evaluated: str) -> bool:
    return any(row["agent"] == agent and row[evaluated] == value for row in run.metrics.baselines)


def _scale(name: str | None) -> float:
    return 100.0 if name in ("solved", "solved_rate") else 1.0


def _summary(label: str, unit: str, lines: Sequence[Line]) -> str:
    """From where to where each line goes."""
    ways = [f"{line.name} from {digits(line.y[0])} to {digits(line.y[-1])}" for line in lines[:8]]
    return f"{label} ({unit}): {'; '.join(ways)}{'; and others' if len(lines) > 8 else ''}."


def _note(runs: Sequence[RunData], evaluated: str | None) -> str:
    alone = "Training: means over windows, exploration included. " if len(runs) == 1 else ""
    if evaluated == "solved_rate":
        return f"{alone}Bands are 95\u202f% intervals. Dashed: others on the same problems."
    bands = "The band is their 95\u202f% interval." if len(runs) == 1 else ""
    return f"{alone}{bands}{' Dashed: others on the same problems.' if evaluated else ''}".strip()
