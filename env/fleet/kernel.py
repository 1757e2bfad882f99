"""The step of many fleets in one loop, compiled by numba from this folder's functions.

A single environment is a batch of one. The functions stay plain Python too, and give the same numbers there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.fleet.draw import PROBLEM, draw_problem
from env.fleet.features import action_mask, features
from env.fleet.placement import DEPLOYMENTS, Room, nodes_needed, replay
from env.fleet.variants import JUMPS, MOST_NODES, MOST_REPLICAS, MOST_SERVICES, Variant
from env.problems.draw import episode_words
from env.problems.philox import below, seed_of

_SERVICES = (np.int64, (MOST_SERVICES,))
LANE = np.dtype(
    [
        ("key", np.int64),
        ("episodes", np.int64),
        ("seed", np.int64),
        *PROBLEM.descr,
        ("replicas", *_SERVICES),
        ("ready", *_SERVICES),
        ("nodes", np.int64),
        ("waiting", np.float64),
        ("first_nodes", np.int64),
        ("fewest_nodes", np.int64),
        ("steps", np.int64),
        ("service", np.int64),
        ("jump", np.int64),
        ("on", np.uint8, (DEPLOYMENTS, MOST_NODES)),
        ("ended", np.bool_),
    ]
)
"""One environment: its problem, and how far it is.

key, episodes, seed: Its own seed, how many episodes it has begun, and the seed of this one.
replicas, ready: Of each service: pods that are asked for, and those that are Ready.
nodes: In use now; on one more all was Ready.
waiting: Pods that are not Ready, in nodes; see `env.fleet.placement.replay`.
first_nodes, fewest_nodes: On which all was Ready at first, and so far at the least.
steps: Of this episode.
service, jump: What the last action changed, -1 after a reset, and by how much.
on: Pods of each Deployment on each node; see `env.fleet.placement.Room`.
ended: The last step ended the episode.
"""


class Game(NamedTuple):
    """A variant in numbers, as compiled code takes them; see `env.fleet.variants.Variant`."""

    number: int
    fewest: int
    most: int
    least_load: int
    most_load: int
    steps: int


def game_of(variant: Variant) -> Game:
    """A variant as compiled code takes it."""
    return Game(variant.number, variant.fewest, variant.most, variant.least_load, variant.most_load, variant.steps)


def given_of(problems: NDArray[Any] | None) -> NDArray[Any]:
    """Problems to play instead of drawn ones, as compiled code takes them; None: none."""
    return np.zeros(0, PROBLEM) if problems is None else np.ascontiguousarray(problems, PROBLEM)


@cache
def compiled() -> Callable[..., None]:
    """The compiled `step_lanes`; machine code is kept on disk for the next process."""
    sources = ""

    def step_lanes(
        lanes: NDArray[Any],
        game: Game,
        given: NDArray[Any],
        number: int,
        wanted: NDArray[np.int64],
        steps: int,
        room: Room,
        states: NDArray[np.float32],
        masks: NDArray[np.bool_],
        rewards: NDArray[np.float64],
        truncated: NDArray[np.bool_],
    ) -> None:
        """Step every lane, or start its next episode where the last one has ended.

        Args:
            lanes: Of LANE, shape (n,); changed.
            game: What is played.
            given: Problems to start episodes with, of PROBLEM, if there are any.
            number: Which of them the first lane starts with, the second with the next; -1: they are drawn.
            wanted: Actions, shape (n,).
            steps: After how many an episode is over.
            room: Of `env.fleet.placement.new_room`; but for what is on the nodes, which each lane keeps.
            states, masks, rewards, truncated: Results, of n rows.
        """
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(lanes)):
            lane = lanes[i]
            own = Room(room.amounts, room.keys, lane.on)
            if lane.ended:
                start_lane(lane, game, given, -1 if number < 0 else number + i, own)
                rewards[i], truncated[i] = 0.0, False
            else:
                rewards[i] = step_lane(lane, wanted[i], own)
                truncated[i] = lane.steps >= steps
            lane.ended = truncated[i]
            features(lane, game.most, game.steps, states[i])
            action_mask(lane, game.most, masks[i])

    sources = jit.register_callees(step_lanes)
    step: Callable[..., None] = jit.compiled(step_lanes, error_model="numpy")
    return step


def start_lane(lane: Any, game: Game, given: NDArray[Any], number: int, room: Room) -> None:
    """Begin the lane's next episode, of the given problem of a number or of one drawn, where its start leads."""
    first, second, third, _ = episode_words(int(lane.key), int(lane.episodes))
    lane.seed = seed_of(first, second)
    lane.episodes += 1
    if len(given) > 0:
        copy_problem(given[(number if number >= 0 else below(third, len(given))) % len(given)], lane)
    else:
        draw_problem(lane, int(lane.seed), game.number, game.fewest, game.most, game.least_load, game.most_load)
    lane.replicas[:] = lane.start
    lane.steps = 0
    lane.service = -1
    lane.jump = 0
    lane.first_nodes = nodes_needed(lane, lane.replicas, room)
    lane.fewest_nodes = lane.first_nodes
    lane.nodes = max(lane.first_nodes - 1, 1)
    lane.waiting = replay(lane, lane.nodes, lane.replicas, lane.ready, room)


