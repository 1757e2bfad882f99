"""What the peak of each window may be for one who has seen all before it, by Bayes' rule.

Each hypothesis has a Kalman filter (`kalman.py`). Where a level may shift, a phase may end or the high window of the
week may have come, a hypothesis splits in two; the least probable ones are dropped. This is a Gaussian sum filter:
Alspach & Sorenson, "Nonlinear Bayesian estimation using Gaussian sum approximations", 1972.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.season.bounds.hypotheses import (
    BASE,
    HYPOTHESIS,
    NEVER,
    NOT_YET,
    PHASE,
    STATE,
    Hypotheses,
    Prior,
    shift_moments,
)
from env.season.bounds.kalman import WINDOWS_A_WEEK, Floats, expect, let_pass, parts_of, rate_of, take_in
from env.season.laws import MOST_SHIFTS, RANGES, Ranges
from env.season.series import Series, kind_number
from env.season.variants import ALL_WINDOWS, WARM_UP, WINDOWS, Variant

KEPT = 500
"""So many hypotheses are kept after each window."""
CUTS = 2
"""Into so many parts the cells are cut, after the warm-up, that are probable then."""
IMPROBABLE = 14.0
"""Hypotheses are dropped that are exp(this) times less probable than the most probable one."""
_BISECTIONS = 20
MOST_SPLIT = 8
"""Into so many a hypothesis splits at most, in a window."""


class Terms(NamedTuple):
    """What all hypotheses have in common.

    Attributes:
        most: Peaks are clipped to 0 and this; logarithms of steps.
        shift: Mean and variance of the logarithm of a shift's factor.
        shifts: The fewest and the most of them, in all windows.
        deploys: The same of deploys.
        stay: The range of the probability that a phase ends with a window.
        bursts: The range of that of a burst in a window.
    """

    most: float
    shift: tuple[float, float]
    shifts: tuple[int, int]
    deploys: tuple[int, int]
    stay: tuple[float, float]
    bursts: tuple[float, float]


def terms_of(ranges: Ranges, variant: Variant) -> Terms:
    """The terms of a generator of laws."""
    deploys = int(ranges.deploys[0]), int(ranges.deploys[1])
    return Terms(
        math.log(variant.most_peak),
        shift_moments(ranges),
        (1, MOST_SHIFTS),
        deploys,
        ranges.stay,
        ranges.burst_probability,
    )


def few_chance(window: int, so_far: int, numbers: tuple[int, int]) -> float:
    """How probably one of a few events is in the next window, each of which is in any window as probably.

    Args:
        window: Number of windows so far.
        so_far: Events in them.
        numbers: The fewest and the most events in all windows; each number is as probable.
    """
    share, total, left = window / ALL_WINDOWS, 0.0, 0.0
    for number in range(max(numbers[0], so_far), numbers[1] + 1):
        ways = 1.0
        for i in range(so_far):
            ways *= (number - i) / (i + 1)
        weight = ways * (1 - share) ** (number - so_far)
        total += weight
        left += weight * (number - so_far)
    return min(left / total / (ALL_WINDOWS - window), 1.0) if total > 0 else 0.0


def branch(rows: Any, count: int, chance: float) -> int:
    """Split the first hypotheses in two: those that stay where they are, and copies behind them.

    Returns:
        How many there are now: twice as many, unless the chance of the copies is 0.
    """
    if chance <= 0:
        return count
    for i in range(count):
        rows[count + i] = rows[i]
        rows[count + i].log_weight += math.log(chance)
        rows[i].log_weight += math.log(max(1 - chance, 1e-300))
    return 2 * count


def split(row: Any, window: int, deployed: bool, deploy: float, terms: Terms, into: Any) -> int:
    """Write what a hypothesis may turn into in a window, with weights, before its peak is known.

    Args:
        row: Of HYPOTHESIS.
        window: Its number, from 0.
        deployed: Whether there is a deploy before it.
        deploy: How probable that is for a law that has deploys.
        terms: What all have in common.
        into: At least MOST_SPLIT rows of HYPOTHESIS; the first ones are written.

    Returns:
        How many; 0 if this cannot be.
    """
    if deployed and row.deploy == 0:
        return 0
    into[0] = row
    if row.deploy > 0:
        into[0].log_weight += math.log(max(deploy if deployed else 1 - deploy, 1e-300))
        if deployed:
            into[0].covariance[BASE, BASE] += row.deploy * row.deploy
    count = 1
    if row.week == NOT_YET:
        count = branch(into, 1, 1 / (WINDOWS_A_WEEK - window))
        into[1].week = window
    if row.shifts != NEVER:
        before = count
        count = branch(into, count, few_chance(window, row.shifts, terms.shifts))
        for i in range(before, count):
            into[i].shifts += 1
            into[i].mean[BASE] += terms.shift[0]
            into[i].covariance[BASE, BASE] += terms.shift[1]
    if row.phase != NEVER:
        phase, before = max(row.phase, 0), count
        chance = 0.5 if row.phase == NOT_YET else rate_of(row.stays[phase], float(row.ends[phase]), terms.stay)
        count = branch(into, count, chance)
        for i in range(count):
            ended = i >= before
            if row.phase != NOT_YET:
                into[i].stays[phase] += 1
                into[i].ends[phase] += 1 if ended else 0
            set_phase(into[i], phase, ended)
    return count


def set_phase(row: Any, phase: int, ended: bool) -> None:
    """Stay in a phase or, where it ended, be in the other one; each stay in the upper one has a height of its own."""
    row.phase = 1 - phase if ended else phase
    if not ended:
        return
    row.mean[PHASE] = row.height[0]
    for i in range(STATE):
        row.covariance[i, PHASE] = 0.0
        row.covariance[PHASE, i] = 0.0
    row.covariance[PHASE, PHASE] = row.height[1]


def drop_improbable(rows: Any, count: int, kept: int) -> int:
    """Move the most probable hypotheses to the front; return how many those are.

    So many are kept of those with deploys, and of those without: a deploy is seen, and rules out all of the latter.
    """
    without, with_deploys = threshold(rows, count, kept, False), threshold(rows, count, kept, True)
    number = 0
    for i in range(count):
        if rows[i].log_weight >= (with_deploys if rows[i].deploy > 0 else without):
            rows[number] = rows[i]
            number += 1
    return number


def threshold(rows: Any, count: int, kept: int, deploys: bool) -> float:
    """From which logarithm of a weight on hypotheses are kept, of those with or without deploys: by bisection."""
    best = -math.inf
    for i in range(count):
        if (rows[i].deploy > 0) == deploys:
            best = max(best, rows[i].log_weight)
    low, high = best - IMPROBABLE, best
    for step in range(_BISECTIONS):
        middle, above = (low if step == 0 else (low + high) / 2), 0
        for i in range(count):
            if (rows[i].deploy > 0) == deploys and rows[i].log_weight >= middle:
                above += 1
        if above <= kept:
            high = middle
            if step == 0:
                break
        else:
            low = middle
    return high


def normalise(rows: Any, count: int) -> None:
    """Let the weights of the first hypotheses sum to 1."""
    best, total = -math.inf, 0.0
    for i in range(count):
        best = max(best, rows[i].log_weight)
    for i in range(count):
        total += math.exp(rows[i].log_weight - best)
    for i in range(count):
        rows[i].log_weight -= best + math.log(total)


def expected_odds(
    series: Series, index: int, variant: Variant, kind: str | None, thresholds: Floats, kept: int, cuts: int
) -> Floats:
    """How probably the peak of a fresh pod is above thresholds, by all windows before it.

    Args:
        series: Peaks of fresh pods, which are all seen here, also those above the request; whether the pods grow is
            told.
        index: Which of its workloads.
        variant: What is asked for.
        kind: The kind that laws are drawn of, one of `env.season.laws.KINDS`; None: any.
        thresholds: (m,) In steps, ascending.
        kept: So many hypotheses are kept after each window.
        cuts: Into how many parts cells are cut that are probable after the warm-up.

    Returns:
        (WINDOWS, 2, m): how probably there is no deploy before the window and the peak is above; and the same with a
        deploy.
    """
    terms = terms_of(RANGES[variant.name], variant)
    first = _prior(variant.name, kind, bool(series.growth[index] > 0))
    with np.errstate(divide="ignore"):
        logs, peaks = np.log(thresholds), np.log(series.peaks[index])
    odds = np.zeros((WINDOWS, 2, len(thresholds)))
    seen = compiled()(first.rows, peaks, series.deploys[index], WARM_UP, logs, terms, 4 * kept, odds)
    rows = first.refined(seen, cuts)
    compiled()(rows, peaks, series.deploys[index], ALL_WINDOWS, logs, terms, kept, odds)
    return odds


@cache
def _prior(variant: str, kind: str | None, leaks: bool) -> Prior:
    return Prior(RANGES[variant], kind_number(kind), leaks)


@cache
def compiled() -> Callable[..., Hypotheses]:
    """The compiled `run`; machine code is kept on disk for the next process."""
    sources = ""

    def run(
        first: Hypotheses,
        peaks: Floats,
        deploys: NDArray[np.bool_],
        windows: int,
        thresholds: Floats,
        terms: Terms,
        kept: int,
        odds: Floats,
    ) -> Hypotheses:
        """Go through the first windows; before a window that is played is seen, write how probably it is above
        thresholds, without and with a deploy. Return the hypotheses after them."""
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        room = 4 * max(len(first), kept) + MOST_SPLIT
        now, after, scratch = np.empty(room, HYPOTHESIS), np.empty(room, HYPOTHESIS), np.empty(MOST_SPLIT, HYPOTHESIS)
        count, deployed, parts = len(first), 0, np.empty(STATE)
        now[:count] = first
        for window in range(windows):
            deploy, following = few_chance(window, deployed, terms.deploys), 0
            for i in range(count):
                if window > 0:
                    let_pass(now[i])
                if window >= WARM_UP:
                    for lane in range(2):
                        for j in range(split(now[i], window, lane == 1, deploy, terms, scratch)):
                            parts_of(scratch[j], window, parts)
                            expect(scratch[j], parts, thresholds, terms.most, odds[window - WARM_UP, lane])
                if following + MOST_SPLIT > room:
                    following = drop_improbable(after, following, room // 4)
                begin, here = following, after[following : following + MOST_SPLIT]
                following += split(now[i], window, deploys[window], deploy, terms, here)
                for j in range(begin, following):
                    parts_of(after[j], window, parts)
                    take_in(after[j], parts, peaks[window], terms.most, terms.bursts)
            deployed += 1 if deploys[window] else 0
            count = drop_improbable(after, following, kept)
            normalise(after, count)
            now, after = after, now
        return now[:count].copy()

    sources = jit.register_callees(run)
    made: Callable[..., Hypotheses] = jit.compiled(run, error_model="numpy")
    return made
