"""Confidence intervals: known values, and what holds for any sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.evaluation.intervals import Estimate, mean, median, share

samples = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_a_share_has_the_interval_that_newcombe_tabulates(part: int, whole: int, low: float, high: float) -> None:
    found = share(part, whole)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((part / whole, low, high), abs=5e-5)


@given(st.data(), st.integers(1, 10_000))
def test_a_share_lies_within_its_interval_and_that_within_0_and_1(data: st.DataObject, whole: int) -> None:
    found = share(data.draw(st.integers(0, whole)), whole)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@given(st.data(), st.integers(1, 1000))
def test_the_interval_of_what_is_left_is_the_mirror_image(data: st.DataObject, whole: int) -> None:
    part = data.draw(st.integers(0, whole))
    one, other = share(part, whole), share(whole - part, whole)
    assert one is not None
    assert other is not None
    assert one.low == pytest.approx(1 - (other.high or 0))


@given(samples)
def test_bootstrap_intervals_stay_within_the_sample_and_repeat(values: list[float]) -> None:
    for statistic in (mean, median):
        found = statistic(values)
        assert found == statistic(values)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        slack = 1e-9 * max(map(abs, values))
        assert min(values) - slack <= found.low <= found.high <= max(values) + slack


@given(samples, st.floats(-100, 100), st.floats(0.01, 100))
def test_shifting_and_stretching_a_sample_does_the_same_to_its_intervals(
    values: list[float], shift: float, scale: float
) -> None:
    for statistic in (mean, median):
        before, after = statistic(values), statistic([scale * value + shift for value in values])
        assert before is not None
        assert after is not None
        moved = [scale * (end or 0) + shift for end in (before.value, before.low, before.high)]
        slack = 1e-6 * (1 + abs(shift) + scale * max(map(abs, values)))
        assert [after.value, after.low, after.high] == pytest.approx(moved, abs=slack)


def test_the_interval_of_a_mean_is_the_normal_one_where_that_is_exact_enough() -> None:
    values = [float(value % 100) for value in range(2000)]
    found = mean(values)
    assert found is not None
    reach = 1.96 * 28.866 / 2000**0.5
    assert (found.low, found.high) == pytest.approx((49.5 - reach, 49.5 + reach), abs=0.1)


def test_a_large_sample_is_drawn_in_parts_with_the_same_result_in_kind() -> None:
    found = mean([0.0, 1.0] * 5_000)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.4902, 0.5098), abs=1e-3)


def test_nothing_has_no_estimate_and_one_value_no_interval() -> None:
    assert share(0, 0) is mean([]) is median([]) is None
    assert mean([3.0]) == median([3.0]) == Estimate(3.0, None, None)
