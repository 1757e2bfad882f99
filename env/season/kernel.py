"""The step of many workloads in one loop, compiled by numba from this folder's functions.

A single environment is a batch of one. The functions stay plain Python too, and give the same numbers there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.problems.draw import episode_words
from env.problems.philox import below, seed_of
from env.season.features import features
from env.season.history import HISTORY, begin, remember
from env.season.laws import LAW, RANGES, Ranges, draw_law
from env.season.series import Series, draw_peaks, median
from env.season.variants import ALL_WINDOWS, Variant
from env.season.window import Prices, play_window, window_cost

LANE = np.dtype(
    [
        ("key", np.int64),
        ("episodes", np.int64),
        ("seed", np.int64),
        *HISTORY.descr,
        *LAW.descr,
        ("peaks", np.float64, (ALL_WINDOWS,)),
        ("typical", np.float64),
        ("ended", np.bool_),
        ("oom", np.bool_),
        ("changed", np.bool_),
        ("peak", np.float64),
        ("held", np.float64),
        ("cost", np.float64),
    ]
)
"""One environment: what its agent knows; its law and its peaks; and how the last window went.

key, episodes, seed: Its own seed, how many episodes it has begun, and the seed of this one.
ended: The last window ended the episode.
oom: Use was above the request.
changed: The request changed.
peak: Of its use, in steps: its agent knows it only where it was not above the request.
held: The request, over the typical peak.
cost: See `env.season.window.window_cost`.
"""


class Game(NamedTuple):
    """What is played: a variant with its prices, and a kind; in numbers, as compiled code takes them."""

    kind: int
    ranges: Ranges
    most_peak: float
    largest: int
    kills: bool
    prices: Prices


def game_of(variant: Variant, kappa: float, kind: int = -1) -> Game:
    """A variant, the price of exceeding the request, and the number of a kind, -1 for any."""
    prices = Prices(kappa, variant.restart_price)
    return Game(kind, RANGES[variant.name], variant.most_peak, variant.largest, variant.kills, prices)


class Given(NamedTuple):
    """Workloads that are played instead of drawn ones; see `env.season.series.Series`. None of them: none are."""

    peaks: NDArray[np.float64]
    growth: NDArray[np.float64]
    deploys: NDArray[np.bool_]
    kinds: NDArray[np.int64]
    typical: NDArray[np.float64]


def given_of(series: Series | None) -> Given:
    """Series as compiled code takes them: contiguous arrays."""
    if series is None:
        none = np.empty((0, ALL_WINDOWS))
        return Given(none, none[:, 0].copy(), none.astype(np.bool_), np.empty(0, np.int64), none[:, 0].copy())
    return Given(
        np.ascontiguousarray(series.peaks, np.float64),
        np.ascontiguousarray(series.growth, np.float64),
        np.ascontiguousarray(series.deploys, np.bool_),
        np.ascontiguousarray(series.kinds, np.int64),
        np.ascontiguousarray(series.typical, np.float64),
    )


@cache
def compiled() -> Callable[..., None]:
    """The compiled `step_lanes`; machine code is kept on disk for the next process."""
    sources = ""

    def step_lanes(
        lanes: NDArray[Any],
        game: Game,
        given: Given,
        number: int,
        wanted: NDArray[np.int64],
        windows: int,
        states: NDArray[np.float32],
        rewards: NDArray[np.float64],
        truncated: NDArray[np.bool_],
    ) -> None:
        """Play a window in every lane, or start its next episode where the last one has ended.

        Args:
            lanes: Of LANE, shape (n,); changed.
            game: What is played.
            given: Workloads to start episodes with, if there are any.
            number: Which of them the first lane starts with, the second with the next; -1: they are drawn.
            wanted: Actions, shape (n,).
            windows: After how many windows an episode is over.
            states, rewards, truncated: Results, of n rows.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(lanes)):
            lane = lanes[i]
            if lane.ended:
                start_lane(lane, game, given, -1 if number < 0 else number + i)
                rewards[i], truncated[i] = 0.0, False
            else:
                rewards[i] = step_lane(lane, game, wanted[i])
                truncated[i] = lane.known >= windows
            lane.ended = truncated[i]
            features(lane, game.prices.kappa, states[i])

    sources = jit.register_callees(step_lanes)
    step: Callable[..., None] = jit.compiled(step_lanes, error_model="numpy")
    return step


def start_lane(lane: Any, game: Game, given: Given, number: int) -> None:
    """Begin the lane's next episode; with the workload of a number, if it is not -1."""
    first, second, third, _ = episode_words(int(lane.key), int(lane.episodes))
    lane.seed = seed_of(first, second)
    lane.episodes += 1
    if len(given.peaks) > 0:
        chosen = number if number >= 0 else below(third, len(given.peaks))
        lane.kind = given.kinds[chosen]
        lane.peaks[:] = given.peaks[chosen]
        lane.deploys[:] = given.deploys[chosen]
        lane.growth = given.growth[chosen]
        lane.typical = given.typical[chosen]
    else:
        draw_law(lane, int(lane.seed), game.kind, game.ranges, game.most_peak)
        draw_peaks(lane, int(lane.seed), game.most_peak, lane.peaks)
        lane.typical = median(lane.peaks)
    begin(lane, lane.peaks, lane.deploys, game.largest)
    lane.oom = False
    lane.changed = False
    lane.peak = 0.0
    lane.held = lane.request / lane.typical
    lane.cost = 0.0


def step_lane(lane: Any, game: Game, action: int) -> float:
    """Decide, let a window pass, and remember it; returns the reward."""
    now = lane.known
    deploy = lane.deploys[now] != 0
    window = play_window(lane.request, lane.age, action, lane.peaks[now], lane.growth, deploy, game.kills, game.largest)
    remember(lane, window, deploy)
    lane.oom = window.exceeded
    lane.changed = window.changed
    lane.peak = window.peak
    lane.held = window.request / lane.typical
    lane.cost = window_cost(window.request, window.changed, window.exceeded, lane.typical, game.prices)
    return float(-lane.cost)
