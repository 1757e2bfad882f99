"""The laws that use follows, drawn from a seed; numba compiles them.

A law gives the level of every window (season, shifts, deploys and a slow wander: all that is not dice), the noise and
the bursts around it, and how much a pod grows with its age. Every number is a function of the seed and what it is for
(`env.problems.philox`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from env.problems.philox import below, philox
from env.season.variants import ALL_WINDOWS, DAYS_A_WEEK, WINDOWS_A_DAY


class Kind(IntEnum):
    """What about a workload's use varies, besides noise and a slow wander."""

    FLAT = 0
    DAILY = 1
    """Each of the day's windows has a level of its own; half of such workloads are calm at weekends."""
    WEEKLY = 2
    """One window of the week is higher."""
    LEAK = 3
    """Use grows with every window until the pods start anew."""
    BURSTY = 4
    """Some windows, at random, are higher."""
    SHIFTS = 5
    """The level changes a few times for good; or goes up for a while, each time to another height, and down again."""
    DEPLOYS = 6
    """Deploys, which are seen afterwards, change the level and start the pods anew."""
    MIXTURE = 7
    """Two of the others at once, other than FLAT."""


KINDS = tuple(each.name.lower() for each in Kind)
"""Names of kinds, in the order of their numbers."""


SHARES = (
    *(int(Kind.FLAT),) * 2,
    int(Kind.DAILY),
    int(Kind.WEEKLY),
    int(Kind.LEAK),
    int(Kind.BURSTY),
    *(int(Kind.SHIFTS),) * 2,
    int(Kind.DEPLOYS),
    int(Kind.MIXTURE),
)
"""Kinds where any may be drawn, each as often as it stands here. Half are those that a day of measurements can show."""


class Ranges(NamedTuple):
    """What parameters are drawn from: uniform or log-uniform (those marked L) from the first to the second.

    Attributes:
        base: L. The level, in steps, before anything varies.
        noise: L. Standard deviation of the logarithm of a peak around its level.
        wander: L. Standard deviation of the logarithm of the level's slow wander.
        memory: How much of its wander a level keeps from one window to the next.
        daily: By how much of the base the highest window of a day is above it.
        weekly: The same for the window of the week.
        growth: Growth per window, as a share of the base.
        burst_probability: L. Of a burst in a window.
        burst_scale: Of the Pareto law of the bursts' heights.
        shift: L. What a shift multiplies the level by.
        phase: L. By how much of the lower level the highest stay is above it.
        stay: L. Probability that a window is the last one of a stay, above or below.
        deploys: How many there are, of all windows.
        deploy: Standard deviation of the logarithm of what a deploy multiplies the level by.
    """

    base: tuple[float, float]
    noise: tuple[float, float]
    wander: tuple[float, float]
    memory: tuple[float, float]
    daily: tuple[float, float]
    weekly: tuple[float, float]
    growth: tuple[float, float]
    burst_probability: tuple[float, float]
    burst_scale: tuple[float, float]
    shift: tuple[float, float]
    phase: tuple[float, float]
    stay: tuple[float, float]
    deploys: tuple[float, float]
    deploy: tuple[float, float]


# Fitted to half of the pods in Alibaba's GenTD26 trace: memory's noise, wander, memory, bursts, shifts, phases and
# stays. With them, quantiles of variation, changes from window to window, autocorrelation, peaks and changes of level
# are like those pods', of the kinds flat, bursty and shifts, as often as in SHARES. The trace has 22.8 hours, of which
# a window is ten minutes. So nothing could be fitted of days, weeks, leaks and deploys, nor of CPU and replicas.
_MEMORY = Ranges(
    base=(3.0, 20.0),
    noise=(0.0002, 0.01),
    wander=(0.001, 0.04),
    memory=(0.6, 0.97),
    daily=(0.5, 2.0),
    weekly=(0.5, 1.5),
    growth=(0.005, 0.05),
    burst_probability=(0.015, 0.06),
    burst_scale=(0.1, 0.3),
    shift=(0.45, 2.1),
    phase=(0.4, 1.8),
    stay=(0.05, 0.38),
    deploys=(3.0, 10.0),
    deploy=(0.05, 0.3),
)
RANGES: Mapping[str, Ranges] = {
    "memory": _MEMORY,
    "cpu": _MEMORY._replace(base=(2.0, 10.0), noise=(0.02, 0.25), burst_probability=(0.04, 0.2), growth=(0.0, 0.0)),
    "replicas": _MEMORY._replace(base=(2.0, 16.0), noise=(0.02, 0.15), growth=(0.0, 0.0)),
}
"""By the name of the variant. CPU and replicas don't leak: there, leaks are flat."""

