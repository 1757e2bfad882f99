"""The bound that must infer: what it expects of windows is what happens, and it stands between its neighbours."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from env.season.baselines import KRR, VPA, Rule, play
from env.season.bounds.filter import few_chance
from env.season.bounds.hypotheses import Prior
from env.season.bounds.inferring import inferred_odds, inferring
from env.season.bounds.informed import informed, law_odds
from env.season.bounds.kalman import rate_of, with_bursts
from env.season.forms import Form
from env.season.laws import KINDS, RANGES
from env.season.series import Series, generated
from env.season.variants import ALL_WINDOWS, VARIANTS, WARM_UP, WINDOWS
from env.season.window import Prices

MEMORY = VARIANTS["memory"]
PRICES = Prices(4.0, MEMORY.restart_price)
BOLD = 2.0
"""A price of use above the request at which requests are so low that there are windows to count."""
FEW = 200
"""Hypotheses: enough for one kind."""


@pytest.mark.parametrize("kind", ["flat", "weekly", "deploys"])
def test_peaks_are_above_requests_as_often_as_is_expected(kind: str) -> None:
    series, laws = generated(MEMORY, range(24), kind)
    expected, true, spread = 0.0, 0.0, 0.0
    for i in range(len(series)):
        odds = inferred_odds(series, i, MEMORY, kind, FEW).paid[:, :, 0]
        costs = np.arange(MEMORY.largest + 1) / series.typical[i] + BOLD * odds
        best = 1 + costs[:, 1:].argmin(axis=1)
        chosen = odds[range(WINDOWS), best]
        expected, spread = expected + chosen.sum(), spread + (chosen * (1 - chosen)).sum()
        true += law_odds(laws, i, MEMORY).paid[range(WINDOWS), best, 0].sum()
    assert abs(true - expected) < 2 * spread**0.5
    assert expected > 2


def test_the_bound_is_above_the_informed_one_and_below_all_rules() -> None:
    series, laws = generated(MEMORY, range(24), "shifts")
    bound = inferring(series, MEMORY, PRICES, "shifts", FEW)
    above = bound - informed(series, laws, MEMORY, PRICES)
    assert above.mean() > 3 * above.std() / len(series) ** 0.5
    for rule in (VPA, KRR, Rule("max", Form.MAXIMUM, (4, 1.05))):
        more = play(rule, series, MEMORY, PRICES).cost * WINDOWS - bound
        assert more.mean() > 2 * more.std() / len(series) ** 0.5


def test_more_hypotheses_change_little() -> None:
    series, _ = generated(MEMORY, range(6), "weekly")
    few, many = (inferring(series, MEMORY, PRICES, "weekly", kept) for kept in (FEW, 4 * FEW))
    assert few.mean() == pytest.approx(many.mean(), rel=0.002)


def test_pods_that_grow_cost_more_than_those_that_do_not() -> None:
    series, _ = generated(MEMORY, range(4), "leak")
    fresh = replace(series, growth=np.zeros(4))
    assert (inferring(series, MEMORY, PRICES, "leak", FEW) > inferring(fresh, MEMORY, PRICES, "flat", FEW)).all()


def test_a_window_is_expected_by_what_was_before_it_alone() -> None:
    series, _ = generated(MEMORY, range(1), "shifts")
    peaks = series.peaks.copy()
    peaks[0, WARM_UP + 10 :] *= 1.5
    other: Series = replace(series, peaks=peaks)
    odds, others = (inferred_odds(each, 0, MEMORY, "shifts", FEW).paid for each in (series, other))
    assert odds[:11].tobytes() == others[:11].tobytes()
    assert (odds[11] != others[11]).any()


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_a_prior_has_all_laws_that_may_be(name: str, kind: str | None) -> None:
    number = -1 if kind is None else KINDS.index(kind)
    ranges = RANGES[name]
    for leaks in (False, True):
        if (kind == "leak") != leaks and kind not in (None, "mixture") and (leaks or name == "memory"):
            continue
        if leaks and ranges.growth[1] == 0:
            continue
        rows = Prior(ranges, number, leaks).rows
        assert np.exp(rows["log_weight"]).sum() == pytest.approx(1)
        assert (rows["noise"] > ranges.noise[0]).all()
        assert (rows["noise"] < ranges.noise[1]).all()
        assert (rows["deploy"] > 0).any() == (kind in (None, "deploys", "mixture"))
        assert (rows["burst_probability"] > 0).any() == (kind in (None, "bursty", "mixture"))


def test_a_few_events_come_as_probably_as_when_they_are_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.integers(0, ALL_WINDOWS, rng.integers(3, 11))) for _ in range(40_000)]
    for window, so_far in ((40, 1), (100, 4)):
        like = [each for each in drawn if np.searchsorted(each, window) == so_far]
        share = np.mean([each[so_far] == window if so_far < len(each) else False for each in like])
        assert few_chance(window, so_far, (3, 10)) == pytest.approx(share, abs=4 * math.sqrt(share / len(like)))
    assert few_chance(0, 0, (1, 1)) == pytest.approx(1 / ALL_WINDOWS)
    assert few_chance(ALL_WINDOWS - 1, 0, (1, 1)) == pytest.approx(1)
    assert few_chance(50, 3, (1, 3)) == 0


def test_a_rate_is_learned_from_how_often_it_came_true() -> None:
    assert rate_of(0, 0, (0.02, 0.3)) == pytest.approx(0.28 / math.log(15), rel=0.02)
    assert rate_of(2000, 200, (0.02, 0.3)) == pytest.approx(0.1, rel=0.15)


def test_a_peak_far_above_was_a_burst_and_says_little_of_the_level() -> None:
    density, burst, step, shrink = with_bursts(0.5, 0.01, 0.05, 0.4)
    plain, unlikely, moved, learned = with_bursts(0.0, 0.01, 0.05, 0.4)
    assert burst > 0.99 > 0.1 > unlikely
    assert plain > density > 0
    assert abs(step) < 0.5 / 0.01 / 4
    assert (abs(moved) < 1, learned > shrink) == (True, True)
