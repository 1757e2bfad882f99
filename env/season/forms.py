"""What each form of rule requests for the next window, given the windows that are over; numba compiles it.

`known` holds the peaks of windows, in steps: as they were, or what a rule puts down for a window in which use was
above the request, of which no more is seen. `now` is the window that comes: the windows before it are over.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from env.season.variants import DAYS_A_WEEK, WINDOWS_A_DAY


class Form(IntEnum):
    """A form of rule, with its parameters in brackets."""

    NOOP = 0
    """Keep the request that the episode starts with."""
    VPA = 1
    """VPA's recommender and updater with their defaults: see `vpa_bounds` and `vpa_moves`."""
    KRR = 2
    """KRR's simple strategy: a margin x a percentile of two weeks; see `KRR_MEMORY` and `KRR_CPU`."""
    PERCENTILE = 3
    """A margin x a percentile of a decaying histogram [percentile, half-life in windows, margin]: VPA's form."""
    MAXIMUM = 4
    """A margin x the peak of the last windows [windows, margin]: KRR's form."""
    DEVIATIONS = 5
    """The mean of the last windows and some standard deviations [windows, deviations]."""
    SEASONAL = 6
    """A margin x the peak of the same window of the last days and weeks, and the last one [days, weeks, margin]."""
    ENSEMBLE = 7
    """What that member of a set of rules wants which would have cost least so far [half-life of costs in windows]:
    the form of Autopilot's recommender by machine learning (Rzadca et al., "Autopilot: workload autoscaling at Google",
    EuroSys 2020, section 3.2.2)."""


class Histogram(NamedTuple):
    """VPA's, for a variant.

    Attributes:
        interval: Windows of which the highest peak is one sample: a day of memory; each window of CPU is one.
        first: The end of the first bucket, in steps; the next ones are 5 % larger each.
        bump: What an OOM adds to the request at least, in steps, to be the sample; it is also a fifth at least.
            0: it is the request.
    """

    interval: int
    first: float
    bump: float


_VPA_SAMPLES = 8
_VPA_HALF_LIFE_DAYS = 1.0
_VPA_MARGIN = 1.15
_VPA_PERCENTILES = (0.5, 0.9, 0.95)
_VPA_GROWTH = 0.05
_VPA_LEAST_CHANGE = 0.1
_VPA_LEAST_AGE = 2
_KRR_WINDOWS = 14 * WINDOWS_A_DAY
KRR_MEMORY = (1.0, 1.15)
"""KRR's percentile and margin: robusta-dev/krr, robusta_krr/strategies/simple.py."""
KRR_CPU = (0.95, 1.0)
"""The same of CPU, here of windows' peaks, where KRR has a sample a minute or so."""
_WEEK = DAYS_A_WEEK * WINDOWS_A_DAY
_LONGEST = 32
"""Windows that a percentile looks back."""


def wanted(form: int, settings: Any, known: Any, now: int) -> float:
    """What a rule of a form wants to request, in steps, not yet whole ones."""
    if form == Form.KRR:
        first = max(0, now - _KRR_WINDOWS)
        return float(settings[1]) * percentile(known[first:now], np.ones(now - first), settings[0])
    if form == Form.MAXIMUM:
        return float(settings[1]) * highest(known, now - int(settings[0]), now)
    if form == Form.PERCENTILE:
        first = max(0, now - _LONGEST)
        weights = np.empty(now - first)
        for i in range(now - first):
            weights[i] = 2.0 ** ((first + i - now) / settings[1])
        return float(settings[2]) * percentile(known[first:now], weights, settings[0])
    if form == Form.DEVIATIONS:
        return mean_and_deviations(known[max(0, now - int(settings[0])) : now], settings[1])
    want = float(known[now - 1] * (1 + (settings[2] - 1) / 2))
    for day in range(1, int(settings[0]) + 1):
        if now - WINDOWS_A_DAY * day >= 0:
            want = max(want, settings[2] * known[now - WINDOWS_A_DAY * day])
    for week in range(1, int(settings[1]) + 1):
        if now - _WEEK * week >= 0:
            want = max(want, settings[2] * known[now - _WEEK * week])
    return want


def highest(known: Any, first: int, end: int) -> float:
    """The highest peak of the windows from `first`, or the first one that there is, to before `end`."""
    found = 0.0
    for window in range(max(0, first), end):
        found = max(found, known[window])
    return found


def mean_and_deviations(peaks: Any, deviations: float) -> float:
    """The mean and so many standard deviations."""
    whole, squares = 0.0, 0.0
    for peak in peaks:
        whole += peak
    mean = whole / len(peaks)
    for peak in peaks:
        squares += (peak - mean) ** 2
    return mean + deviations * math.sqrt(squares / len(peaks))


def percentile(values: Any, weights: Any, share: float) -> float:
    """The least value at which a share of the weight is reached."""
    wanted_weight = 0.0
    for weight in weights:
        wanted_weight += weight
    wanted_weight *= share
    order = np.argsort(values)
    reached = 0.0
    for i in order:
        reached += weights[i]
        if reached >= wanted_weight:
            return float(values[i])
    return float(values[order[-1]])


def vpa_bounds(known: Any, now: int, histogram: Histogram) -> tuple[float, float, float]:
    """VPA's target, and the bounds within which it leaves pods of less than twelve hours alone.

    Percentiles 90, 50 and 95 of a histogram whose weights halve each day, plus 15 %; the bounds are the wider the less
    is known. Memory: the peaks of the last eight days. CPU: here all windows' peaks, where VPA has a sample a minute.
    Constants: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender: `logic/recommender.go`,
    `model/aggregations_config.go`, `util/histogram.go`.
    """
    samples = -(-now // histogram.interval)
    first = max(0, samples - _VPA_SAMPLES) if histogram.interval > 1 else 0
    values, weights = np.empty(samples - first), np.empty(samples - first)
    for i in range(first, samples):
        peak = highest(known, i * histogram.interval, min(now, (i + 1) * histogram.interval))
        values[i - first] = _bucket_end(peak, histogram.first)
        weights[i - first] = 2.0 ** ((i - samples) * histogram.interval / (WINDOWS_A_DAY * _VPA_HALF_LIFE_DAYS))
    days = now / WINDOWS_A_DAY
    low = percentile(values, weights, _VPA_PERCENTILES[0]) * _VPA_MARGIN * (1 + 0.001 / days) ** -2.0
    high = percentile(values, weights, _VPA_PERCENTILES[2]) * _VPA_MARGIN * (1 + 1 / days)
    return percentile(values, weights, _VPA_PERCENTILES[1]) * _VPA_MARGIN, low, high


def vpa_moves(request: int, target: int, low: float, high: float, age: int) -> bool:
    """Whether VPA's updater starts pods anew for a target.

    If the request is out of bounds, or differs by a tenth and has been there for twelve hours.
    Constants: vertical-pod-autoscaler/pkg/updater/priority/update_priority_calculator.go.
    """
    if request < low or request > high:
        return True
    return age >= _VPA_LEAST_AGE and abs(target - request) >= _VPA_LEAST_CHANGE * request


def _bucket_end(amount: float, first: float) -> float:
    """The end of the histogram's bucket that an amount falls into."""
    bucket = math.floor(math.log(amount * _VPA_GROWTH / first + 1) / math.log(1 + _VPA_GROWTH))
    return float(first * ((1 + _VPA_GROWTH) ** (bucket + 1) - 1) / _VPA_GROWTH)