MOST_BURST = 2.5
"""A burst adds at most so much of the level."""
BURST_SHAPE = 2.5
"""Of the Pareto law of bursts: the larger, the fewer high ones."""
MOST_SHIFTS = 3
LEAST_STAY = 0.3
"""The height of each stay is drawn evenly, from this share of the highest one on."""
GRAIN = 4096
"""Peaks and growth are whole numbers of a step / GRAIN: 64Ki of memory. So they are the same numbers on every machine,
although logarithms differ in their last bit."""

LAW = np.dtype(
    [
        ("kind", np.int64),
        ("level", np.float64, (ALL_WINDOWS,)),
        ("noise", np.float64),
        ("burst_probability", np.float64),
        ("burst_scale", np.float64),
        ("growth", np.float64),
        ("deploys", np.uint8, (ALL_WINDOWS,)),
    ]
)
"""One law: see `env.season.series.Laws`. (numba has no arrays of bool in records.)"""

_FOR_KIND, _FOR_BASE, _FOR_DAY, _FOR_WEEK, _FOR_LEAK, _FOR_BURSTS, _FOR_SHIFT, _FOR_DEPLOY, _FOR_WANDER = range(9)
_FOR_PHASES = 9
FOR_PEAKS = 10
"""What random numbers are for; `env.season.series` draws peaks."""
_SIMPLE = int(Kind.MIXTURE)
_PARTS = _SIMPLE - 1


def draw_law(law: Any, seed: int, kind: int, ranges: Ranges, most_peak: float) -> None:
    """Draw the law of a seed.

    Args:
        law: A record with the fields of LAW; filled.
        seed: 0 to 2^63 - 1.
        kind: Of `Kind`; -1: any, as often as `SHARES` says.
        ranges: What its parameters are drawn from.
        most_peak: No level is above it, in steps.
    """
    words, base_words = philox(seed, _FOR_KIND, 0), philox(seed, _FOR_BASE, 0)
    kind = kind if kind >= 0 else SHARES[below(words[0], len(SHARES))]
    base = log_between(base_words[0], *ranges.base)
    law.kind = kind
    law.noise = log_between(base_words[1], *ranges.noise)
    law.burst_probability = 0.0
    law.burst_scale = 0.0
    law.growth = 0.0
    law.deploys[:] = 0
    law.level[:] = base
    wander = log_between(base_words[2], *ranges.wander)
    _wander(law.level, seed, wander, between(base_words[3], ranges.memory[0], ranges.memory[1]))
    if kind < _SIMPLE:
        _add(law, seed, kind, base, ranges)
    else:
        first = below(words[1], _PARTS)
        second = (first + 1 + below(words[2], _PARTS - 1)) % _PARTS
        _add(law, seed, 1 + first, base, ranges)
        _add(law, seed, 1 + second, base, ranges)
    for window in range(ALL_WINDOWS):
        law.level[window] = min(max(law.level[window], 1.0), most_peak)


