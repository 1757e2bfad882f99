"""What is so of a workload, told by its law and not by what is seen: agents that forecast learn from it.

For each action: how probably use in the window that comes is above the request that it leaves. The law's level of that
window, the noise, the bursts, the growth and the deploys are known, but not the dice; of given workloads, whose law is
not known, the peak itself, so that it is 0 or 1. One who sees no more than an agent can learn the mean of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.season.bounds.odds import FAR, chance_above, normal_above
from env.season.kernel import Game
from env.season.variants import ALL_WINDOWS, JUMPS, WARM_UP
from env.season.vector_env import SeasonVectorEnv
from env.season.window import request_after

_TAIL_FROM, _TAIL_STEP, _TAIL_POINTS = -0.25, 1 / 256, 448
"""Where the chance of a burst above something is tabled: the logarithm of what it is of the level."""


class Told(NamedTuple):
    """What is so of n environments, before their next decision.

    Attributes:
        above: How probably use will be above the request, by action, float32 (n, len(JUMPS)).
        held: The logarithm of the request over the typical peak of the whole episode, float32 (n,).
    """

    above: NDArray[np.float32]
    held: NDArray[np.float32]


class Truth:
    """Tells what is so in the states that environments are in.

    Args:
        envs: Their workloads are looked at, nothing of them is changed.
    """

    def __init__(self, envs: SeasonVectorEnv) -> None:
        self._envs = envs
        self._tails = np.zeros((envs.num_envs, _TAIL_POINTS))
        self._started = np.full((envs.num_envs, 2), -1)

    def __call__(self) -> Told:
        """What is so now; of episodes that are over, nothing that means something."""
        envs = self._envs
        above = np.zeros((envs.num_envs, len(JUMPS)), np.float32)
        _compiled()(envs.lanes, envs.game, envs.plays_given, self._started, self._tails, above)
        held = np.log(envs.lanes["request"] / envs.lanes["typical"])
        return Told(above, held.astype(np.float32))


@cache
def _compiled() -> Callable[..., None]:
    """The compiled `tell`; machine code is kept on disk for the next process."""
    sources = ""

    def tell(
        lanes: NDArray[Any],
        game: Game,
        clairvoyant: bool,
        started: NDArray[np.int64],
        tails: NDArray[np.float64],
        above: NDArray[np.float32],
    ) -> None:
        """Write how probably use is above the request, for each action in each lane.

        Args:
            lanes: Of `env.season.kernel.LANE`, (n,).
            game: What is played.
            clairvoyant: Whether the peak is known, and not the law alone.
            started: (n, 2) Key and episode that `tails` is of; changed.
            tails: (n, points) Chances of bursts; changed.
            above: (n, actions); filled, but for episodes that are over.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(lanes)):
            lane, tail = lanes[i], tails[i]
            if lane.known >= ALL_WINDOWS:
                continue
            if started[i, 0] != lane.key or started[i, 1] != lane.episodes:
                fill_tail(lane, tail)
                started[i, 0], started[i, 1] = lane.key, lane.episodes
            window, wide = lane.known - WARM_UP, widest(lane)
            for action in range(len(JUMPS)):
                request = request_after(lane.request, action, game.largest)
                fresh = request != lane.request or lane.deploys[lane.known] != 0
                above[i, action] = chance(
                    lane, game, clairvoyant, tail, wide, window, request, 0 if fresh else lane.age
                )

    sources = jit.register_callees(tell)
    made: Callable[..., None] = jit.compiled(tell, error_model="numpy")
    return made


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
