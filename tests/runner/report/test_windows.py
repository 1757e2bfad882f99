"""Many single measurements as few points."""

from __future__ import annotations

import numpy as np
import pytest

from runner.report.windows import POINTS, is_early, means


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("n", [1, 7, 3_001, 200_000])
def test_windows_are_few_and_hold_every_measurement_once(n: int, log: bool) -> None:
    x = np.arange(1, n + 1, dtype=np.float64)
    found = means(x, np.ones(n), log=log)
    assert len(found.x) <= POINTS + 1
    assert found.x[-1] == n
    assert (np.diff(found.x) > 0).all()
    assert (found.mean == 1).all()


def test_a_mean_has_its_interval_and_leaves_out_what_is_not_known() -> None:
    y = np.tile([0.0, 2.0, np.nan, np.nan], 1_000)
    found = means(np.arange(1.0, len(y) + 1), y, log=False)
    assert found.mean == pytest.approx(np.ones(len(found.mean)), abs=0.1)
    assert (found.low < found.mean).all()


def test_only_learning_at_the_very_left_is_early() -> None:
    x = np.arange(1.0, 2_001)
    assert is_early(x, 1 - np.exp(-x / 50))
    assert not is_early(x, x / 2_000)
    assert not is_early(x, np.zeros(2_000))
    assert not is_early(x[:3], x[:3])
