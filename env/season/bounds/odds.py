"""How probably a peak is above something, for a known law; numba compiles it."""

from __future__ import annotations

import math

import numpy as np

from env.season.laws import BURST_SHAPE, MOST_BURST

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(11)
NODES = tuple(_NODES.tolist())
NODE_WEIGHTS = tuple((_WEIGHTS / _WEIGHTS.sum()).tolist())
"""Gauss and Hermite's rule for the mean of a function of a standard normal number."""
FAR = 8.0
"""Standard deviations from which on a normal number's tail counts as 0."""


def normal_above(deviations: float) -> float:
    """How probably a standard normal number is above this."""
    if deviations > FAR:
        return 0.0
    if deviations < -FAR:
        return 1.0
    return float(0.5 * math.erfc(deviations / math.sqrt(2.0)))


def burst_above(factor: float, scale: float) -> float:
    """How probably a burst is above this factor, see `env.season.series.Laws`."""
    if factor <= 1:
        return 1.0
    if factor >= 1 + MOST_BURST or scale <= 0:
        return 0.0
    return float((1 + (factor - 1) / scale) ** -BURST_SHAPE)


def chance_above(threshold: float, centre: float, noise: float, probability: float, scale: float) -> float:
    """How probably a fresh pod's peak is above a threshold, but for the clipping.

    Args:
        threshold: The logarithm of steps.
        centre: The median peak without bursts, the logarithm of steps.
        noise: Standard deviation of the logarithm around it.
        probability: Of a burst.
        scale: Of bursts.
    """
    away = threshold - centre
    above = normal_above(away / noise if noise > 0 else (math.inf if away >= 0 else -math.inf))
    if probability == 0 or above == 1:
        return above
    burst = 0.0
    for node in range(len(NODES)):
        burst += NODE_WEIGHTS[node] * burst_above(math.exp(away - noise * NODES[node]), scale)
    return (1 - probability) * above + probability * burst
