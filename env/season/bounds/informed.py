"""The least expected cost for one who knows the law of each workload, but not the dice.

That is more than an honest policy can know: the level of every window, so also when it will shift, the deploys, the
noise, the bursts and the growth. So no policy that has to infer does better in the mean; that one cannot be reached.

The typical peak, which costs are in units of, is taken as known too, and the dice as independent of it. It is the
median of 140 peaks, so it says next to nothing about any one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from env import jit
from env.season.bounds.backward import Changes, Floats, Odds, grown_of, least_cost
from env.season.bounds.odds import chance_above
from env.season.series import Laws, Series
from env.season.variants import WARM_UP, Variant
from env.season.window import Prices, start_request


def informed(series: Series, laws: Laws, variant: Variant, prices: Prices) -> Floats:
    """The least expected cost of each episode, float64 (n,), given its warm-up, its law and its typical peak."""
    return np.array([informed_plan(series, laws, i, variant, prices)[0] for i in range(len(series))])


def informed_plan(series: Series, laws: Laws, index: int, variant: Variant, prices: Prices) -> tuple[float, Changes]:
    """The least expected cost of one episode, and a plan that has it."""
    odds = law_odds(laws, index, variant)
    start = start_request(series.peaks[index], variant.largest)
    return least_cost(odds, start, float(series.typical[index]), variant, prices)


def law_odds(laws: Laws, index: int, variant: Variant) -> Odds:
    """The odds of the windows that are played, by one law."""
    deploys = laws.deploys[index, WARM_UP:]
    grown = grown_of(float(laws.growth[index]), deploys)
    table = np.zeros((len(grown), variant.largest + 1, grown.shape[1]))
    law = float(laws.noise[index]), float(laws.burst_probability[index]), float(laws.burst_scale[index])
    compiled()(np.log(laws.level[index, WARM_UP:]), *law, grown, variant.most_peak, table)
    return Odds(table, table, deploys)


@cache
def compiled() -> Callable[..., None]:
    """The compiled `fill`; machine code is kept on disk for the next process."""
    sources = ""

    def fill(
        centres: Floats,
        noise: float,
        probability: float,
        scale: float,
        grown: Floats,
        most_peak: float,
        table: Floats,
    ) -> None:
        """Write how probably each window's peak is above each request at each age."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for window in range(table.shape[0]):
            for request in range(1, table.shape[1]):
                for age in range(table.shape[2]):
                    left = request - grown[window, age]
                    if left < 1:
                        table[window, request, age] = 1.0
                    elif left < most_peak:
                        table[window, request, age] = chance_above(
                            math.log(left), centres[window], noise, probability, scale
                        )

    sources = jit.register_callees(fill)
    made: Callable[..., None] = jit.compiled(fill, error_model="numpy")
    return made
