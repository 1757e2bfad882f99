"""A bound that must infer: no policy that begins without knowing the law costs less in the mean over laws.

The agent of the bound knows more than a policy in four ways, each of which can only help it:

- it sees the peak of every window, also where that was above the request;
- it is told how much its pods grow, and the typical peak that costs are in units of;
- it knows the ranges that laws are drawn from;
- it knows today what it will expect of every later window, though not that window's dice.

Of the first three: whatever a policy sees is then a function of the peaks (of fresh pods) and the deploys so far. By
the law of total expectation a window of a policy costs in the mean

    request / typical + kappa P(peak > request | peaks and deploys before) + restart [request changed]

where the probability is the Bayesian predictive (`filter.py`). Of the fourth: the mean of the least sum along each
path of predictives is at most the least mean. The sum's least is a dynamic programme, with changes at their price and
jumps as limited as they are. (Brown, Smith & Sun, "Information relaxations and duality in stochastic dynamic programs",
Operations Research 2010; the penalty here is what the dice of a window cost beyond their mean.)

The bound holds for the mean over many workloads drawn from the prior, not for each workload, and not for each kind of
them unless the prior is of that kind alone.
"""

from __future__ import annotations

import numpy as np

from env.season.bounds.backward import Floats, Odds, grown_of, least_cost
from env.season.bounds.clairvoyant import known_odds
from env.season.bounds.filter import CUTS, KEPT, expected_odds
from env.season.series import Series
from env.season.variants import WARM_UP, Variant
from env.season.window import Prices, start_request

FINE = 8
"""For pods that grow, odds are known at so many thresholds per step, and between them by linear interpolation."""


def inferring(
    series: Series, variant: Variant, prices: Prices, kind: str | None = None, kept: int = KEPT, cuts: int = CUTS
) -> Floats:
    """What each episode adds to the bound, float64 (n,): their mean is the bound.

    Args:
        series: Drawn from the laws of the kind.
        variant: What is asked for.
        prices: What a window costs besides its request.
        kind: The kind that the series are drawn of, one of `env.season.laws.KINDS`; None: any.
        kept: So many hypotheses are kept after each window.
        cuts: How finely ranges of parameters are cut.
    """
    costs = np.empty(len(series))
    for i in range(len(series)):
        odds = inferred_odds(series, i, variant, kind, kept, cuts)
        start = start_request(series.peaks[i], variant.largest)
        costs[i], _ = least_cost(odds, start, float(series.typical[i]), variant, prices)
    return costs


def inferred_odds(
    series: Series, index: int, variant: Variant, kind: str | None = None, kept: int = KEPT, cuts: int = CUTS
) -> Odds:
    """The odds of one workload's windows that are played: `paid` as expected, `happens` as it was."""
    growth, deploys = float(series.growth[index]), series.deploys[index, WARM_UP:]
    requests = np.arange(variant.largest + 1.0)
    thresholds = np.arange(FINE * variant.largest + 1) / FINE if growth > 0 else requests
    expected = expected_odds(series, index, variant, kind, thresholds, kept, cuts)
    happens = known_odds(series.peaks[index, WARM_UP:], growth, deploys, variant).happens
    if growth == 0:
        return Odds(np.ascontiguousarray(expected.sum(axis=1)[:, :, None]), happens, deploys)
    none = np.zeros(len(deploys), np.bool_)
    left = requests[None, :, None] - grown_of(growth, none)[:1, None, :]
    paid = np.empty(happens.shape)
    for window in range(len(deploys)):
        without = np.interp(left[0], thresholds, expected[window, 0])
        paid[window] = without + expected[window, 1, ::FINE, None]
    return Odds(paid, happens, deploys)
