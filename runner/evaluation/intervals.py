"""95 % confidence intervals, of shares and of what is measured on each episode.

Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927), for shares.
Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979), percentiles, for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 1000
_Z = 1.959963984540054  # the standard normal's quantile of (1 + CONFIDENCE) / 2
_SEED = 0
_AT_ONCE = 1 << 17  # numbers drawn at once, so that a large n takes no more memory


@dataclass(frozen=True)
class Estimate:
    """A value and the ends of its confidence interval; they are None where nothing tells how much it varies."""

    value: float
    low: float | None
    high: float | None


def share(part: int, whole: int) -> Estimate | None:
    """part / whole with Wilson's score interval; None for a share of nothing.

    With p = part / n and z the normal quantile:  (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n).
    It stays within [0, 1] and says something for 0 and n of n too, where p ± z √(p(1 - p)/n) has no width.
    """
    if whole == 0:
        return None
    p, z2 = part / whole, _Z * _Z
    middle = p + z2 / (2 * whole)
    reach = _Z * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole * whole))
    scale = 1 + z2 / whole
    return Estimate(p, max(0.0, min(p, (middle - reach) / scale)), min(1.0, max(p, (middle + reach) / scale)))


def mean(values: Sequence[float]) -> Estimate | None:
    """The mean with its bootstrap interval; None for the mean of nothing."""
    return _bootstrap(values, lambda samples: samples.mean(axis=-1))


def median(values: Sequence[float]) -> Estimate | None:
    """The median with its bootstrap interval; None for the median of nothing."""
    return _bootstrap(values, lambda samples: np.median(samples, axis=-1))


def excess(values: Sequence[float], bases: Sequence[float]) -> Estimate | None:
    """By which share the mean of values is above that of their bases, with its bootstrap interval over the pairs.

    None of nothing, or where the mean of the bases is 0.
    """
    if not values or not any(bases):
        return None
    pairs = np.array([values, bases], np.float64).T
    return _bootstrap(pairs, lambda samples: samples[..., 0].mean(axis=-1) / samples[..., 1].mean(axis=-1) - 1)


def _bootstrap(
    values: Sequence[float] | NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> Estimate | None:
    """The statistic, and the middle 95 % of what it is on as many values drawn from them with replacement.

    Values are numbers, or rows of them. Always the same draws, so that equal values have equal intervals. A single
    value has none.
    """
    if len(values) == 0:
        return None
    given = np.array(values, np.float64)
    if len(values) == 1:
        return Estimate(float(statistic(given)), None, None)
    rng = np.random.default_rng(_SEED)
    at_once = max(1, _AT_ONCE // len(given))
    sizes = [min(at_once, RESAMPLES - done) for done in range(0, RESAMPLES, at_once)]
    found = [statistic(given[rng.integers(len(given), size=(size, len(given)))]) for size in sizes]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(found), (tail, 1 - tail))
    return Estimate(float(statistic(given)), float(low), float(high))
