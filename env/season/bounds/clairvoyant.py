"""The least cost of an episode for one who knows every peak beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from env.season.bounds.backward import Changes, Floats, Odds, grown_of, least_cost
from env.season.series import Series
from env.season.variants import WARM_UP, Variant
from env.season.window import Prices, start_request


def clairvoyant(series: Series, variant: Variant, prices: Prices) -> Floats:
    """The least cost of each episode, float64 (n,): no policy has a lower one on any of them."""
    return np.array([clairvoyant_plan(series, i, variant, prices)[0] for i in range(len(series))])


def clairvoyant_plan(series: Series, index: int, variant: Variant, prices: Prices) -> tuple[float, Changes]:
    """The least cost of one episode, and a plan that has it."""
    peaks, deploys = series.peaks[index], series.deploys[index, WARM_UP:]
    odds = known_odds(peaks[WARM_UP:], float(series.growth[index]), deploys, variant)
    start = start_request(peaks, variant.largest)
    return least_cost(odds, start, float(series.typical[index]), variant, prices)


def known_odds(peaks: Floats, growth: float, deploys: NDArray[np.bool_], variant: Variant) -> Odds:
    """The odds of peaks that are known: 0 or 1.

    Args:
        peaks: Of fresh pods in each window, float64 (windows,).
        growth: Of a pod's peak for each window of its age.
        deploys: Whether a deploy starts the pods anew before a window, bool (windows,).
        variant: What is asked for.
    """
    requests = np.arange(variant.largest + 1)
    above = peaks[:, None, None] + grown_of(growth, deploys)[:, None, :] > requests[None, :, None]
    odds = above.astype(np.float64)
    return Odds(odds, odds, deploys)
