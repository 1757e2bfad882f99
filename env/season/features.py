"""What an agent sees before it decides: the history in numbers, most of them in steps above the last request.

An action adds steps to the request, so what matters is how many steps a peak lies above it: an agent learns that once
for workloads of all sizes. Numbers are squashed, so that none leaves the box.
"""

from __future__ import annotations

import math
from typing import Any

from env.season.history import taken
from env.season.variants import DAYS_A_WEEK, WARM_UP, WINDOWS_A_DAY

LAGS = (1, 2, 3, 4, 5, 8, 12, 16, 20, 24, 26, 27, 28)
"""Windows back from the one to decide on: multiples of 4 are the same time of day, 28 is a week ago."""
SHARES = (1, 2, 4, 28)
FLAGS = (1, 4, 28)
FEATURES = (
    *(f"steps_above_{lag}_back" for lag in LAGS),
    *(f"share_{lag}_back" for lag in SHARES),
    *(f"exceeded_{lag}_back" for lag in FLAGS),
    "steps_above_day_max",
    "steps_above_day_mean",
    "steps_above_week_max",
    "steps_above_week_second",
    "steps_above_week_mean",
    "steps_above_week_mean_and_deviations",
    "steps_above_same_time_3_days_max",
    "steps_above_same_time_7_days_max",
    "steps_above_same_time_7_days_mean",
    "steps_above_same_time_weeks_max",
    "steps_above_all_max",
    "share_week_mean",
    "share_week_max",
    "deviation_week",
    "deviation_same_time",
    "exceeded_recently",
    "age",
    "since_deploy",
    "steps_a_day",
    "steps_since_start",
    *(f"time_of_day_{time}" for time in range(WINDOWS_A_DAY)),
    "weekend",
    "request",
    "one_over_request",
    "kappa",
)
"""Their names, in order."""
HIGHEST = 4.0
"""No feature is beyond it, in either direction."""


def features(history: Any, kappa: float, state: Any) -> None:
    """Write what is seen of a history.

    Args:
        history: A record with the fields of `env.season.history.HISTORY`; at least WARM_UP windows are known.
        kappa: The price of a window in which use is above the request.
        state: float32 (len(FEATURES),); filled.
    """
    n, request = history.known, float(history.request)
    at = 0
    for lag in LAGS:
        state[at] = squashed(taken(history, n - lag) - request)
        at += 1
    for lag in SHARES:
        state[at] = share(taken(history, n - lag), request)
        at += 1
    for lag in FLAGS:
        state[at] = history.exceeded[n - lag]
        at += 1
    day_max, _, day_mean, _ = summary(history, n - WINDOWS_A_DAY, n, 1)
    week_max, second, week_mean, deviation = summary(history, n - WARM_UP, n, 1)
    days_max, _, _, _ = summary(history, n - 3 * WINDOWS_A_DAY, n, WINDOWS_A_DAY)
    same_max, _, same_mean, same_deviation = summary(history, n - WARM_UP, n, WINDOWS_A_DAY)
    weeks_max, _, _, _ = summary(history, n % WARM_UP, n, WARM_UP)
    state[at] = squashed(day_max - request)
    state[at + 1] = squashed(day_mean - request)
    state[at + 2] = squashed(week_max - request)
    state[at + 3] = squashed(second - request)
    state[at + 4] = squashed(week_mean - request)
    state[at + 5] = squashed(week_mean + 2 * deviation - request)
    state[at + 6] = squashed(days_max - request)
    state[at + 7] = squashed(same_max - request)
    state[at + 8] = squashed(same_mean - request)
    state[at + 9] = squashed(weeks_max - request)
    state[at + 10] = squashed(history.highest - request)
    state[at + 11] = share(week_mean, request)
    state[at + 12] = share(week_max, request)
    state[at + 13] = squashed(deviation)
    state[at + 14] = squashed(same_deviation)
    state[at + 15] = min(history.recent, HIGHEST)
    state[at + 16] = min(history.age / WARM_UP, HIGHEST)
    state[at + 17] = min(history.since_deploy, WARM_UP) / WARM_UP
    state[at + 18] = squashed(taken(history, n - 1) - taken(history, n - 1 - WINDOWS_A_DAY))
    state[at + 19] = squashed(rise(history))
    at += 20
    for time in range(WINDOWS_A_DAY):
        state[at + time] = n % WINDOWS_A_DAY == time
    at += WINDOWS_A_DAY
    state[at] = n // WINDOWS_A_DAY % DAYS_A_WEEK >= DAYS_A_WEEK - 2
    state[at + 1] = math.log(request) / 3
    state[at + 2] = 4 / request
    state[at + 3] = math.log(1 + kappa) / 3


def summary(history: Any, first: int, end: int, every: int) -> tuple[float, float, float, float]:
    """Of the windows first, first + every, …, before end: the two highest peaks, the mean and standard deviation."""
    highest, second, total, squares, number = 0.0, 0.0, 0.0, 0.0, 0
    for window in range(first, end, every):
        peak = taken(history, window)
        second = max(second, min(peak, highest))
        highest = max(highest, peak)
        total += peak
        squares += peak * peak
        number += 1
    mean = total / number
    return highest, second, mean, math.sqrt(max(0.0, squares / number - mean * mean))


def rise(history: Any) -> float:
    """By how much the last peak was above that of the first window of the same pods, in steps; 0 if there is none."""
    if history.age < 2 or history.age > history.known:
        return 0.0
    return taken(history, history.known - 1) - taken(history, history.known - history.age)


def squashed(steps: float) -> float:
    """Steps within -2 to 2: near 0 as they are."""
    return 2 * steps / (abs(steps) + 2)


def share(peak: float, request: float) -> float:
    """A peak against the request, within 0 to 2: 1 if they are equal."""
    return 2 * peak / (peak + request)
