"""The step of many environments in one loop, compiled by numba from the functions that a single environment calls.

Numba, because the alternatives cost more: NumPy would need every formula a second time, over arrays, and a hand-built
extension a compiler at installation. No fast-math and no fused operations, so that a lane's numbers are a single
environment's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.actions import is_beyond, stepped
from env.embedded.closed_form import PlainWorkload, generated_workload, observe_plain
from env.errors import ConfigError
from env.gym.features import OWN_DIM, further_features, own_features
from env.gym.memory import Floors, raised
from env.gym.reward import RewardFunction, goal, reward_function, reward_plugin
from env.gym.seen_table import ROW, observation_in, slot_of
from env.problems.draw import draw, draw_kind, episode_words
from env.problems.generate import draw_problem
from env.problems.philox import below, seed_of
from env.workload import Resources

WORKLOAD = np.dtype(
    [
        *((field.name, np.int64) for field in fields(PlainWorkload)),
        ("most_cpu_m", np.int64),
        ("most_memory_bytes", np.int64),
        ("most_replicas", np.int64),
        ("target", np.int64),
        ("cpu_m", np.int64),
        ("memory_bytes", np.int64),
        ("replicas", np.int64),
        ("seed", np.int64),
        ("plain", np.bool_),
    ]
)
"""One scenario: PlainWorkload's fields, the most that actions ask for, the target, and what is asked for as recorded.

`seed` is what it was drawn from, if it was. Where `plain` is not set only target and what is the most have a meaning,
and -1 stands for what is recorded.
"""

LANE = np.dtype(
    [
        ("key", np.int64),
        ("episodes", np.int64),
        ("scenario", np.int64),
        ("steps", np.int64),
        ("cpu_m", np.int64),
        ("memory_bytes", np.int64),
        ("replicas", np.int64),
        ("action", np.int64),
        ("cpu_floor_m", np.int64),
        ("memory_floor_bytes", np.int64),
        ("blocked", np.bool_),
        ("ended", np.bool_),
        ("waits", np.bool_),
    ]
)
"""One environment: its seed, how many episodes it has begun, the row of its scenario in the workloads, the steps of
this episode, what is asked for now, what the last action was (-1: a reset), the floors that this episode has met,
whether the action was blocked, whether the last step ended the episode, and whether what is asked for now is yet to be
replayed.
"""

ANY_KIND, NOTHING = -1, -2
"""What episodes draw, beside the index of a kind of problems."""
COUNTS = ("target", "ready", "pending", "total", "broken", "cpu_m", "memory_bytes", "replicas")
FLAGS = ("is_success", "blocked")


class Results(NamedTuple):
    """What a step gives of n environments.

    Attributes:
        states: float32 (n, STATE_DIM).
        rewards: float64 (n,).
        terminated, truncated: bool (n,).
        counts: int64 (8, n), by COUNTS.
        flags: bool (2, n), by FLAGS.
    """

    states: NDArray[np.float32]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    counts: NDArray[np.int64]
    flags: NDArray[np.bool_]


@cache
def compiled(reward_name: str) -> Callable[..., int]:
    """The compiled `step_lanes` for one reward; machine code is kept on disk for the next process.

    Raises:
        ConfigError: No reward of that name, or numba cannot compile a package's.
    """
    reward_of, sources = reward_function(reward_name), ""

    def step_lanes(
        lanes: NDArray[Any],
        workloads: NDArray[Any],
        slots: NDArray[np.int64],
        rows: NDArray[np.int64],
        kind: int,
        chosen: int,
        wanted: NDArray[np.int64],
        max_steps: int,
        again: bool,
        states: NDArray[np.float32],
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        counts: NDArray[np.int64],
        flags: NDArray[np.bool_],
    ) -> int:
        """Step every lane, or start its next episode where the last one has ended.

        A lane whose scenario is not plain waits where what it asks for is not in the table of what was seen.

        Args:
            lanes: Of LANE, shape (n,); changed.
            workloads: Of WORKLOAD; where problems are drawn of shape (n,), each anew when its lane starts an episode.
            slots, rows: Of a `SeenTable`.
            kind: What episodes draw: a problem of this index in `env.problems.draw.PROBLEMS`, of ANY_KIND, or NOTHING,
                but one of the workloads.
            chosen: The row in the workloads that episodes start with; -1: one drawn.
            wanted: Actions, shape (n,).
            max_steps: Steps after which an episode is truncated.
            again: Nothing is stepped: only lanes that waited are looked at again.
            states, rewards, terminated, truncated, counts, flags: `Results`, to be filled; one by one, as numba takes
                arrays from Python three times as fast so. All is written here, as calls with so many numbers cost
                more than they do.

        Returns:
            How many lanes wait.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        waiting = 0
        for i in range(len(lanes)):
            lane = lanes[i]
            if again and not lane.waits:
                continue
            if not again:
                move_lane(lane, i, workloads, kind, chosen, wanted[i])
            workload = workloads[lane.scenario]
            target, starts = workload.target, lane.action < 0
            asked = Resources(lane.cpu_m, lane.memory_bytes, lane.replicas)
            if workload.plain:
                seen = observe_plain(workload, asked)
            else:
                row = slots[slot_of(slots, lane.scenario, asked), ROW]
                lane.waits = row == 0
                if row == 0:
                    waiting += 1
                    continue
                seen = observation_in(rows[row - 1])
                lane.cpu_m, lane.memory_bytes, lane.replicas = seen.resources
            floors = raised(Floors(lane.cpu_floor_m, lane.memory_floor_bytes), seen)
            lane.cpu_floor_m, lane.memory_floor_bytes = floors
            # Two loops, as LLVM unrolls only short ones.
            for j, value in enumerate(own_features(seen, target)):
                states[i, j] = value
            for j, value in enumerate(further_features(seen, floors)):
                states[i, OWN_DIM + j] = value
            solved = goal(seen, target)
            terminated[i] = not starts and solved
            truncated[i] = not starts and lane.steps >= max_steps
            rewards[i] = 0.0 if starts else reward_of(seen, target, lane.blocked)
            lane.ended = terminated[i] or truncated[i]
            counts[0, i], counts[1, i], counts[2, i], counts[3, i] = target, seen.ready, seen.pending, seen.total
            counts[4, i] = seen.broken
            counts[5, i], counts[6, i], counts[7, i] = seen.resources
            flags[0, i], flags[1, i] = solved, lane.blocked
        return waiting

    sources = jit.register_callees(step_lanes)
    step: Callable[..., int] = jit.compiled(step_lanes, error_model="numpy")
    if plugin := reward_plugin(reward_name):
        _require_compilable(f"reward {reward_name!r} of package {plugin.origin}", reward_of)
    return step


