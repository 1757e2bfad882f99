"""What one window does and costs."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.variants import JUMPS, WARM_UP
from env.season.window import Prices, Window, play_window, request_after, start_request, window_cost

STAY, UP_4 = JUMPS.index(0), JUMPS.index(4)


def test_a_request_does_not_leave_what_is_allowed() -> None:
    assert request_after(5, JUMPS.index(-4), 64) == 1
    assert request_after(4, JUMPS.index(-4), 64) == 4
    assert request_after(62, UP_4, 64) == 62


def test_a_leak_grows_with_the_age_of_the_pods() -> None:
    assert play_window(10, 6, STAY, 8.0, 0.5, False, True, 64) == Window(10, False, 11.0, True, 0)
    assert play_window(10, 2, STAY, 8.0, 0.5, False, True, 64) == Window(10, False, 9.0, False, 3)


def test_changes_and_deploys_start_pods_anew_and_so_do_kills() -> None:
    assert play_window(10, 6, UP_4, 8.0, 0.5, False, True, 64) == Window(14, True, 8.0, False, 1)
    assert play_window(10, 6, STAY, 8.0, 0.5, True, True, 64) == Window(10, False, 8.0, False, 1)
    assert play_window(10, 6, STAY, 8.0, 0.5, False, False, 64) == Window(10, False, 11.0, True, 7)


def test_a_peak_of_exactly_the_request_fits() -> None:
    assert not play_window(10, 0, STAY, 10.0, 0.0, False, True, 64).exceeded
    assert play_window(10, 0, STAY, 10 + 1 / 4096, 0.0, False, True, 64).exceeded


def test_a_window_costs_its_request_and_the_prices_of_what_went_wrong() -> None:
    prices = Prices(4.0, 0.02)
    assert window_cost(12, False, False, 8.0, prices) == 1.5
    assert window_cost(12, True, True, 8.0, prices) == pytest.approx(5.52)


def test_an_episode_starts_at_vpas_form_of_the_warm_up() -> None:
    peaks = np.concatenate([np.full(WARM_UP - 4, 10.0), np.full(4, 11.0), np.full(112, 60.0)])
    assert start_request(peaks, 64) == 13
    assert start_request(peaks, 12) == 12