def _add(law: Any, seed: int, kind: int, base: float, ranges: Ranges) -> None:
    """Let a law vary as a kind does, besides what it does already."""
    if kind == Kind.DAILY:
        _add_days(law.level, seed, ranges)
    elif kind == Kind.WEEKLY:
        words = philox(seed, _FOR_WEEK, 0)
        window, above = below(words[0], WINDOWS_A_DAY * DAYS_A_WEEK), between(words[1], *ranges.weekly)
        law.level[window :: WINDOWS_A_DAY * DAYS_A_WEEK] *= 1 + above
    elif kind == Kind.LEAK:
        law.growth = on_grain(base * between(philox(seed, _FOR_LEAK, 0)[0], *ranges.growth))
    elif kind == Kind.BURSTY:
        words = philox(seed, _FOR_BURSTS, 0)
        law.burst_probability = log_between(words[0], *ranges.burst_probability)
        law.burst_scale = between(words[1], *ranges.burst_scale)
    elif kind == Kind.SHIFTS:
        words = philox(seed, _FOR_SHIFT, 0)
        if words[1] & 1 == 0:  # half go up and down, and half of those do not shift besides
            _add_phases(law.level, seed, ranges)
        for number in range(0 if words[1] & 3 == 0 else 1 + below(words[0], MOST_SHIFTS)):
            words = philox(seed, _FOR_SHIFT, 1 + number)
            law.level[below(words[0], ALL_WINDOWS) :] *= log_between(words[1], *ranges.shift)
    elif kind == Kind.DEPLOYS:
        words = philox(seed, _FOR_DEPLOY, 0)
        spread = between(words[1], *ranges.deploy)
        for number in range(int(between(words[0], ranges.deploys[0], ranges.deploys[1] + 1))):
            words = philox(seed, _FOR_DEPLOY, 1 + number)
            window = below(words[0], ALL_WINDOWS)
            law.deploys[window] = 1
            law.level[window:] *= math.exp(spread * normals(words[1], words[2])[0])


def _add_days(level: Any, seed: int, ranges: Ranges) -> None:
    """Give each window of a day a level of its own, the highest the same as drawn, the others as of a Dirichlet law."""
    words, more = philox(seed, _FOR_DAY, 0), philox(seed, _FOR_DAY, 1)
    shape = (-math.log(unit(words[0])), -math.log(unit(words[1])), -math.log(unit(words[2])), -math.log(unit(words[3])))
    above = between(more[0], *ranges.daily) / max(shape)
    calm = more[1] & 1 == 0
    for window in range(ALL_WINDOWS):
        if not (calm and window // WINDOWS_A_DAY % DAYS_A_WEEK >= 5):
            level[window] *= 1 + above * shape[window % WINDOWS_A_DAY]


def _add_phases(level: Any, seed: int, ranges: Ranges) -> None:
    """Let a level go up and down, and stay for a geometrically distributed time; each stay above has a height anew."""
    words, more = philox(seed, _FOR_PHASES, 0), philox(seed, _FOR_PHASES, 1)
    above = log_between(words[0], *ranges.phase)
    ups, downs = log_between(words[1], *ranges.stay), log_between(words[2], *ranges.stay)
    high, share = unit(more[0]) < ups / (ups + downs), between(more[1], LEAST_STAY, 1.0)
    for window in range(ALL_WINDOWS):
        if high:
            level[window] *= 1 + above * share
        words = philox(seed, _FOR_PHASES, 2 + window)
        if unit(words[0]) < (downs if high else ups):
            high, share = not high, between(words[1], LEAST_STAY, 1.0)


def _wander(level: Any, seed: int, spread: float, memory: float) -> None:
    """Let a level wander: its logarithm follows an autoregression of order 1, from its stationary law."""
    fresh = spread * math.sqrt(1 - memory * memory)
    words = philox(seed, _FOR_WANDER, 0)
    now = spread * normals(words[0], words[1])[0]
    for pair in range(ALL_WINDOWS // 2):
        words = philox(seed, _FOR_WANDER, 1 + pair)
        first, second = normals(words[0], words[1])
        level[2 * pair] *= math.exp(now)
        now = memory * now + fresh * first
        level[2 * pair + 1] *= math.exp(now)
        now = memory * now + fresh * second


def unit(word: int) -> float:
    """A random 32-bit word as a number between 0 and 1, neither of them."""
    return (word + 0.5) / 4294967296.0


def between(word: int, low: float, high: float) -> float:
    """A random 32-bit word as a number from `low` to `high`."""
    return low + (high - low) * unit(word)


def log_between(word: int, low: float, high: float) -> float:
    """A random 32-bit word as a number from `low` to `high`, above 0, whose logarithm is uniform."""
    return math.exp(between(word, math.log(low), math.log(high)))


def normals(word: int, other: int) -> tuple[float, float]:
    """Two random 32-bit words as two standard normal numbers (Box & Muller 1958)."""
    radius, angle = math.sqrt(-2 * math.log(unit(word))), 2 * math.pi * unit(other)
    return radius * math.cos(angle), radius * math.sin(angle)


def on_grain(amount: float) -> float:
    """An amount, rounded to whole numbers of a step / GRAIN."""
    return math.floor(amount * GRAIN + 0.5) / GRAIN
