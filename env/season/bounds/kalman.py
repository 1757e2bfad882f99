"""What one hypothesis says of a window, and learns from it: a Kalman filter on the logarithms of peaks.

A window that may have had a burst is taken in as the Gaussian law that has the moments of all that it may have been.
Plain functions, which numba compiles.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.season.bounds.hypotheses import BASE, DAY, EVERY_DAY, PHASE, STATE, WANDER, WEEK
from env.season.bounds.odds import chance_above
from env.season.laws import BURST_SHAPE, MOST_BURST
from env.season.variants import DAYS_A_WEEK, WINDOWS_A_DAY

Floats = NDArray[np.float64]

BURSTS = 8
"""So many sizes of bursts are told apart, of equal probability."""
_STRATA = 2 * BURSTS
_TAIL = (*((1 - i / _STRATA) ** (-1 / BURST_SHAPE) - 1 for i in range(_STRATA)), math.inf)
"""Quantiles of bursts of scale 1: ends of the strata, and their middles."""
_RATES = 8
WINDOWS_A_WEEK = WINDOWS_A_DAY * DAYS_A_WEEK


def parts_of(row: Any, window: int, parts: Floats) -> None:
    """Write by how much each part of the state counts in a window's level."""
    parts[:] = 0.0
    parts[BASE] = 1.0
    parts[WANDER] = 1.0
    weekend = window // WINDOWS_A_DAY % DAYS_A_WEEK >= 5
    if row.days == EVERY_DAY or (row.days > 0 and not weekend):
        parts[DAY + window % WINDOWS_A_DAY] = 1.0
    if row.week >= 0 and row.week == window % WINDOWS_A_WEEK:
        parts[WEEK] = 1.0
    if row.phase == 1:
        parts[PHASE] = 1.0


def let_pass(row: Any) -> None:
    """Let the wander of a level go on by one window."""
    memory = row.memory
    row.mean[WANDER] *= memory
    for i in range(STATE):
        row.covariance[i, WANDER] *= memory
        row.covariance[WANDER, i] *= memory
    row.covariance[WANDER, WANDER] += row.wander * row.wander * (1 - memory * memory)


def centre_of(row: Any, parts: Floats) -> tuple[float, float]:
    """Mean and variance of the logarithm of a window's level."""
    mean, variance = 0.0, 0.0
    for i in range(STATE):
        if parts[i] != 0:
            mean += row.mean[i]
            for j in range(STATE):
                if parts[j] != 0:
                    variance += row.covariance[i, j]
    return mean, variance


def rate_of(count: int, number: float, ends: tuple[float, float]) -> float:
    """The mean of a probability whose logarithm is uniform before anything is known.

    Args:
        count: So often it was put to the test,
        number: and so often it came true.
        ends: Of its range.
    """
    total, mean = 0.0, 0.0
    for i in range(_RATES):
        rate = ends[0] * (ends[1] / ends[0]) ** ((i + 0.5) / _RATES)
        weight = rate**number * (1 - rate) ** (count - number)
        total += weight
        mean += weight * rate
    return mean / total


def take_in(row: Any, parts: Floats, peak: float, most: float, bursts: tuple[float, float]) -> None:
    """Learn from a window's peak.

    Args:
        row: Of HYPOTHESIS; changed.
        parts: By how much each part of the state counts in the window.
        peak: The logarithm of steps.
        most: Peaks are clipped to 0 and this; one that is clipped changes only the weight.
        bursts: The range of a burst's probability.
    """
    mean, variance = centre_of(row, parts)
    variance += row.noise * row.noise
    deviation = math.sqrt(variance)
    residual = peak - mean
    if peak >= most or peak <= 0:
        above = chance_above(max(peak, 0.0), mean, deviation, row.burst_probability, row.burst_scale)
        row.log_weight += math.log(max(above if peak > 0 else 1 - above, 1e-300))
        return
    step, shrink = residual / variance, 1 / variance
    if row.burst_probability == 0:
        row.log_weight -= 0.5 * residual * step + math.log(deviation)
    else:
        total, burst, step, shrink = with_bursts(residual, variance, row.burst_probability, row.burst_scale)
        row.log_weight += math.log(max(total, 1e-300))
        row.windows += 1
        row.bursts += burst
        row.burst_probability = rate_of(row.windows, row.bursts, bursts)
    gain = np.zeros(STATE)
    for i in range(STATE):
        for j in range(STATE):
            gain[i] += row.covariance[i, j] * parts[j]
    for i in range(STATE):
        row.mean[i] += gain[i] * step
        for j in range(STATE):
            row.covariance[i, j] -= gain[i] * gain[j] * shrink


def with_bursts(
    residual: float, variance: float, probability: float, scale: float
) -> tuple[float, float, float, float]:
    """What a peak says that may have been a burst.

    Returns:
        Its density, but for a factor; how probably it was one; by how many gains the mean moves; and how many of them
        squared the covariance loses: the moments of the mixture over all bursts.
    """
    step = residual / variance
    total = none = (1 - probability) * math.exp(-0.5 * residual * step) / math.sqrt(variance)
    first, second, lost = total * step, total * step * step, total / variance
    for i in range(BURSTS):
        low = math.log(1 + min(scale * _TAIL[2 * i], MOST_BURST))
        middle = math.log(1 + min(scale * _TAIL[2 * i + 1], MOST_BURST))
        width = math.log(1 + min(scale * _TAIL[2 * i + 2], MOST_BURST)) - low
        wide = variance + width * width / 12
        step = (residual - middle) / wide
        weight = probability / BURSTS * math.exp(-0.5 * (residual - middle) * step) / math.sqrt(wide)
        total += weight
        first += weight * step
        second += weight * step * step
        lost += weight / wide
    if total < 1e-290:
        return total, 1.0, 0.0, 0.0
    return total, 1 - none / total, first / total, (lost - second) / total + (first / total) ** 2


def expect(row: Any, parts: Floats, thresholds: Floats, most: float, odds: Floats) -> None:
    """Add what a hypothesis says of how probably the next peak is above thresholds.

    Args:
        row: Of HYPOTHESIS.
        parts: By how much each part of the state counts in the window.
        thresholds: (m,) Logarithms of steps, ascending.
        most: Peaks are clipped to 0 and this.
        odds: (m,) Changed.
    """
    mean, variance = centre_of(row, parts)
    deviation, weight = math.sqrt(variance + row.noise * row.noise), math.exp(row.log_weight)
    for i in range(len(thresholds)):
        if thresholds[i] < 0:
            odds[i] += weight
        elif thresholds[i] >= most:
            break
        else:
            odds[i] += weight * chance_above(thresholds[i], mean, deviation, row.burst_probability, row.burst_scale)