def copy_problem(given: Any, lane: Any) -> None:
    """Let a lane have a given problem."""
    lane.services = given.services
    lane.neighbours = given.neighbours
    lane.daemons = given.daemons
    lane.second_share = given.second_share
    lane.cpu_m[:] = given.cpu_m
    lane.memory_mib[:] = given.memory_mib
    lane.daemon_cpu_m = given.daemon_cpu_m
    lane.daemon_memory_mib = given.daemon_memory_mib
    lane.base_cpu_m[:] = given.base_cpu_m
    lane.load_cpu_m[:] = given.load_cpu_m
    lane.base_memory_mib[:] = given.base_memory_mib
    lane.load_memory_mib[:] = given.load_memory_mib
    lane.cpu_offset_m[:] = given.cpu_offset_m
    lane.memory_offset_mib[:] = given.memory_offset_mib
    lane.fewest[:] = given.fewest
    lane.start[:] = given.start
    lane.neighbour_cpu_m[:] = given.neighbour_cpu_m
    lane.neighbour_memory_mib[:] = given.neighbour_memory_mib
    lane.neighbour_pods[:] = given.neighbour_pods


def step_lane(lane: Any, action: int, room: Room) -> float:
    """Change a service's replicas, replay, and drain nodes while all is Ready; returns the reward.

    The reward is by how much nodes in use, and pods that wait, in nodes, became fewer.
    """
    before = lane.nodes + lane.waiting
    service, jump = action // len(JUMPS), JUMPS[action % len(JUMPS)]
    lane.service, lane.jump = service, jump
    lane.steps += 1
    if service < lane.services and jump != 0:
        lane.replicas[service] = min(max(lane.replicas[service] + jump, lane.fewest[service]), MOST_REPLICAS)
        lane.waiting = replay(lane, lane.nodes, lane.replicas, lane.ready, room, lane.neighbours + service)
        if lane.waiting == 0.0:
            lane.fewest_nodes = min(lane.fewest_nodes, lane.nodes)
            drain(lane, room)
    return float(before - (lane.nodes + lane.waiting))


def drain(lane: Any, room: Room) -> None:
    """Take nodes away, one after the other, until something is not Ready or one node is left."""
    while lane.waiting == 0.0 and lane.nodes > 1:
        lane.nodes -= 1
        lane.waiting = replay(lane, lane.nodes, lane.replicas, lane.ready, room)
        if lane.waiting == 0.0:
            lane.fewest_nodes = min(lane.fewest_nodes, lane.nodes)
