"""The step of many clusters in one loop, compiled by numba from this folder's functions.

A single environment is a batch of one. The functions stay plain Python too, and give the same numbers there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.doctor.cluster import CLUSTER, mendable
from env.doctor.draw import arrive, happens, is_small, start, start_recorded, start_small
from env.doctor.features import features
from env.doctor.mask import action_mask
from env.doctor.reward import reward
from env.doctor.rules import Outcome, turn
from env.problems.draw import episode_words
from env.problems.philox import seed_of

LANE = np.dtype(
    [
        ("key", np.int64),
        ("episodes", np.int64),
        ("seed", np.int64),
        *CLUSTER.descr,
        ("calm", np.bool_),
        ("ended", np.bool_),
        ("is_success", np.bool_),
        ("reported", np.bool_),
    ]
)
"""One environment: its cluster; its own seed, how many episodes it has begun, and the seed of this one.

calm: No faults come while this episode runs.
ended: The last step ended the episode.
is_success, reported: It ended with nothing wrong, or with a correct report; and whether with a report.
"""


@cache
def compiled() -> Callable[..., None]:
    """The compiled `step_lanes`; machine code is kept on disk for the next process."""
    sources = ""

    def step_lanes(
        lanes: NDArray[Any],
        problems: int,
        shape: int,
        faults: int,
        recorded: NDArray[Any],
        wanted: NDArray[np.int64],
        max_steps: int,
        states: NDArray[np.float32],
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        masks: NDArray[np.bool_],
    ) -> None:
        """Step every lane, or start its next episode where the last one has ended.

        Args:
            lanes: Of LANE, shape (n,); changed.
            problems: Of `env.doctor.draw.Problems`: what episodes start with.
            shape, faults: Of the small problem that episodes start with; -1: one is drawn.
            recorded: Of CLUSTER: if there are any, episodes start with these, and faults come while they run.
            wanted: Actions, shape (n,).
            max_steps: Steps after which an episode is truncated.
            states, rewards, terminated, truncated, masks: Results, of n rows.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(lanes)):
            lane = lanes[i]
            if lane.ended:
                start_lane(lane, problems, shape, faults, recorded)
                rewards[i], terminated[i], truncated[i] = 0.0, False, False
            else:
                rewards[i] = step_lane(lane, wanted[i])
                terminated[i], truncated[i] = lane.is_success, lane.steps >= max_steps
            lane.ended = terminated[i] or truncated[i]
            features(lane, states[i])
            action_mask(lane, masks[i])

    sources = jit.register_callees(step_lanes)
    step: Callable[..., None] = jit.compiled(step_lanes, error_model="numpy")
    return step


def start_lane(lane: Any, problems: int, shape: int, faults: int, recorded: Any) -> None:
    """Begin the lane's next episode."""
    first, second, _, _ = episode_words(int(lane.key), int(lane.episodes))
    lane.seed = seed_of(first, second)
    lane.episodes += 1
    lane.is_success = False
    lane.reported = False
    if shape >= 0:
        start_small(lane, shape, faults)
    elif len(recorded) > 0:
        start_recorded(lane, recorded, int(lane.seed))
    else:
        start(lane, problems, int(lane.seed))
    lane.calm = shape >= 0 or (len(recorded) == 0 and is_small(problems, int(lane.seed)))


def step_lane(lane: Any, action: int) -> float:
    """Act, let time pass, and see whether the episode is solved; returns the reward."""
    before = mendable(lane)
    node_heals, crash_heals, comes = happens(int(lane.seed), int(lane.steps))
    outcome = turn(lane, action, node_heals, crash_heals)
    lane.is_success = outcome != Outcome.GOES_ON
    lane.reported = outcome == Outcome.REPORTED
    if comes and not lane.calm and not lane.is_success:
        arrive(lane, int(lane.seed))
    return reward(lane.is_success, before, mendable(lane))
