"""Bounds against what they bound, where the least cost of one who has to infer is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from env.season.bounds.beliefs import SmallSeason, clairvoyant_mean, inferring_mean, informed_mean, optimum
from env.season.variants import JUMPS, VARIANTS
from env.season.window import Prices, play_window, window_cost

SHIFTS = SmallSeason(
    levels=np.array([[2.0, 2, 2, 2], [2, 2, 4, 4], [2, 4, 2, 4]]),
    laws=np.array([0.4, 0.3, 0.3]),
    factors=np.array([0.9, 1.1, 1.6]),
    dice=np.array([0.5, 0.35, 0.15]),
    growth=0.0,
    start=3,
    typical=2.5,
    variant=replace(VARIANTS["memory"], largest=7),
    prices=Prices(2.0, 0.05),
)
LEAK = replace(SHIFTS, growth=0.8)
THROTTLED = replace(LEAK, variant=replace(SHIFTS.variant, kills=False))
CERTAIN = replace(SHIFTS, factors=np.ones(1), dice=np.ones(1))
KNOWN = replace(SHIFTS, laws=np.array([0.0, 1.0, 0.0]))


def _mean_cost(season: SmallSeason, rule: Callable[[int, float], int]) -> float:
    """What a rule pays in the mean that sets each request by the last one and the last peak, if that is known."""
    total = 0.0
    for chance, _, peaks in season.paths():
        request, age, peak = season.start, 0, float(season.start)
        for fresh in peaks:
            jump = min(JUMPS, key=lambda each: abs(request + each - rule(request, peak)))
            played = play_window(
                request,
                age,
                JUMPS.index(jump),
                fresh,
                season.growth,
                False,
                season.variant.kills,
                season.variant.largest,
            )
            total += chance * window_cost(
                played.request, played.changed, played.exceeded, season.typical, season.prices
            )
            request, age = played.request, played.age
            peak = request * 1.2 if played.exceeded else played.peak
    return total


def _best_rule(season: SmallSeason) -> float:
    held = [_mean_cost(season, lambda _, __, request=each: request) for each in range(1, 8)]  # type: ignore[misc]
    followed = [
        _mean_cost(season, lambda _, peak, margin=each: max(1, int(np.ceil(peak * margin))))  # type: ignore[misc]
        for each in (1.0, 1.2, 1.5, 2.0)
    ]
    return min(held + followed)


@pytest.mark.parametrize("season", [SHIFTS, LEAK, THROTTLED], ids=["shifts", "leak", "throttled"])
def test_each_bound_is_below_the_next_and_all_are_below_the_best_that_can_be_done(season: SmallSeason) -> None:
    peaks, law, inferred = clairvoyant_mean(season), informed_mean(season), inferring_mean(season)
    least = optimum(season)
    assert peaks < law < inferred <= least + 1e-9
    assert least < _best_rule(season)
    assert inferred > 0.99 * least


def test_where_there_are_no_dice_the_law_is_the_peaks() -> None:
    assert informed_mean(CERTAIN) == pytest.approx(clairvoyant_mean(CERTAIN))
    assert optimum(CERTAIN) > inferring_mean(CERTAIN) > informed_mean(CERTAIN)


def test_where_the_law_is_known_nothing_has_to_be_inferred() -> None:
    assert inferring_mean(KNOWN) == pytest.approx(informed_mean(KNOWN))
    assert optimum(KNOWN) == pytest.approx(informed_mean(KNOWN))
