"""What an agent sees before it decides: the history in numbers, most of them in steps above the last request.

An action adds steps to the request, so what matters is how many steps a peak lies above it: an agent learns that once
for workloads of all sizes. Numbers are squashed, so that none leaves the box.

Three simple forecasts are given with their errors of the last week: as the last window, as the same time yesterday, as
the same time a week ago. Which one is right tells what kind of workload it is, and its largest errors what margin it
needs. Of what is rare all windows are told, and not those of the last week alone: `tails.py`.
"""

from __future__ import annotations

import math
from typing import Any

from env.season.tails import GROWING_WEIGHT, REFERENCES, TOPS, place_of, reference_at
from env.season.variants import ALL_WINDOWS, DAYS_A_WEEK, WARM_UP, WINDOWS_A_DAY

LAGS = (1, 2, 3, 4, 5, 8, 12, 16, 20, 24, 26, 27, 28)
"""Windows back from the one to decide on: multiples of 4 are the same time of day, 28 is a week ago."""
FAR = (1, 2, 3, 4, 26, 27, 28)
"""Of these also on a wider scale: of windows to come that are many actions away."""
FORECASTS = (1, 4, 28)
"""Windows back from which a forecast takes its peak."""
LEAST_ERRORS = 4
"""A forecast with fewer errors that are known counts as unknown."""
SHARES = (1, 2, 4, 28)
FLAGS = (1, 4, 28)
ABOVE = (-8, -4, -2, -1, 0, 1, 2, 4, 8)
"""Steps above the request of which it is told how many of the peaks were higher."""
FEATURES = (
    *(f"steps_above_{lag}_back" for lag in LAGS),
    *(f"far_above_{lag}_back" for lag in FAR),
    *(f"share_{lag}_back" for lag in SHARES),
    *(f"exceeded_{lag}_back" for lag in FLAGS),
    "steps_above_day_max",
    "steps_above_day_mean",
    "steps_above_week_max",
    "steps_above_week_second",
    "steps_above_week_third",
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
    *(f"forecast_{lag}_back_{name}" for lag in FORECASTS for name in ("highest", "second", "third", "error")),
    *(f"tail_of_{name}_{top}" for name in REFERENCES for top in range(1, TOPS + 1)),
    *(f"{name}_above_{steps}" for name in ("share", "recent_share") for steps in ABOVE),
    "known",
    "growing",
    "steps_above_fresh",
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
NEAR, FAR_AWAY = 2.0, 12.0
"""Scales on which steps are squashed."""
UNKNOWN = 1000.0
"""An error that is not known, in steps."""
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
        state[at] = squashed(history.peaks_taken[n - lag] - request, NEAR)
        at += 1
    for lag in FAR:
        state[at] = squashed(history.peaks_taken[n - lag] - request, FAR_AWAY)
        at += 1
    for lag in SHARES:
        state[at] = share(history.peaks_taken[n - lag], request)
        at += 1
    for lag in FLAGS:
        state[at] = history.exceeded[n - lag]
        at += 1
    day_max, _, _, day_mean, _ = summary(history, n - WINDOWS_A_DAY, n, 1)
    week_max, second, third, week_mean, deviation = summary(history, n - WARM_UP, n, 1)
    days_max, _, _, _, _ = summary(history, n - 3 * WINDOWS_A_DAY, n, WINDOWS_A_DAY)
    same_max, _, _, same_mean, same_deviation = summary(history, n - WARM_UP, n, WINDOWS_A_DAY)
    weeks_max, _, _, _, _ = summary(history, n % WARM_UP, n, WARM_UP)
    state[at] = squashed(day_max - request, NEAR)
    state[at + 1] = squashed(day_mean - request, NEAR)
    state[at + 2] = squashed(week_max - request, NEAR)
    state[at + 3] = squashed(second - request, NEAR)
    state[at + 4] = squashed(third - request, NEAR)
    state[at + 5] = squashed(week_mean - request, NEAR)
    state[at + 6] = squashed(week_mean + 2 * deviation - request, NEAR)
    state[at + 7] = squashed(days_max - request, NEAR)
    state[at + 8] = squashed(same_max - request, NEAR)
    state[at + 9] = squashed(same_mean - request, NEAR)
    state[at + 10] = squashed(weeks_max - request, NEAR)
    state[at + 11] = squashed(history.highest - request, NEAR)
    state[at + 12] = share(week_mean, request)
    state[at + 13] = share(week_max, request)
    state[at + 14] = squashed(deviation, NEAR)
    state[at + 15] = squashed(same_deviation, NEAR)
    at += 16
    for lag in FORECASTS:
        highest, second, third, error = errors(history, lag)
        forecast = history.peaks_taken[n - lag] - request
        state[at] = squashed(forecast + highest, NEAR)
        state[at + 1] = squashed(forecast + second, NEAR)
        state[at + 2] = squashed(forecast + third, NEAR)
        state[at + 3] = squashed(error, NEAR)
        at += 4
    at = tails(history, n, request, state, at)
    state[at] = squashed(8 * history.growing, NEAR)
    state[at + 1] = squashed(history.peaks_taken[first_of_pods(history)] - request, NEAR)
    state[at + 2] = min(history.recent, HIGHEST)
    state[at + 3] = min(history.age / WARM_UP, HIGHEST)
    state[at + 4] = min(history.since_deploy, WARM_UP) / WARM_UP
    state[at + 5] = squashed(history.peaks_taken[n - 1] - history.peaks_taken[n - 1 - WINDOWS_A_DAY], NEAR)
    state[at + 6] = squashed(history.peaks_taken[n - 1] - history.peaks_taken[first_of_pods(history)], NEAR)
    at += 7
    for time in range(WINDOWS_A_DAY):
        state[at + time] = n % WINDOWS_A_DAY == time
    at += WINDOWS_A_DAY
    state[at] = n // WINDOWS_A_DAY % DAYS_A_WEEK >= DAYS_A_WEEK - 2
    state[at + 1] = math.log(request) / 3
    state[at + 2] = 4 / request
    state[at + 3] = math.log(1 + kappa) / 3


def tails(history: Any, n: int, request: float, state: Any, at: int) -> int:
    """Write what is rare, from place `at` on; returns the place after it."""
    for number in range(len(REFERENCES)):
        reference = reference_at(history, number, n)
        for top in range(TOPS):
            state[at] = squashed(reference * history.tops[number, top] - request, NEAR)
            at += 1
    top, least = place_of(history.highest), request + ABOVE[0]
    all_weights = (GROWING_WEIGHT**n - 1) / (GROWING_WEIGHT - 1)
    for i in range(len(ABOVE)):
        state[at + i] = 0.0
        state[at + len(ABOVE) + i] = 0.0
    counted, weighed, step = 0.0, 0.0, len(ABOVE) - 1
    for place in range(top, -1, -1):
        if place <= least:
            break
        while place <= request + ABOVE[step]:
            state[at + step] = math.sqrt(counted / n)
            state[at + len(ABOVE) + step] = math.sqrt(weighed / all_weights)
            step -= 1
        counted += history.counts[place]
        weighed += history.weights[place]
    for i in range(step + 1):
        state[at + i] = math.sqrt(counted / n)
        state[at + len(ABOVE) + i] = math.sqrt(weighed / all_weights)
    at += 2 * len(ABOVE)
    state[at] = n / ALL_WINDOWS
    return at + 1


def summary(history: Any, first: int, end: int, every: int) -> tuple[float, float, float, float, float]:
    """Of the windows first, first + every, …, before end: the three highest peaks, the mean and standard deviation."""
    highest, second, third, total, squares, number = 0.0, 0.0, 0.0, 0.0, 0.0, 0
    for window in range(first, end, every):
        peak = history.peaks_taken[window]
        third = max(third, min(peak, second))
        second = max(second, min(peak, highest))
        highest = max(highest, peak)
        total += peak
        squares += peak * peak
        number += 1
    mean = total / number
    return highest, second, third, mean, math.sqrt(max(0.0, squares / number - mean * mean))


def errors(history: Any, lag: int) -> tuple[float, float, float, float]:
    """By how much peaks of the last week were above those `lag` windows before them, in steps.

    Returns:
        The three highest, and the mean of all without their signs; where too few are known, 0 and UNKNOWN.
    """
    n = history.known
    first = max(n - WARM_UP, lag)
    if n - first < LEAST_ERRORS:
        return 0.0, 0.0, 0.0, UNKNOWN
    highest, second, third, total = -UNKNOWN, -UNKNOWN, -UNKNOWN, 0.0
    for window in range(first, n):
        error = history.peaks_taken[window] - history.peaks_taken[window - lag]
        third = max(third, min(error, second))
        second = max(second, min(error, highest))
        highest = max(highest, error)
        total += abs(error)
    return highest, second, third, total / (n - first)


def first_of_pods(history: Any) -> int:
    """The first window of the pods that run; the last one, if they are new."""
    return int(history.known - history.age) if 1 <= history.age <= history.known else int(history.known - 1)


def squashed(steps: float, scale: float) -> float:
    """Steps within -2 to 2; half of that at `scale`."""
    return 2 * steps / (abs(steps) + scale)


def share(peak: float, request: float) -> float:
    """A peak against the request, within 0 to 2: 1 if they are equal."""
    return 2 * peak / (peak + request)
