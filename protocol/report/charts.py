"""What a federation's page draws: returns, solved episodes, pace, and how many members were in."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from protocol.report import curves
from protocol.report.record import Record
from runner.report.cells import duration
from runner.report.page import Chart, Line


def learning(record: Record, baselines: Mapping[str, float] | None = None) -> list[Chart]:
    """Mean returns, and solved episodes where they are counted; none while no round has a return.

    Args:
        baselines: mean returns of others by name, greedy ones.
    """
    curve = curves.learning(record)
    if curve is None:
        return []
    unit = record.federation.training.unit
    x = curve.rounds.tolist()
    lines = [Line(name, x, y.tolist(), style="points" if len(x) == 1 else "thin") for name, y in curves.spread(curve)]
    mean = Line("mean of members", x, curve.mean.tolist(), curve.low.tolist(), curve.high.tolist())
    others = [Line(name, [x[0], x[-1]], [value, value], style="dashed") for name, value in (baselines or {}).items()]
    ends = curves.tenths([value for value in curve.mean.tolist() if not math.isnan(value)])
    assert ends is not None  # noqa: S101 (a curve has a value)
    charts = [
        Chart(
            "Mean return",
            "round",
            f"mean return of an {unit}",
            [mean, *lines, *others],
            f"The mean return goes from {ends[0]:+.2f} in the first tenth to {ends[1]:+.2f} in the last.",
            log_x=curve.early,
            whole_x=True,
            note=f"Of the {unit}s trained in each round, exploration included. The band is a 95\u202f% interval of the "
            "mean over members."
            + (" Dashed lines are greedy, on the problems of the evaluation." if others else "")
            + (f" Each point is a mean over rounds, {len(x)} points." if len(x) < len(record.averaged) else ""),
        )
    ]
    return [*charts, *_solved(record, log_x=curve.early)]


def _solved(record: Record, *, log_x: bool) -> list[Chart]:
    rows = [(round_.number, round_.solved_share) for round_ in record.averaged if round_.solved_share is not None]
    if not rows:
        return []
    numbers, shares = np.array(rows, np.float64).T
    x, y = _means(numbers, 100 * shares, log=log_x)
    ends = curves.tenths(y)
    assert ends is not None  # noqa: S101 (there are rows)
    summary = f"{ends[0]:.0f} % solved in the first tenth of the rounds, {ends[1]:.0f} % in the last."
    line = Line("all members", x, y)
    return [
        Chart(
            "Solved in training",
            "round",
            "episodes solved (%)",
            [line],
            summary,
            log_x=log_x,
            whole_x=True,
            from_zero=True,
        )
    ]


def pace(record: Record) -> list[Chart]:
    """How long rounds took; none of fewer than two."""
    seconds = record.seconds_each()
    known = [(round_.number, each) for round_, each in zip(record.rounds, seconds, strict=True) if each is not None]
    if len(known) < 2:
        return []
    numbers, took = np.array(known, np.float64).T
    x, y = _means(numbers, took)
    summary = f"A round takes {duration(float(np.median(took)))} in the median, {duration(float(took.max()))} at most."
    lines = [Line("seconds", x, y)]
    return [Chart("Pace", "round", "seconds a round", lines, summary, whole_x=True, from_zero=True)]


def averaged(record: Record) -> list[Chart]:
    """How many members each round averaged, beside how many it needs; none if no round has an average."""
    rounds = record.averaged
    if not rounds:
        return []
    members = np.array([round_.participants for round_ in rounds], np.float64)
    x, y = _means(np.array([round_.number for round_ in rounds], np.float64), members)
    federation = record.federation
    least = Line("needed", [x[0], x[-1]], 2 * [float(federation.min_participants)], style="dashed")
    summary = f"Between {members.min():.0f} and {members.max():.0f} of {federation.round_size} members in a round."
    lines = [Line("averaged", x, y), least]
    return [Chart("Members averaged", "round", "members", lines, summary, whole_x=True, from_zero=True)]


def _means(numbers: curves.Numbers, values: curves.Numbers, *, log: bool = False) -> tuple[list[float], list[float]]:
    starts = curves.bins(numbers, log=log)
    x, y = (curves.binned(each[:, None], starts)[:, 0].tolist() for each in (numbers, values))
    return x, y
