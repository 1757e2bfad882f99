"""What one window does and costs: plain functions, which numba compiles for environments, rules and bounds alike.

A decision changes the request; pods whose request changed start anew. Then a deploy, if there is one before this
window, starts them anew. Then the window's peak happens: that of fresh pods, and their growth since they started.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from env.season.variants import JUMPS, WARM_UP

START_PERCENTILE = 0.9
START_MARGIN = 1.15
"""The request at the start is VPA's form: a percentile of what is known, and a margin."""


class Prices(NamedTuple):
    """What a window costs besides its request.

    Attributes:
        kappa: If use was above the request.
        restart: If the request changed.
    """

    kappa: float
    restart: float


class Window(NamedTuple):
    """A window that is over.

    Attributes:
        request: In it, in steps.
        changed: Whether that differs from the window before.
        peak: In steps; an agent knows it only where it was not above the request.
        exceeded: Whether the peak was above the request: OOM-killed, throttled, overloaded.
        age: Windows since the pods started, after it.
    """

    request: int
    changed: bool
    peak: float
    exceeded: bool
    age: int


def start_request(peaks: Any, largest: int) -> int:
    """The request that an episode starts with: 1.15 times the 90th percentile of the warm-up's peaks, rounded up.

    Args:
        peaks: In steps, the warm-up's first; at least WARM_UP of them.
        largest: Of requests, in steps.
    """
    high = float(np.sort(peaks[:WARM_UP])[int(START_PERCENTILE * (WARM_UP - 1))])
    return min(largest, max(1, math.ceil(START_MARGIN * high)))


def request_after(request: int, action: int, largest: int) -> int:
    """The request after an action, an index of JUMPS; as it was, if that would leave 1 to `largest`."""
    wanted = request + JUMPS[action]
    return wanted if 1 <= wanted <= largest else request


def play_window(
    request: int, age: int, action: int, fresh: float, growth: float, deploy: bool, kills: bool, largest: int
) -> Window:
    """Decide, and let a window pass.

    Args:
        request: Of the window before, in steps.
        age: Windows since the pods started.
        action: An index of JUMPS.
        fresh: This window's peak of fresh pods, in steps.
        growth: By how much a pod's peak is higher for each window of its age.
        deploy: Whether a deploy starts the pods anew before this window.
        kills: Whether pods that exceed their request are killed, and start anew.
        largest: Of requests, in steps.
    """
    now = request_after(request, action, largest)
    changed = now != request
    grown = 0 if changed or deploy else age
    peak = fresh + growth * grown
    exceeded = peak > now
    return Window(now, changed, peak, exceeded, 0 if exceeded and kills else grown + 1)


def window_cost(request: int, changed: bool, exceeded: bool, typical: float, prices: Prices) -> float:
    """What a window cost, in windows in which the typical peak is requested."""
    cost = request / typical
    if exceeded:
        cost += prices.kappa
    if changed:
        cost += prices.restart
    return cost
