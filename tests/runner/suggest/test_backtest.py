"""Rules held against weeks of use: windows, what is proposed, and how it would have gone."""

from __future__ import annotations

import numpy as np
import pytest

from env.quantity import MIB
from env.season.variants import JUMPS, WARM_UP, WINDOWS_A_DAY
from env.usage.series import DAY_S, WINDOW_S, Floats, Track, UseSeries, use_of
from env.usage.usage import ContainerKey, Usage
from runner.suggest.backtest.learned import learned, step_bytes
from runner.suggest.backtest.proposers import KRR, VPA, History, Proposer, each_alone, held, simple
from runner.suggest.backtest.tested import backtested, with_proposals
from runner.suggest.backtest.walk import walk
from runner.suggest.backtest.windows import LEAST, WEEK, Windows, cut

MONDAY_S = 4 * 86_400.0
"""5 January 1970."""


def track(values: Floats, start_s: float = MONDAY_S, step_s: float = WINDOW_S / 4) -> Track:
    return Track(start_s + np.arange(len(values)) * step_s, values.astype(np.float64))


def windows(peaks: Floats) -> Windows:
    return Windows(16, peaks.astype(np.float64), np.ones(len(peaks), np.bool_))


def weekly(base: float, high: float, weeks: int) -> Floats:
    """One window of the week is high."""
    peaks = np.full(weeks * WEEK, base)
    peaks[9::WEEK] = high
    return peaks


def test_windows_are_those_of_the_environment() -> None:
    assert (WINDOW_S * WINDOWS_A_DAY, WEEK) == (DAY_S, WARM_UP)


def test_a_window_has_the_largest_sample_of_all_pods() -> None:
    found = cut([track(np.arange(8)), track(np.array([9.0, 0, 0, 0]))])
    assert (found.first, found.since_monday) == (16, 0)
    assert found.peaks.tolist() == [9.0, 7.0]


def test_a_first_or_last_window_that_lies_mostly_outside_is_no_window() -> None:
    found = cut([track(np.ones(4 + 4), MONDAY_S + 0.6 * WINDOW_S)])
    assert (found.first, len(found)) == (17, 2)
    assert len(cut([track(np.ones(4 + 1), MONDAY_S)])) == 1


def test_a_gap_is_not_tested_and_repeats_the_week_before() -> None:
    values = weekly(100.0, 300.0, 3).repeat(4)
    seconds = MONDAY_S + np.arange(len(values)) * WINDOW_S / 4
    kept = (seconds // WINDOW_S - 16) % WEEK != 9
    kept[: WEEK * 4] = True  # the high window is known of the first week alone
    found = cut([Track(seconds[kept], values[kept])])
    assert found.peaks.tolist() == weekly(100.0, 300.0, 3).tolist()
    assert (~found.is_measured).sum() == 2
    (test,) = walk([found], {"low": each_alone(lambda known: 200.0 * MIB)}, 4.0)
    assert (test.tried[0].ooms, test.tried[0].windows) == (0, 2 * WEEK - 2)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.ones((LEAST - 1) * 4), "13.75 days of use; a backtest takes 14"),
        (np.zeros(LEAST * 4), "it used nothing in half of its windows"),
        (np.ones(LEAST * 4), ""),
    ],
)
def test_a_series_that_is_too_short_or_empty_is_not_tested(values: Floats, why: str) -> None:
    assert cut([track(values)]).why_not == why


def test_each_week_has_the_request_by_the_weeks_before_and_nothing_else() -> None:
    seen: list[list[float]] = []

    def last(known: History) -> float:
        seen.append(known.peaks.tolist())
        return float(known.peaks[-1]) * MIB

    peaks = np.arange(1.0, 2 * WEEK + 3)
    (test,) = walk([windows(peaks * MIB)], {"last": each_alone(lambda known: last(History(known.peaks / MIB, 0)))}, 4.0)
    assert [len(each) for each in seen] == [WEEK, 2 * WEEK, 2 * WEEK + 2]
    tried = test.tried[0]
    assert tried.requests.tolist() == [28.0 * MIB] * WEEK + [56.0 * MIB] * 2
    assert tried.request == 58 * MIB
    assert (tried.ooms, tried.windows) == (WEEK + 2, WEEK + 2)
    typical, mean = 29.5, (28 * WEEK + 56 * 2) / (WEEK + 2)
    assert tried.held == pytest.approx(mean / typical)
    assert tried.cost == pytest.approx(mean / typical + 4 + 0.02 / (WEEK + 2))


def always(request_mib: float) -> Proposer:
    return each_alone(lambda known: request_mib * MIB)


def test_the_rule_that_costs_least_is_proposed_and_the_first_of_equals() -> None:
    rules = {"first": always(100), "same": always(100), "high": always(300)}
    (test,) = walk([windows(weekly(100.0, 300.0, 4) * MIB)], rules, 4.0)
    assert test.chosen.name == "first"
    assert [each.ooms for each in test.tried] == [3, 3, 0]
    (test,) = walk([windows(np.full(4 * WEEK, 200.0 * MIB))], rules, 4.0)
    assert test.chosen.name == "high"


