"""Rules play the windows that an agent plays, see what it sees, and follow what their authors documented."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.baselines import FAMILIES, KRR, NOOP, VPA, Rule, play, play_one, settings_of, tune
from env.season.forms import Form, Histogram, vpa_bounds, vpa_moves
from env.season.series import Series, generated, measured
from env.season.variants import ALL_WINDOWS, VARIANTS, WARM_UP, WINDOWS
from env.season.window import Prices, start_request

MEMORY = VARIANTS["memory"]
PRICES = Prices(4.0, MEMORY.restart_price)
DAILY_PEAKS = Histogram(4, 1e7 / MEMORY.step, 0.390625)


def of_peaks(*peaks: float) -> Series:
    """A workload whose warm-up has the first of the peaks, and whose played windows begin with the others."""
    rest = [*peaks[1:], *[peaks[-1]] * (WINDOWS - len(peaks) + 1)]
    return measured(np.array([[*[peaks[0]] * WARM_UP, *rest]]))


def test_a_rule_that_does_nothing_holds_what_the_episode_starts_with() -> None:
    series, _ = generated(MEMORY, range(20))
    played = play(NOOP, series, MEMORY, PRICES)
    starts = [start_request(peaks, MEMORY.largest) for peaks in series.peaks]
    assert played.held == pytest.approx(starts / series.typical)
    assert not played.changed.any()
    assert played.cost == pytest.approx(played.held + 4 * played.exceeded)


def test_compiled_rules_play_as_plain_python_does() -> None:
    series, _ = generated(MEMORY, range(3))
    none = np.zeros((0, 3)), np.zeros(0, np.int64)
    for rule in (VPA, KRR, FAMILIES["percentile"][40], FAMILIES["mean + std"][3], FAMILIES["seasonal"][9]):
        settings, totals = settings_of(rule, MEMORY), np.zeros((3, 4))
        requests = np.zeros((3, WINDOWS), np.int64)
        for i, peaks in enumerate(series.peaks):
            play_one(
                int(rule.form), settings, none[1], none[0], DAILY_PEAKS, peaks, float(series.growth[i]),
                series.deploys[i], float(series.typical[i]), MEMORY.largest, MEMORY.kills, PRICES, totals[i],
                requests[i],
            )  # fmt: skip
        played = play(rule, series, MEMORY, PRICES)
        assert played.cost == pytest.approx(totals[:, 0] / WINDOWS)
        assert (played.requests == requests).all()
        assert played.held == pytest.approx(played.requests.mean(axis=1) / series.typical)


def test_vpa_asks_for_the_90th_percentile_of_eight_daily_peaks_and_a_margin() -> None:
    known = np.full(ALL_WINDOWS, 4.0)
    known[3::4] = 10.0
    target, low, high = vpa_bounds(known, WARM_UP, DAILY_PEAKS)
    assert 1.15 * 10 <= target <= 1.15 * 10 * 1.05  # the end of a bucket that grows by 5 %
    assert low < target < high


def test_vpa_forgets_a_day_by_half_each_day() -> None:
    known = np.full(ALL_WINDOWS, 4.0)
    known[20] = 10.0  # two days ago: an eighth of the weight, so above the 90th percentile no more a day later
    assert vpa_bounds(known, 28, DAILY_PEAKS)[0] > 11
    assert vpa_bounds(known, 36, DAILY_PEAKS)[0] < 5


def test_vpa_leaves_a_request_that_differs_by_less_than_a_tenth() -> None:
    assert not vpa_moves(request=20, target=21, low=10.0, high=40.0, age=9)
    assert vpa_moves(request=20, target=22, low=10.0, high=40.0, age=9)
    assert not vpa_moves(request=20, target=30, low=10.0, high=40.0, age=1)
    assert vpa_moves(request=20, target=30, low=21.0, high=40.0, age=0)


def test_krr_never_asks_for_less_than_the_peak_of_two_weeks_and_a_margin() -> None:
    played = play(KRR, of_peaks(10.0, 20.0, 10.0), MEMORY, PRICES)
    assert played.exceeded[0] == pytest.approx(1 / WINDOWS)
    # 12 seen (not 20), so 14 for two weeks; then 12 again, which is what 10 asks for
    assert played.held[0] == pytest.approx((12 + 56 * 14 + 55 * 12) / WINDOWS / 10)


def test_krr_asks_for_the_95th_percentile_of_cpu_without_a_margin() -> None:
    cpu = VARIANTS["cpu"]
    series = measured(np.array([[*[10.0] * WARM_UP, *[10.0, 9.0] * (WINDOWS // 2)]]))
    played = play(KRR, series, cpu, PRICES)
    assert played.held[0] == pytest.approx(1.0)
    assert not played.exceeded.any()


def test_a_peak_above_the_request_is_known_only_as_such() -> None:
    rule = Rule("max", Form.MAXIMUM, (4, 1.0))
    little, much = (play(rule, of_peaks(10.0, peak, 10.0), MEMORY, PRICES) for peak in (12.5, 50.0))
    assert little.held == pytest.approx(much.held)


def test_the_member_that_was_cheapest_so_far_is_found_for_each_workload() -> None:
    kinds = [generated(MEMORY, range(30), kind)[0] for kind in ("flat", "daily")]
    for series in kinds:
        cost = play(FAMILIES["ensemble"][1], series, MEMORY, PRICES).cost.mean()
        assert cost < play(VPA, series, MEMORY, PRICES).cost.mean()


def test_tuning_finds_a_setting_that_costs_no_more_than_others_of_its_family() -> None:
    series, _ = generated(MEMORY, range(20))
    best = tune(series, MEMORY, PRICES, ("max", "seasonal"))
    assert set(best) == {"max", "seasonal"}
    for name, rule in best.items():
        cost = play(rule, series, MEMORY, PRICES).cost.mean()
        assert all(cost <= play(each, series, MEMORY, PRICES).cost.mean() for each in FAMILIES[name][::7])


@pytest.mark.parametrize("name", ["cpu", "replicas"])
def test_rules_play_the_other_variants(name: str) -> None:
    variant = VARIANTS[name]
    series, _ = generated(variant, range(20))
    played = play(VPA, series, variant, Prices(4.0, variant.restart_price))
    assert 1 < played.held.mean() < 3
