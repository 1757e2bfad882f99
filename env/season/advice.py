"""What every action costs from here on in the mean, told by one who knows each workload's law: agents learn from it.

The adviser knows the level of every window to come, the noise, the bursts, the growth and the deploys, but not the
dice; of given workloads, whose law is not known, the peaks themselves. A dynamic programme over the request and the age
of the pods, from the last window back, gives the least expected cost after each window; one window more gives it for
each action.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.season.bounds.odds import FAR, chance_above, normal_above
from env.season.kernel import Game
from env.season.laws import RANGES
from env.season.variants import JUMPS, WARM_UP, WINDOWS
from env.season.vector_env import SeasonVectorEnv
from env.season.window import request_after

AGES = 29
"""Pods older than a week count as a week old: who knows the law restarts leaking ones long before."""
_TAIL_FROM, _TAIL_STEP, _TAIL_POINTS = -0.25, 1 / 256, 448
"""Where the chance of a burst above something is tabled: the logarithm of what it is of the level."""


class Adviser:
    """Tells the costs-to-go in the states that environments are in.

    Args:
        envs: Their workloads are looked at, nothing of them is changed.
        caution: The price of use above the request counts so many times. The adviser's later decisions know what is to
            come, so it gets out of the way of what meets an agent unprepared, and thinks too little of keeping room.
    """

    def __init__(self, envs: SeasonVectorEnv, caution: float = 1.0) -> None:
        self._envs = envs
        variant, prices = envs.variant, envs.game.prices
        self._game = envs.game._replace(prices=prices._replace(kappa=caution * prices.kappa))
        grows = envs.plays_given or RANGES[variant.name].growth[1] > 0
        shape = (envs.num_envs, WINDOWS + 1, variant.largest + 1, AGES if grows else 1)
        self._ahead = np.zeros(shape, np.float32)
        self._tails = np.zeros((envs.num_envs, _TAIL_POINTS))
        self._started = np.full((envs.num_envs, 2), -1)

    def __call__(self) -> NDArray[np.float64]:
        """Cost-to-go by environment and action, (n, actions): the next window's and the least after it, expected."""
        envs = self._envs
        costs = np.empty((envs.num_envs, len(JUMPS)))
        _compiled()(envs.lanes, self._game, envs.plays_given, self._started, self._tails, self._ahead, costs)
        return costs


@cache
def _compiled() -> Callable[..., None]:
    """The compiled `advise`; machine code is kept on disk for the next process."""
    sources = ""

    def advise(
        lanes: NDArray[Any],
        game: Game,
        clairvoyant: bool,
        started: NDArray[np.int64],
        tails: NDArray[np.float64],
        ahead: NDArray[np.float32],
        costs: NDArray[np.float64],
    ) -> None:
        """Write the cost-to-go of each action in each lane.

        Args:
            lanes: Of `env.season.kernel.LANE`, (n,).
            game: What is played.
            clairvoyant: Whether peaks are known, and not laws.
            started: (n, 2) Key and number of the episode that the next two are of.
            tails: (n, points) What `fill_tail` writes.
            ahead: (n, windows + 1, largest + 1, ages) Least cost from each window on.
            costs: (n, actions); filled.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(lanes)):
            lane, tail = lanes[i], tails[i]
            if lane.ended:
                costs[i] = 0.0
                continue
            if started[i, 0] != lane.key or started[i, 1] != lane.episodes:
                fill_tail(lane, tail)
                look_ahead(lane, game, clairvoyant, tail, ahead[i])
                started[i, 0], started[i, 1] = lane.key, lane.episodes
            window, wide = lane.known - WARM_UP, widest(lane)
            for action in range(len(JUMPS)):
                request = request_after(lane.request, action, game.largest)
                changed = request != lane.request
                grown = 0 if changed or lane.deploys[lane.known] != 0 else lane.age
                above = chance(lane, game, clairvoyant, tail, wide, window, request, grown)
                costs[i, action] = cost_after(lane, game, ahead[i, window + 1], request, grown, above)
                if changed:
                    costs[i, action] += game.prices.restart

    sources = jit.register_callees(advise)
    made: Callable[..., None] = jit.compiled(advise, error_model="numpy")
    return made


def look_ahead(lane: Any, game: Game, clairvoyant: bool, tail: Any, ahead: Any) -> None:
    """Write the least expected cost from each window on, by request before it and age of the pods."""
    ages = ahead.shape[2] if lane.growth > 0 else 1
    staying, wide = np.empty((game.largest + 1, ages)), widest(lane)
    ahead[WINDOWS] = 0.0
    for window in range(WINDOWS - 1, -1, -1):
        deployed = lane.deploys[WARM_UP + window] != 0
        for request in range(1, game.largest + 1):
            for age in range(1 if deployed else ages):
                above = chance(lane, game, clairvoyant, tail, wide, window, request, age)
                staying[request, age] = cost_after(lane, game, ahead[window + 1], request, age, above)
        for request in range(1, game.largest + 1):
            best = math.inf
            for jump in JUMPS:
                if jump != 0 and 1 <= request + jump <= game.largest:
                    best = min(best, staying[request + jump, 0] + game.prices.restart)
            for age in range(ages):
                ahead[window, request, age] = min(best, staying[request, 0 if deployed else age])


def cost_after(lane: Any, game: Game, ahead: Any, request: int, grown: int, above: float) -> float:
    """Expected cost of a window and of what follows it, without the price of a change.

    Args:
        ahead: (largest + 1, ages) Least cost after the window.
        request: In the window.
        grown: Age of the pods in it.
        above: How probably use is above the request.
    """
    oldest = ahead.shape[1] - 1 if lane.growth > 0 else 0
    older = ahead[request, min(grown + 1, oldest)]
    anew = ahead[request, 0] if game.kills else older
    return float(request / lane.typical + above * (game.prices.kappa + anew) + (1 - above) * older)


def chance(
    lane: Any, game: Game, clairvoyant: bool, tail: Any, wide: float, window: int, request: int, age: int
) -> float:
    """How probably use is above the request in a window that is played, with pods of an age; `wide`: of `widest`."""
    left = request - lane.growth * age
    now = WARM_UP + window
    if clairvoyant:
        return 1.0 if lane.peaks[now] > left else 0.0
    if left < 1:
        return 1.0
    if left >= game.most_peak:
        return 0.0
    level = lane.level[now]
    if left * wide <= level:
        return 1.0
    if lane.burst_probability == 0 and left >= level * wide:
        return 0.0
    away = math.log(left / level)
    above = normal_above(away / lane.noise)
    if lane.burst_probability == 0:
        return above
    place = (away - _TAIL_FROM) / _TAIL_STEP
    if place < 0:
        burst = 1.0
    elif place >= len(tail) - 1:
        burst = 0.0
    else:
        point = int(place)
        burst = tail[point] + (place - point) * (tail[point + 1] - tail[point])
    return float((1 - lane.burst_probability) * above + lane.burst_probability * burst)


def widest(lane: Any) -> float:
    """Noise never takes a peak farther from its level than by this factor."""
    return math.exp(FAR * lane.noise)


def fill_tail(lane: Any, tail: Any) -> None:
    """Table how probably a burst with its noise is above a share of the level, by the share's logarithm."""
    if lane.burst_probability > 0:
        for point in range(len(tail)):
            tail[point] = chance_above(_TAIL_FROM + point * _TAIL_STEP, 0.0, lane.noise, 1.0, lane.burst_scale)
