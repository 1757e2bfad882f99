"""What each rule requests of memory for the week that comes, given the peaks of the weeks before.

A request of `suggest` is applied once and stays, while agents and rules of Season-v0 decide for each window of six
hours. So these play a week that is like the last one, and the highest request that they make in it is proposed. VPA's
and KRR's are what these recommend by their own documentation for the same peaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from env.quantity import MIB
from env.season.forms import Form, wanted
from env.season.variants import WINDOWS_A_DAY
from env.usage.enough import LEAST_MEMORY
from env.usage.recommenders import krr_memory, vpa_memory
from env.usage.series import WINDOW_S, Floats
from runner.suggest.backtest.windows import WEEK

LEARNED, VPA, KRR, SEASONAL, PERCENTILE = "learned", "VPA", "KRR", "seasonal", "percentile"
"""Names of rules."""

_KRR_WINDOWS = 14 * WINDOWS_A_DAY
_SEASONAL = (3.0, 0.0, 1.06)
_SHARE, _PERCENTILE_MARGIN = 0.95, 1.1  # of what was tried on generated series, these cost least where a week is held


class History(NamedTuple):
    """What is known of a container when its request is proposed.

    Attributes:
        peaks: Of all windows until then, bytes; at least WEEK of them.
        since_monday: How many windows after a Monday, 0:00 UTC, the first one begins.
    """

    peaks: Floats
    since_monday: int


Proposer = Callable[[Sequence[History]], Sequence[float]]
"""What to request for the next WEEK windows, bytes, of each."""


def vpa(known: History) -> float:
    """VPA's target with its defaults: the 90th percentile of the last days' peaks, of which the latest weigh most."""
    return vpa_memory(_times(known.peaks), known.peaks).target


def krr(known: History) -> float:
    """KRR's simple strategy: the peak of two weeks, and 15 %."""
    return krr_memory(_times(known.peaks)[-_KRR_WINDOWS:], known.peaks[-_KRR_WINDOWS:])


def seasonal(known: History) -> float:
    """The seasonal rule: a margin over the same windows of the last days, in a week like the last one."""
    peaks, settings = np.concatenate([known.peaks, known.peaks[-WEEK:]]), np.array(_SEASONAL)
    return max(wanted(Form.SEASONAL, settings, peaks, now) for now in range(len(known.peaks), len(peaks)))


def percentile(known: History) -> float:
    """The 95th percentile of the windows of two weeks, and 10 %."""
    return _PERCENTILE_MARGIN * float(np.quantile(known.peaks[-2 * WEEK :], _SHARE))


def each_alone(rule: Callable[[History], float]) -> Proposer:
    """A rule for one container as one for many."""
    return lambda every: [rule(known) for known in every]


SIMPLE: Mapping[str, Proposer] = {
    PERCENTILE: each_alone(percentile),
    SEASONAL: each_alone(seasonal),
    VPA: each_alone(vpa),
    KRR: each_alone(krr),
}
"""By name."""


def whole(memory: float) -> int:
    """Bytes in whole MiB, rounded up, of what a request may be at least."""
    return max(math.ceil(memory / MIB - 1e-9) * MIB, LEAST_MEMORY)


def _times(peaks: Floats) -> Floats:
    return (np.arange(len(peaks), dtype=np.float64) + 0.5) * WINDOW_S
