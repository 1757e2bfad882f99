"""Local search over the replicas of all services, compiled: hill climbing, and annealing.

Each replay tries a configuration on the nodes that it needs. A proposal changes one to three services; it is kept if
it needs no more nodes, and of those that need as many, if it requests no more. With some warmth it is kept now and
then where it is worse.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.fleet.placement import Room, new_room, nodes_needed, size
from env.fleet.use import cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_REPLICAS, MOST_SERVICES
from env.problems.philox import below, philox

WARMTH = 0.05
"""Of annealing at first, in nodes; it falls to 0."""

_MOVES = (-3, -2, -1, 1, 2, 3)
_PER_REQUEST = 1e-3
_WORDS = 2.0**32


class Found(NamedTuple):
    """What was found for n problems: the fewest nodes, (n,), and replicas that need no more, (n, MOST_SERVICES)."""

    nodes: NDArray[np.int64]
    replicas: NDArray[np.int64]


def value_of(problem: Any, replicas: NDArray[np.int64], ready: NDArray[np.int64], room: Room) -> float:
    """The nodes that a configuration needs, and a little for what it requests, in nodes."""
    asked = 0.0
    for j in range(problem.services):
        cpu_m, memory_mib = cpu_request_m(problem, j, replicas[j]), memory_request_mib(problem, j, replicas[j])
        asked += replicas[j] * size(problem, cpu_m, memory_mib)
    return nodes_needed(problem, replicas, ready, room) + _PER_REQUEST * asked


def propose(problem: Any, key: int, number: int, replicas: NDArray[np.int64]) -> float:
    """Change one to three services; returns a random number from 0 to 1."""
    lot, more, most, _ = philox(key, 0, number)
    for change in range(1 + (more & 1) + (most & more & 1)):
        service, move, _, _ = philox(key, 1 + change, number)
        j = below(service, problem.services)
        replicas[j] = min(max(replicas[j] + _MOVES[below(move, 6)], problem.fewest[j]), MOST_REPLICAS)
    return lot / _WORDS


def climb(
    problem: Any,
    best: NDArray[np.int64],
    replays: int,
    key: int,
    warmth: float,
    scratch: NDArray[np.int64],
    room: Room,
) -> None:
    """Search from `best` on, and leave the best configuration there.

    Args:
        problem: Of `env.fleet.draw.PROBLEM`.
        best: Replicas, (MOST_SERVICES,); changed.
        replays: Configurations that are tried, the start included.
        key: Of what is random.
        warmth: 0: nothing worse is kept.
        scratch, room: Space: int64 (3, MOST_SERVICES), and that of `env.fleet.placement.new_room`.
    """
    now, following, ready = scratch[0], scratch[1], scratch[2]
    now[:] = best
    value = value_of(problem, now, ready, room)
    least = value
    for number in range(1, replays):
        following[:] = now
        lot = propose(problem, key, number, following)
        other = value_of(problem, following, ready, room)
        warm = warmth * (1.0 - number / replays)
        if other <= value or (warm > 0.0 and lot < math.exp((value - other) / warm)):
            now[:] = following
            value = other
        if value < least:
            least = value
            best[:] = now


@cache
def _compiled() -> Any:
    sources = ""

    def search_all(
        problems: NDArray[Any],
        replicas: NDArray[np.int64],
        nodes: NDArray[np.int64],
        replays: int,
        key: int,
        warmth: float,
        scratch: NDArray[np.int64],
        room: Room,
    ) -> None:
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(problems)):
            if replays > 1:
                climb(problems[i], replicas[i], replays, key + i, warmth, scratch, room)
            nodes[i] = nodes_needed(problems[i], replicas[i], scratch[2], room)

    sources = jit.register_callees(search_all)
    return jit.compiled(search_all, error_model="numpy")


def search(
    problems: NDArray[Any], starts: NDArray[np.int64], replays: int = 1, seed: int = 0, warmth: float = 0.0
) -> Found:
    """The best configuration of each problem that a local search finds; of one replay, the start itself.

    Args:
        problems: Of `env.fleet.draw.PROBLEM`, (n,).
        starts: Replicas to begin with, (n, MOST_SERVICES).
        replays: Configurations that are tried of each, the start included.
        seed: Of what is random, 0 to 2^62.
        warmth: Of annealing; 0: hill climbing.
    """
    replicas, nodes = np.array(starts, np.int64), np.zeros(len(problems), np.int64)
    scratch = np.zeros((3, MOST_SERVICES), np.int64)
    _compiled()(problems, replicas, nodes, replays, seed, warmth, scratch, new_room())
    return Found(nodes, replicas)
