"""Many single measurements as few points: means over windows, with their intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]

POINTS = 120
"""Of a line, at most."""
_NARROWEST = 200
"""A window has at least one part in so many of the measurements, so that early ones are more than noise."""
_Z = 1.96
_LEARNT, _EARLY = 0.8, 0.15


class Means(NamedTuple):
    """Means over windows; (w,) each.

    Attributes:
        x: The last number in each window.
        mean: NaN where a window has no values.
        low, high: Ends of the mean's 95 % interval, mean ± 1.96 standard errors; NaN for fewer than two values.
    """

    x: Series
    mean: Series
    low: Series
    high: Series


def means(x: Series, y: Series, *, log: bool) -> Means:
    """Means of `y` over windows of equal length, or of equal length on a logarithmic axis.

    Args:
        x: Ascending numbers of the measurements; (n,).
        y: The measurements; (n,), NaN where there is none.
        log: Whether windows grow with x.
    """
    if len(x) == 0:
        return Means(*(np.empty(0),) * 4)
    ends = _ends(len(x), log=log)
    starts = np.concatenate(([0], ends[:-1]))
    known = ~np.isnan(y)
    values = np.where(known, y, 0.0)
    amount, total, squares = (np.add.reduceat(each, starts) for each in (known.astype(float), values, values * values))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(amount > 0, total / amount, np.nan)
        variance = np.maximum(squares - total * mean, 0) / (amount - 1)
        reach = np.where(amount > 1, _Z * np.sqrt(variance / amount), np.nan)
    return Means(x[ends - 1], mean, mean - reach, mean + reach)


def _ends(n: int, *, log: bool) -> npt.NDArray[np.int_]:
    """Where windows of n measurements end, the last at n."""
    narrowest = max(1, n // _NARROWEST)
    ratio = n ** (1 / POINTS) if log else 1.0
    width = narrowest if log else max(1.0, n / POINTS)
    found, at = [], 0.0
    while round(at) < n:
        at = max(at + width, at * ratio)
        if n - at < width / 2:
            at = float(n)
        found.append(round(at))
    return np.array(found)


def is_early(x: Series, y: Series) -> bool:
    """Whether most of the change happens at the very left, so that a logarithmic axis shows more.

    That is: `y` has come most of the way to its last value before `_EARLY` of the axis.
    """
    found = means(x, y, log=True)
    known = ~np.isnan(found.mean)
    if known.sum() < 8:
        return False
    values, places = found.mean[known], found.x[known]
    first, last = values[0], values[-5:].mean()
    if first == last:
        return False
    done = (values - first) / (last - first)
    return bool(places[np.argmax(done >= _LEARNT)] <= _EARLY * places[-1])
