"""The least cost of an episode for one who knows every peak, and for one who knows the law."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.season.bounds.backward import Odds, follow, grown_of, least_cost
from env.season.bounds.clairvoyant import clairvoyant, clairvoyant_plan, known_odds
from env.season.bounds.informed import informed, informed_plan, law_odds
from env.season.bounds.odds import chance_above
from env.season.series import Laws, Series, generated
from env.season.variants import JUMPS, VARIANTS, WARM_UP, WINDOWS, Variant
from env.season.window import Prices, Window, play_window, start_request, window_cost

MEMORY = VARIANTS["memory"]
PRICES = Prices(4.0, MEMORY.restart_price)


def _cost(played: list[Window], typical: float, prices: Prices = PRICES) -> float:
    return sum(window_cost(each.request, each.changed, each.exceeded, typical, prices) for each in played)


@settings(max_examples=25, deadline=None)
@given(
    peaks=st.lists(st.floats(0.5, 5.4), min_size=4, max_size=4),
    deploys=st.lists(st.booleans(), min_size=4, max_size=4),
    growth=st.sampled_from([0.0, 0.3, 1.5]),
    start=st.integers(1, 6),
    kappa=st.sampled_from([0.0, 0.7, 4.0]),
    kills=st.booleans(),
)
def test_no_sequence_of_requests_costs_less_than_the_clairvoyant_one(
    peaks: list[float], deploys: list[bool], growth: float, start: int, kappa: float, kills: bool
) -> None:
    variant, prices = replace(MEMORY, largest=6, kills=kills), Prices(kappa, 0.02)
    least = min(
        _cost(_played(requests, peaks, deploys, growth, start, variant), 3.0, prices)
        for requests in itertools.product(range(1, variant.largest + 1), repeat=len(peaks))
    )
    odds = known_odds(np.array(peaks), growth, np.array(deploys), variant)
    found, plan = least_cost(odds, start, 3.0, variant, prices)
    assert found == pytest.approx(least)
    played = follow(plan, np.array(peaks), growth, np.array(deploys), start, variant)
    assert _cost(played, 3.0, prices) == pytest.approx(least)


def _played(
    requests: tuple[int, ...], peaks: list[float], deploys: list[bool], growth: float, request: int, variant: Variant
) -> list[Window]:
    age, played = 0, []
    for wanted, peak, deploy in zip(requests, peaks, deploys, strict=True):
        action = JUMPS.index(wanted - request)
        played.append(play_window(request, age, action, peak, growth, deploy, variant.kills, variant.largest))
        request, age = played[-1].request, played[-1].age
    return played


@pytest.mark.parametrize("name", VARIANTS)
def test_a_clairvoyant_plan_costs_what_it_says(name: str) -> None:
    variant = VARIANTS[name]
    series, _ = generated(variant, range(8), "mixture")
    for i in range(len(series)):
        cost, plan = clairvoyant_plan(series, i, variant, PRICES)
        assert _cost(_followed(plan, series, i, variant), series.typical[i]) == pytest.approx(cost)


def test_who_knows_the_law_pays_in_the_mean_what_the_plan_expects() -> None:
    series, laws = generated(MEMORY, range(400))
    expected, paid = np.empty(len(series)), np.empty(len(series))
    for i in range(len(series)):
        expected[i], plan = informed_plan(series, laws, i, MEMORY, PRICES)
        paid[i] = _cost(_followed(plan, series, i, MEMORY), series.typical[i])
    error = (paid - expected).std() / len(series) ** 0.5
    assert abs((paid - expected).mean()) < 3 * error
    assert error < 0.01 * expected.mean()
    assert clairvoyant(series, MEMORY, PRICES).mean() < expected.mean()


def _followed(plan: np.ndarray, series: Series, index: int, variant: Variant) -> list[Window]:
    peaks, deploys = series.peaks[index, WARM_UP:], series.deploys[index, WARM_UP:]
    start = start_request(series.peaks[index], variant.largest)
    return follow(plan, peaks, float(series.growth[index]), deploys, start, variant)


def test_without_dice_the_law_is_worth_as_much_as_the_peaks() -> None:
    drawn, laws = generated(MEMORY, range(24))
    none = np.zeros(len(drawn))
    certain = replace(laws, noise=none, burst_probability=none)
    series = replace(drawn, peaks=laws.level)
    assert informed(series, certain, MEMORY, PRICES) == pytest.approx(clairvoyant(series, MEMORY, PRICES))


@settings(max_examples=50, deadline=None)
@given(
    change=st.sampled_from([0, 1, 2]),
    window=st.integers(0, WINDOWS - 1),
    jump=st.sampled_from(JUMPS),
    seed=st.integers(0, 1000),
)
def test_no_change_of_an_informed_plan_makes_it_cheaper(change: int, window: int, jump: int, seed: int) -> None:
    series, laws = generated(MEMORY, [seed], ("leak", "bursty", "deploys")[change])
    cost, plan = informed_plan(series, laws, 0, MEMORY, PRICES)
    plan[window] = jump
    odds = law_odds(laws, 0, MEMORY)
    assert _expected(plan, odds, start_request(series.peaks[0], MEMORY.largest), series.typical[0]) >= cost - 1e-9


def _expected(plan: np.ndarray, odds: Odds, start: int, typical: float) -> float:
    """What a plan costs in the mean, forwards: from the probabilities of requests and ages."""
    windows, rows, ages = plan.shape
    likely, total = np.zeros((rows, ages)), 0.0
    likely[start, 0] = 1
    for window in range(windows):
        after = np.zeros_like(likely)
        for before, age in zip(*np.nonzero(likely), strict=True):
            weight, wanted = likely[before, age], before + int(plan[window, before, age])
            request = wanted if 1 <= wanted < rows else before
            now = 0 if request != before else age
            above = odds.paid[window, request, now]
            total += weight * (request / typical + PRICES.kappa * above + PRICES.restart * (request != before))
            after[request, 0] += weight * above
            after[request, min((0 if odds.deploys[window] else now) + 1, ages - 1)] += weight * (1 - above)
        likely = after
    return total


def test_the_chance_of_a_peak_is_that_of_the_dice() -> None:
    law = Laws(
        level=np.full((400, WARM_UP + WINDOWS), 10.0),
        noise=np.full(400, 0.05),
        burst_probability=np.full(400, 0.1),
        burst_scale=np.full(400, 0.4),
        growth=np.zeros(400),
        deploys=np.zeros((400, WARM_UP + WINDOWS), np.bool_),
        kinds=np.zeros(400, np.int64),
    )
    rng = np.random.default_rng(0)
    noise, burst = rng.normal(size=200_000), rng.pareto(2.5, 200_000)
    peaks = 10 * np.exp(0.05 * noise) * np.where(rng.random(200_000) < 0.1, 1 + np.minimum(0.4 * burst, 2.5), 1)
    for request in (9, 10, 11, 12, 15, 20, 30):
        chance = chance_above(np.log(request), np.log(10), 0.05, 0.1, 0.4)
        assert law_odds(law, 0, MEMORY).paid[0, request, 0] == pytest.approx(chance)
        assert chance == pytest.approx((peaks > request).mean(), abs=4e-3 * chance**0.5)


def test_pods_that_have_just_been_deployed_have_not_grown() -> None:
    grown = grown_of(0.5, np.array([False, True, False]))
    assert grown.tolist() == [[0, 0.5, 1], [0, 0, 0], [0, 0.5, 1]]