def test_what_is_proposed_has_the_figures_of_choosing_by_the_weeks_before_each() -> None:
    peaks = np.full(4 * WEEK, 200.0 * MIB)
    (test,) = walk([windows(peaks)], {"low": always(100), "high": always(300)}, 4.0)
    assert (test.chosen.name, test.chosen.ooms) == ("high", 0)
    assert (test.followed.request, test.followed.ooms, test.followed.windows) == (300 * MIB, WEEK, 3 * WEEK)
    assert test.followed.requests.tolist() == [100.0 * MIB] * WEEK + [300.0 * MIB] * 2 * WEEK


@pytest.mark.parametrize(("high_windows", "request_mib"), [(1, 100.0), (7, 100.0), (8, 200.0)])
def test_windows_above_are_borne_while_that_costs_less_than_holding_more(high_windows: int, request_mib: float) -> None:
    needs = np.full(WEEK, 100.0)
    needs[:high_windows] = 200.0
    assert held(needs, 100.0, 4.0) == request_mib  # 4 x 7 / 28 = 1 = (200 - 100) / 100


def test_the_price_of_a_window_above_decides_how_much_is_held() -> None:
    needs = np.full(WEEK, 100.0)
    needs[:4] = 200.0
    assert [held(needs, 100.0, kappa) for kappa in (6.0, 8.0)] == [100.0, 200.0]  # 7 x 4 / 28 = 1
    found = windows(weekly(100.0, 300.0, 4) * MIB)
    for kappa, name in ((4.0, "low"), (60.0, "high")):
        (test,) = walk([found], {"low": always(100), "high": always(300)}, kappa)
        assert (test.chosen.name, test.kappa) == (name, kappa)


def test_no_oom_in_few_windows_is_no_rate_of_zero() -> None:
    (test,) = walk([windows(np.full(LEAST, 300.0 * MIB))], simple(4.0), 4.0)
    low, high = test.chosen.oom_interval
    assert (test.chosen.ooms, low, round(high, 3)) == (0, 0.0, 0.121)


def test_vpa_and_krr_say_what_they_document() -> None:
    (test,) = walk([windows(np.full(LEAST, 1000.0 * MIB))], simple(4.0), 4.0)
    by_name = {each.name: each.request / MIB for each in test.tried}
    assert by_name[KRR] == 1150
    assert 1150 <= by_name[VPA] <= 1150 * 1.05 + 1  # the end of its bucket


# --- a policy of Season-v0 -------------------------------------------------------------------------------------------


def as_high_as_a_week_ago(states: np.ndarray) -> np.ndarray:
    """Goes towards the peak of a week ago, which is in the feature `steps_above_28_back`."""
    from env.season.features import FEATURES

    squashed = states[:, FEATURES.index("steps_above_28_back")].astype(np.float64)
    above = 2 * squashed / (2 - np.abs(squashed))
    return np.abs(np.array(JUMPS)[None, :] - np.ceil(above)[:, None]).argmin(axis=1)


@pytest.mark.parametrize("since_monday", [0, 5, 27])
@pytest.mark.parametrize("weeks", [1, 2, 7])
def test_a_policy_is_asked_for_a_week_like_the_last_one(since_monday: int, weeks: int) -> None:
    peaks = np.full(weeks * WEEK + 3, 2048.0 * MIB)
    peaks[:-WEEK] = 3 * 1024 * MIB
    (request,) = learned(as_high_as_a_week_ago, 4.0)([History(peaks, since_monday)])
    assert request == 2048 * MIB


def test_many_containers_get_what_each_alone_gets() -> None:
    every = [History(np.full(WEEK * weeks, size * MIB), weeks) for weeks, size in ((1, 50.0), (2, 8000.0), (4, 300.0))]
    propose = learned(as_high_as_a_week_ago, 4.0)
    assert propose(every) == [propose([each])[0] for each in every]


@pytest.mark.parametrize(("typical_mib", "step_mib"), [(2048, 256), (2048 * 8, 2048), (100, 16), (5, 1), (0.1, 1)])
def test_steps_are_of_the_containers_size(typical_mib: float, step_mib: int) -> None:
    assert step_bytes(np.full(WEEK, typical_mib * MIB)) == step_mib * MIB


# --- what is known of use --------------------------------------------------------------------------------------------


def test_what_was_proposed_is_what_is_enough_and_short_series_keep_the_rule() -> None:
    keys = [ContainerKey("Deployment", "shop", name, name) for name in ("long", "short")]
    series = dict(zip(keys, (UseSeries(memory=(track(np.full(n, 1e9)),)) for n in (LEAST * 4, 40)), strict=True))
    usage = Usage({key: use_of(each, "file") for key, each in series.items()}, series=series)
    found = backtested(usage, None)
    assert list(found.found) == keys[:1]
    changed = with_proposals(usage, found)
    assert changed.of(keys[0]).proposed_bytes == found.found[keys[0]].chosen.request
    assert changed.of(keys[1]) == usage.of(keys[1])
    assert changed.notes == ("memory of 1 container by its peak: 2.5 days of use; a backtest takes 14",)
