"""Use over time: the samples of a container's pods, and what they say of its use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from env.quantity import MIB
from env.usage.usage import ContainerUse

DAY_S = 86_400
LONGEST_S = 90 * DAY_S
"""Seconds before a file's last sample that count; what is older is left out."""
WINDOW_S = 6 * 3600
"""Seconds of a window, of which the peak counts where weeks are tested."""
LEAST_WEEKS_S = 14 * DAY_S
"""Seconds of the shortest series that is tested."""
MOST_CORES, MOST_BYTES = 10_000.0, 2.0**60
"""Of one container; more is a fault of the series."""

Floats = npt.NDArray[np.float64]

_QUANTILE = 0.95
_SHORT_RUN = 0.1  # pods with less than this share of the longest run's samples say nothing of CPU: it is their start-up
_GAP_S = 300.0  # between two samples this much counts as measured, or twice their usual distance


@dataclass(frozen=True)
class Track:
    """One resource of one container of one pod.

    Attributes:
        seconds: Times since 1970, ascending, each once.
        values: Cores or bytes at these times, finite and at least 0.
    """

    seconds: Floats
    values: Floats


@dataclass(frozen=True)
class UseSeries:
    """A container's use over time, one track a pod."""

    cpu: tuple[Track, ...] = field(default=(), compare=False)
    memory: tuple[Track, ...] = field(default=(), compare=False)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those of both resources."""
        return self.memory + self.cpu


def make_track(seconds: Sequence[float], values: Sequence[float]) -> Track:
    """The track of samples in any order; of samples at the same time the largest counts."""
    times, found = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    order = np.lexsort((found, times))
    times, found = times[order], found[order]
    last = np.append(times[1:] != times[:-1], True)
    return Track(times[last], found[last])


def use_of(series: UseSeries, source: str) -> ContainerUse:
    """What a series says of its container's use, in the terms of the rule in `enough.py`.

    Args:
        series: The samples; None of a resource leave it unknown.
        source: Where they are from, for messages.
    """
    counted = series.memory or series.cpu
    memory = max((float(each.values.max()) for each in series.memory), default=0.0)
    cores = _cores(series.cpu)
    return ContainerUse(
        cpu_m=None if cores is None else math.ceil(cores * 1000 - 1e-6),
        memory_bytes=math.ceil(memory) or None,
        source=source,
        window_s=_covered_s(counted),
        samples=sum(len(each.seconds) for each in counted),
        pods=len(counted),
    )


def usual_step_s(tracks: Sequence[Track]) -> float:
    """Seconds between two samples, the median; 0: there are no two."""
    steps = [np.diff(each.seconds) for each in tracks if len(each.seconds) > 1]
    return float(np.median(np.concatenate(steps))) if steps else 0.0


def is_bytes(values: Sequence[float]) -> bool:
    """Whether values of an unnamed resource are bytes: no container uses 100,000 cores, and each more than 100 kB."""
    return max(values, default=0.0) >= MIB / 10


def _cores(tracks: Sequence[Track]) -> float | None:
    """The 95th percentile of the busiest day of the busiest pod, days counted back from the last sample of all."""
    if not tracks:
        return None
    longest = max(len(each.seconds) for each in tracks)
    end = max(float(each.seconds[-1]) for each in tracks)
    found = []
    for each in tracks:
        if len(each.seconds) < _SHORT_RUN * longest:
            continue
        day = ((end - each.seconds) // DAY_S).astype(np.int64)
        found += [float(np.quantile(each.values[day == one], _QUANTILE)) for one in np.unique(day)]
    return max(found)


def _covered_s(tracks: Sequence[Track]) -> float:
    """Seconds that were measured; gaps are not counted."""
    longest = max(_GAP_S, 2 * usual_step_s(tracks))
    steps = np.diff(np.unique(np.concatenate([each.seconds for each in tracks])))
    return float(np.minimum(steps, longest).sum())
