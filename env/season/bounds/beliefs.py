"""The least cost of all for one who has to infer, on seasons that are small enough: dynamic programming over beliefs.

The law is one of a few, and so are the dice of a window. A belief is how probable each law is, given all that was seen:
the peak, or only that it was above the request. Here bounds can be compared with what they bound (Astrom, "Optimal
control of Markov processes with incomplete state information", 1965).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from env.season.bounds.backward import Odds, grown_of, least_cost
from env.season.bounds.clairvoyant import known_odds
from env.season.variants import JUMPS, Variant
from env.season.window import Prices, play_window, window_cost

Floats = NDArray[np.float64]
_ABOVE = -1.0
"""Seen instead of a peak that was above the request."""


@dataclass(frozen=True)
class SmallSeason:
    """A season with a few laws and dice; there is no warm-up, and there are no deploys.

    Attributes:
        levels: By law and window, float64 (laws, windows), in steps.
        laws: How probable each law is, float64 (laws,).
        factors: By one of which a window's peak differs from its level, float64 (k,).
        dice: How probable each factor is, float64 (k,).
        growth: Of a pod's peak for each window of its age; all know it.
        start: Request before the first window, in steps.
        typical: What requests are divided by; all know it.
        variant: What is asked for.
        prices: What a window costs besides its request.
    """

    levels: Floats
    laws: Floats
    factors: Floats
    dice: Floats
    growth: float
    start: int
    typical: float
    variant: Variant
    prices: Prices

    @property
    def windows(self) -> int:
        """How many are played."""
        return int(self.levels.shape[1])

    def paths(self) -> Iterator[tuple[float, int, Floats]]:
        """All that may happen: how probable it is, the law, and the peaks of fresh pods, (windows,)."""
        for law in np.flatnonzero(self.laws):
            for thrown in product(range(len(self.dice)), repeat=self.windows):
                chosen = np.array(thrown)
                yield (
                    float(self.laws[law] * self.dice[chosen].prod()),
                    int(law),
                    self.levels[law] * self.factors[chosen],
                )

    def chances(self, window: int) -> Floats:
        """How probable peaks are above requests, by law, request and age: (laws, largest + 1, windows or 1)."""
        grown = grown_of(self.growth, np.zeros(self.windows, np.bool_))[window]
        peaks = self.levels[:, window, None, None, None] * self.factors + grown[:, None]
        above: Floats = (peaks > np.arange(self.variant.largest + 1)[:, None, None]) @ self.dice
        return above

    def least(self, odds: Odds) -> float:
        """The least expected cost by odds."""
        return least_cost(odds, self.start, self.typical, self.variant, self.prices)[0]


def clairvoyant_mean(season: SmallSeason) -> float:
    """What one pays in the mean who knows every peak."""
    none = np.zeros(season.windows, np.bool_)
    return sum(
        chance * season.least(known_odds(peaks, season.growth, none, season.variant))
        for chance, _, peaks in season.paths()
    )


def informed_mean(season: SmallSeason) -> float:
    """What one pays in the mean who knows the law, but not the dice."""
    chances = np.stack([season.chances(window) for window in range(season.windows)], axis=1)
    none = np.zeros(season.windows, np.bool_)
    return float(season.laws @ [season.least(Odds(each, each, none)) for each in chances])


def inferring_mean(season: SmallSeason) -> float:
    """The bound of `env.season.bounds.inferring`, with predictives by Bayes' rule."""
    none, total = np.zeros(season.windows, np.bool_), 0.0
    chances = [season.chances(window) for window in range(season.windows)]
    for chance, _, peaks in season.paths():
        belief, paid = season.laws, []
        for window in range(season.windows):
            paid.append(np.tensordot(belief, chances[window], 1))
            same = np.isclose(season.levels[:, window, None] * season.factors, peaks[window])
            belief = belief * (same @ season.dice)
            belief = belief / belief.sum()
        happens = known_odds(peaks, season.growth, none, season.variant).happens
        total += chance * season.least(Odds(np.array(paid), happens, none))
    return total


def optimum(season: SmallSeason) -> float:
    """The least that a policy pays in the mean which sees what an agent sees, and remembers all of it."""
    known: dict[tuple[int, int, int, bytes], float] = {}

    def value(window: int, request: int, age: int, belief: Floats) -> float:
        if window == season.windows:
            return 0.0
        key = (window, request, age, np.round(belief, 12).tobytes())
        if key not in known:
            possible = [a for a, jump in enumerate(JUMPS) if jump == 0 or 1 <= request + jump <= season.variant.largest]
            known[key] = min(_after(season, window, request, age, belief, action, value) for action in possible)
        return known[key]

    return value(0, season.start, 0, season.laws)


def _after(
    season: SmallSeason,
    window: int,
    request: int,
    age: int,
    belief: Floats,
    action: int,
    value: Callable[[int, int, int, Floats], float],
) -> float:
    """What an action costs in the mean, with all windows after it."""
    kills, largest, cost = season.variant.kills, season.variant.largest, 0.0
    groups: dict[tuple[float, int, int], Floats] = defaultdict(lambda: np.zeros(len(belief)))
    for law, face in product(np.flatnonzero(belief), range(len(season.dice))):
        fresh = float(season.levels[law, window] * season.factors[face])
        played = play_window(request, age, action, fresh, season.growth, False, kills, largest)
        weight = belief[law] * season.dice[face]
        cost += weight * window_cost(played.request, played.changed, played.exceeded, season.typical, season.prices)
        seen = _ABOVE if played.exceeded else round(played.peak, 9)
        groups[seen, played.request, played.age][law] += weight
    for (_, now, older), likely in groups.items():
        cost += likely.sum() * value(window + 1, now, older, likely / likely.sum())
    return float(cost)
