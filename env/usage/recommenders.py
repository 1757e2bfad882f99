"""Three rules that turn a series of use into a request: ours, VPA's and KRR's, to be compared in a table.

A series is one container's: times in seconds, ascending, and CPU in cores or memory in bytes. VPA's follow kubernetes
autoscaler `vertical-pod-autoscaler/pkg/recommender`: `logic/recommender.go` and `logic/estimator.go` (percentiles,
margin, confidence, minimum), `model/aggregations_config.go` and `util/histogram.go` (buckets, decay),
`model/container.go` (daily peaks, OOM). KRR's follow robusta-dev/krr `robusta_krr/strategies/simple.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env.quantity import MIB
from env.usage.enough import LEAST_CPU_M, LEAST_MEMORY, MARGIN, OOM_BYTES, OOM_RATIO

DAY_S = 86_400.0

Floats = npt.NDArray[np.float64]

_GROWTH = 1.05
_FIRST_CORES, _FIRST_BYTES = 0.01, 1e7
_LEAST_CORES, _LEAST_BYTES = 0.025, 250.0 * MIB
_VPA_DAYS = 8
_TARGET, _LOWER, _UPPER = 0.9, 0.5, 0.95


@dataclass(frozen=True)
class Recommendation:
    """What VPA would request, and within which bounds it leaves a request alone."""

    target: float
    lower: float
    upper: float


def our_cpu(seconds: Floats, cores: Floats) -> float:
    """1.15 x the 95th percentile of the busiest day, days counted back from the last sample."""
    busiest = max(float(np.quantile(each, 0.95)) for each in _days(seconds, cores))
    return max(busiest * (1 + MARGIN), LEAST_CPU_M / 1000)


def our_memory(seconds: Floats, memory: Floats) -> float:
    """1.15 x the peak."""
    return max(float(memory.max()) * (1 + MARGIN), float(LEAST_MEMORY))


def krr_cpu(seconds: Floats, cores: Floats) -> float:
    """The 95th percentile of all samples, at least 10 millicores."""
    return max(float(np.quantile(cores, 0.95)), 0.01)


def krr_memory(seconds: Floats, memory: Floats) -> float:
    """1.15 x the peak, at least 100 MB."""
    return max(float(memory.max()) * 1.15, 1e8)


def vpa_cpu(seconds: Floats, cores: Floats) -> Recommendation:
    """A percentile of all samples in buckets of 5 %, each of which counts half as much a day later; 15 % margin."""
    return _vpa(seconds, cores, seconds, _FIRST_CORES, _LEAST_CORES)


def vpa_memory(seconds: Floats, memory: Floats, killed_at: Floats | None = None) -> Recommendation:
    """The same of the peaks of the last eight days; of a kill a fifth or 100 MiB above the largest use of its day.

    Args:
        seconds: Times.
        memory: Bytes.
        killed_at: Times of OOM kills.
    """
    day = ((seconds - seconds[0]) // DAY_S).astype(np.int64)
    days = np.unique(day)[-_VPA_DAYS:]
    peaks = np.array([memory[day == each].max() for each in days])
    for each in () if killed_at is None else (killed_at - seconds[0]) // DAY_S:
        hit = days == each
        peaks[hit] = np.maximum(peaks[hit] * OOM_RATIO, peaks[hit] + OOM_BYTES)
    ends = seconds[0] + (days + 1) * DAY_S
    return _vpa(ends, peaks, seconds, _FIRST_BYTES, _LEAST_BYTES)


def _vpa(at: Floats, values: Floats, samples: Floats, first: float, least: float) -> Recommendation:
    """The percentiles of values with VPA's margin, confidence and minimum.

    Args:
        at, values: What is in the histogram.
        samples: Times of all samples of the container, by which confidence is measured.
        first: The end of the histogram's first bucket.
        least: The minimum.
    """
    weights = 2.0 ** ((at - at[-1]) / DAY_S)
    days = min((samples[-1] - samples[0]) / DAY_S, len(samples) / (60 * 24))
    target, lower, upper = (
        _bucketed(values, weights, each, first) * (1 + MARGIN) for each in (_TARGET, _LOWER, _UPPER)
    )
    wider, narrower = (1 + 1 / days, (1 + 0.001 / days) ** -2.0) if days > 0 else (np.inf, 0.0)
    return Recommendation(max(target, least), max(lower * narrower, least), max(upper * wider, least))


def _bucketed(values: Floats, weights: Floats, share: float, first: float) -> float:
    """The end of the bucket in which a share of the weight is reached; buckets grow by 5 % from `first`."""
    bucket = np.floor(np.log(values * (_GROWTH - 1) / first + 1) / np.log(_GROWTH)).astype(np.int64)
    order = np.argsort(bucket, kind="stable")
    reached = np.searchsorted(np.cumsum(weights[order]), share * weights.sum())
    found = bucket[order][min(int(reached), len(order) - 1)]
    return float(first * (_GROWTH ** (found + 1) - 1) / (_GROWTH - 1))


def _days(seconds: Floats, values: Floats) -> list[Floats]:
    """The values of each day that has any."""
    day = ((seconds[-1] - seconds) // DAY_S).astype(np.int64)
    return [values[day == each] for each in np.unique(day)]
