"""What is rare in a workload's use, from all windows that are known: for chances of one in fifty a week is too short.

Kept up window by window, so that no window looks back on all others; numba compiles it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from env.season.variants import WARM_UP, WINDOWS_A_DAY

REFERENCES = ("last", "yesterday", "week_ago", "day_max", "2_days_max")
"""What a request may be measured by: the last peak, that of the same time yesterday and a week ago, and the highest of
the last 4 and 8 windows."""
TOPS = 4
"""So many of the highest peaks over each reference are kept."""
MOST_COUNTED = 64
"""Peaks above it, in steps, count as this."""
GROWING_WEIGHT = 1 / 0.975
"""By what a window weighs more than the one before it, in `weights`: one a week ago weighs half as much as the last."""

TAILS = [
    ("tops", np.float64, (len(REFERENCES), TOPS)),
    ("counts", np.float64, (MOST_COUNTED + 2,)),
    ("weights", np.float64, (MOST_COUNTED + 2,)),
]
"""Fields of a history.

tops: For each reference the highest peaks of a window over it, as ratios, highest first; 0 where none is known.
counts: How many peaks there were, by steps rounded up.
weights: The same, each window with its weight, GROWING_WEIGHT to the power of its number.
"""


def forget_tails(history: Any) -> None:
    """Begin with nothing known."""
    history.tops[:] = 0.0
    history.counts[:] = 0.0
    history.weights[:] = 0.0


def add_to_tails(history: Any, window: int) -> None:
    """Take in the peak of a window: all before it are taken in."""
    peak = history.peaks_taken[window]
    if window >= 2 * WINDOWS_A_DAY:
        for number in range(len(REFERENCES)):
            reference = reference_at(history, number, window)
            if reference > 0:
                add_top(history.tops[number], peak / reference)
    place = place_of(peak)
    history.counts[place] += 1
    history.weights[place] += GROWING_WEIGHT**window


def place_of(peak: float) -> int:
    """Where a peak is counted."""
    return min(math.ceil(peak), MOST_COUNTED + 1)


def add_top(tops: Any, ratio: float) -> None:
    """Put a ratio into its place among the highest ones, if it is one of them."""
    for place in range(TOPS):
        if ratio > tops[place]:
            tops[place], ratio = ratio, tops[place]


def reference_at(history: Any, number: int, window: int) -> float:
    """What a reference of a number is for a window, in steps, by those before it; 0 where that is not known."""
    if number == 0:
        return float(history.peaks_taken[window - 1])
    if number == 1:
        return float(history.peaks_taken[window - WINDOWS_A_DAY])
    if number == 2:
        return float(history.peaks_taken[window - WARM_UP]) if window >= WARM_UP else 0.0
    highest = 0.0
    for back in range(1, (WINDOWS_A_DAY if number == 3 else 2 * WINDOWS_A_DAY) + 1):
        highest = max(highest, history.peaks_taken[window - back])
    return highest
