"""What each rule requests of memory for the week that comes, given the peaks of the weeks before.

A request of `suggest` is applied once and stays, while agents and rules of Season-v0 decide for each window of six
hours. So these play a week that is like the last one, and what they request in it says what each window may need: the
one request that costs least then is proposed. VPA's and KRR's are what these recommend by their own documentation for
the same peaks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from env.quantity import MIB
from env.season.forms import Form, wanted
from env.season.variants import VARIANTS, WINDOWS_A_DAY
from env.season.window import Prices
from env.usage.enough import LEAST_MEMORY
from env.usage.recommenders import krr_memory, vpa_memory
from env.usage.series import WINDOW_S, Floats
from runner.suggest.backtest.windows import WEEK

LEARNED, VPA, KRR, SEASONAL = "learned", "VPA", "KRR", "seasonal"
"""Names of rules."""

_KRR_WINDOWS = 14 * WINDOWS_A_DAY
_SEASONAL = (1.0, 1.0, 1.06)  # days, weeks and margin that cost least on generated workloads
DEFAULT_KAPPA = 12.0
"""The price of a window above the request where nothing else is asked for."""


def prices(kappa: float) -> Prices:
    """What a window above the request and a change cost."""
    return Prices(kappa, VARIANTS["memory"].restart_price)


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


def seasonal(known: History, kappa: float) -> float:
    """The tuned seasonal rule: a margin over the same windows of the last day and week, in a week like the last one."""
    peaks, settings = np.concatenate([known.peaks, known.peaks[-WEEK:]]), np.array(_SEASONAL)
    needs = [wanted(Form.SEASONAL, settings, peaks, now) for now in range(len(known.peaks), len(peaks))]
    return held(np.array(needs), float(np.median(known.peaks)), kappa)


def held(needs: Floats, typical: float, kappa: float) -> float:
    """The one request that costs least for windows that need these: kappa for each one above it.

    Args:
        needs: Of each window, any unit.
        typical: The typical peak.
        kappa: The price of a window above the request, in windows in which the typical peak is requested.
    """
    requests = np.unique(needs)
    costs = requests / typical + kappa * (needs[None, :] > requests[:, None]).mean(axis=1)
    return float(requests[costs.argmin()])


def each_alone(rule: Callable[[History], float]) -> Proposer:
    """A rule for one container as one for many."""
    return lambda every: [rule(known) for known in every]


def simple(kappa: float) -> dict[str, Proposer]:
    """The rules that take no agent, by name."""
    return {
        SEASONAL: each_alone(lambda known: seasonal(known, kappa)),
        VPA: each_alone(vpa),
        KRR: each_alone(krr),
    }


def whole(memory: float) -> int:
    """Bytes in whole MiB, rounded up, of what a request may be at least."""
    return max(math.ceil(memory / MIB - 1e-9) * MIB, LEAST_MEMORY)


def _times(peaks: Floats) -> Floats:
    return (np.arange(len(peaks), dtype=np.float64) + 0.5) * WINDOW_S
