"""A federation's curves: from a record's rounds to the lines of charts, thinned so that a page stays small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.report.record import Record

POINTS = 60
"""Of a line; each is a mean over rounds, which also shows a trend through the noise of single episodes."""
MEMBERS_DRAWN = 12
"""Members with a line of their own; of more, the spread is drawn."""
Z = 1.959963984540054  # the standard normal's quantile for 95 %

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean returns over the rounds.

    Attributes:
        rounds: (points,) the mean round of each point.
        mean: (points,) over the members, of each one's mean over the point's rounds.
        low, high: (points,) ends of the mean's 95 % interval over members; not a number with fewer than two.
        members: (points, members) each member's own.
        early: whether most is learnt in the first tenth, so that the axis is better logarithmic.
    """

    rounds: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers
    members: Numbers
    early: bool


def learning(record: Record) -> Curve | None:
    """The curve of a record, None if no round has a return."""
    rewards = record.rewards().astype(np.float64)
    if np.isnan(rewards).all():
        return None
    numbers = np.array([round_.number for round_ in record.averaged], np.float64)
    spaced = _curve(numbers, rewards, bins(numbers, log=True))
    if len(numbers) >= 20 and _learns_early(spaced.rounds, spaced.mean):
        return Curve(**{**vars(spaced), "early": True})
    return _curve(numbers, rewards, bins(numbers, log=False))


def bins(numbers: Numbers, *, log: bool) -> NDArray[np.int64]:
    """Where the points begin, as places in the list of rounds."""
    if len(numbers) <= POINTS:
        return np.arange(len(numbers))
    ends = np.geomspace(numbers[0], numbers[-1], POINTS) if log else np.linspace(numbers[0], numbers[-1], POINTS)
    return np.unique(np.searchsorted(numbers, ends))


def _curve(numbers: Numbers, rewards: Numbers, starts: NDArray[np.int64]) -> Curve:
    members = binned(rewards, starts)
    amount = (~np.isnan(members)).sum(axis=1)
    mean = _nanmean(members)
    spread = np.sqrt(_nanmean((members - mean[:, None]) ** 2) * amount / np.maximum(amount - 1, 1))
    reach = np.where(amount > 1, Z * spread / np.sqrt(np.maximum(amount, 1)), np.nan)
    return Curve(binned(numbers[:, None], starts)[:, 0], mean, mean - reach, mean + reach, members, early=False)


def binned(values: Numbers, starts: NDArray[np.int64]) -> Numbers:
    """Means of the rows from each start to the next one, column by column; what is not a number is left out."""
    known = ~np.isnan(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts, axis=0)
    counts = np.add.reduceat(known.astype(np.int64), starts, axis=0)
    means: Numbers = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def _nanmean(values: Numbers) -> Numbers:
    means: Numbers = binned(values.T, np.zeros(1, np.int64))[0]
    return means


def _learns_early(rounds: Numbers, mean: Numbers) -> bool:
    """Whether nine tenths of what is gained, from the first point to the best, are gained in the first tenth."""
    known = ~np.isnan(mean)
    rounds, mean = rounds[known], mean[known]
    gained = mean.max() - mean[0]
    reached = rounds[np.argmax(mean >= mean[0] + 0.9 * gained)]
    return bool(gained > 0 and reached <= 0.1 * rounds[-1])


def spread(curve: Curve) -> list[tuple[str, Numbers]]:
    """Lines for the members: each one's own, or of many the tenth, the middle and the ninetieth percent."""
    if curve.members.shape[1] <= MEMBERS_DRAWN:
        return [(f"member {member}", curve.members[:, member]) for member in range(curve.members.shape[1])]
    filled = [row[~np.isnan(row)] for row in curve.members]
    shares = (("lowest tenth of members below", 10), ("median of members", 50), ("highest tenth of members above", 90))
    return [
        (name, np.array([np.percentile(row, share) if row.size else math.nan for row in filled]))
        for name, share in shares
    ]


def tenths(values: Sequence[float]) -> tuple[float, float] | None:
    """The means of the first and of the last tenth; None of nothing."""
    if not values:
        return None
    number = max(1, len(values) // 10)
    return sum(values[:number]) / number, sum(values[-number:]) / number