def _require_compilable(what: str, reward_of: RewardFunction) -> None:
    problem = draw_problem(None, 0)
    seen = observe_plain(generated_workload(problem), problem.start)
    try:
        jit.require_number(reward_of, seen, problem.target, False)
    except ValueError as error:
        raise ConfigError(
            f"{what}: numba cannot compile it for the vector environment: {error}; use plain arithmetic in it, or "
            "single environments, as gymnasium.vector.SyncVectorEnv steps them"
        ) from error


def move_lane(lane: Any, number: int, workloads: NDArray[Any], kind: int, chosen: int, action: int) -> None:
    """Take the lane's next step, or begin its next episode."""
    if lane.ended:
        start_lane(lane, number, workloads, kind, chosen)
    else:
        step_lane(lane, workloads[lane.scenario], action)


def start_lane(lane: Any, number: int, workloads: NDArray[Any], kind: int, chosen: int) -> None:
    """Begin the lane's next episode."""
    first, second, _, _ = episode_words(lane.key, lane.episodes)
    lane.episodes += 1
    lane.steps = 0
    lane.action = -1
    lane.blocked = False
    lane.ended = False
    lane.cpu_floor_m = -1
    lane.memory_floor_bytes = -1
    if kind != NOTHING:
        lane.scenario = number
        seed = seed_of(first, second)
        drawn = draw(draw_kind(seed) if kind == ANY_KIND else kind, seed)
        new = workloads[number]
        new.seed = seed
        new.target = drawn.target
        new.nodes = drawn.nodes
        new.node_cpu_m = drawn.node_cpu_m
        new.node_memory_bytes = drawn.node_memory_bytes
        new.cpu_use_m = drawn.cpu_use_m
        new.memory_use_bytes = drawn.memory_use_bytes
        new.cpu_m = drawn.cpu_m
        new.memory_bytes = drawn.memory_bytes
        new.replicas = drawn.replicas
    else:
        lane.scenario = below(first, len(workloads)) if chosen < 0 else chosen
    workload = workloads[lane.scenario]
    lane.cpu_m = workload.cpu_m
    lane.memory_bytes = workload.memory_bytes
    lane.replicas = workload.replicas


def step_lane(lane: Any, workload: Any, action: int) -> None:
    """Apply the action to what the lane asks for, unless a safeguard refuses it."""
    before = Resources(lane.cpu_m, lane.memory_bytes, lane.replicas)
    asked = stepped(before, action)
    most = Resources(workload.most_cpu_m, workload.most_memory_bytes, workload.most_replicas)
    lane.blocked = is_beyond(before, asked, most)
    if not lane.blocked:
        lane.cpu_m = asked.cpu_m
        lane.memory_bytes = asked.memory_bytes
        lane.replicas = asked.replicas
    lane.action = action
    lane.steps += 1
