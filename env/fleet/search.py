"""Local search over the replicas of all services, compiled: hill climbing, and annealing.

Hill climbing tries a configuration on the nodes that it needs: it is kept if it needs no more nodes, and of those that
need as many, if it requests no more. Annealing tries it on one node less than was enough so far, and keeps it if fewer
pods wait there, in nodes; at first also now and then where more do. Once none waits there is one node less again. Both
change one to three services at a time.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.fleet.placement import Room, new_room, nodes_needed, replay, size
from env.fleet.use import cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_REPLICAS, MOST_SERVICES
from env.problems.philox import below, philox

WARMTH = 0.15
"""Of annealing at first, in nodes; it falls to 0."""

_MOVES = (-3, -2, -1, 1, 2, 3)
_PER_REQUEST = 1e-3
_WORDS = 2.0**32


class Found(NamedTuple):
    """What was found for n problems: the fewest nodes, (n,), and replicas that need no more, (n, MOST_SERVICES)."""

    nodes: NDArray[np.int64]
    replicas: NDArray[np.int64]


def asked_by_all(problem: Any, replicas: NDArray[np.int64]) -> float:
    """What the services request, in nodes."""
    asked = 0.0
    for j in range(problem.services):
        cpu_m, memory_mib = cpu_request_m(problem, j, replicas[j]), memory_request_mib(problem, j, replicas[j])
        asked += replicas[j] * size(problem, cpu_m, memory_mib)
    return asked


def propose(problem: Any, key: int, number: int, replicas: NDArray[np.int64]) -> float:
    """Change one to three services; returns a random number from 0 to 1."""
    lot, more, most, _ = philox(key, 0, number)
    for change in range(1 + (more & 1) + (most & more & 1)):
        service, move, _, _ = philox(key, 1 + change, number)
        j = below(service, problem.services)
        replicas[j] = min(max(replicas[j] + _MOVES[below(move, 6)], problem.fewest[j]), MOST_REPLICAS)
    return lot / _WORDS


def climb(problem: Any, best: NDArray[np.int64], replays: int, key: int, scratch: NDArray[np.int64], room: Room) -> int:
    """Search from `best` on, leave the best configuration there, and return the nodes that it needs.

    Args:
        problem: Of `env.fleet.draw.PROBLEM`.
        best: Replicas, (MOST_SERVICES,); changed.
        replays: Configurations that are tried, the start included.
        key: Of what is random.
        scratch, room: Space: int64 (3, MOST_SERVICES), and that of `env.fleet.placement.new_room`.
    """
    following = scratch[0]
    nodes = nodes_needed(problem, best, room)
    asked = asked_by_all(problem, best)
    for number in range(1, replays):
        following[:] = best
        propose(problem, key, number, following)
        wanted = asked_by_all(problem, following)
        needed = nodes_needed(problem, following, room, nodes if wanted <= asked else nodes - 1)
        if needed < nodes or (needed == nodes and wanted <= asked):
            best[:] = following
            nodes, asked = needed, wanted
    return nodes


def anneal(
    problem: Any, best: NDArray[np.int64], replays: int, key: int, scratch: NDArray[np.int64], room: Room
) -> int:
    """The same by annealing."""
    now, following, ready = scratch[0], scratch[1], scratch[2]
    now[:] = best
    nodes = nodes_needed(problem, now, room)
    waiting = replay(problem, nodes - 1, now, ready, room) if nodes > 1 else 0.0
    value = waiting + _PER_REQUEST * asked_by_all(problem, now)
    for number in range(1, replays):
        if nodes == 1:
            break
        following[:] = now
        lot = propose(problem, key, number, following)
        waiting = replay(problem, nodes - 1, following, ready, room)
        other = waiting + _PER_REQUEST * asked_by_all(problem, following)
        warm = WARMTH * (1.0 - number / replays)
        if waiting == 0.0 or other <= value or lot < math.exp((value - other) / warm):
            now[:] = following
            value = other
        if waiting == 0.0:
            best[:] = following
            nodes = nodes_needed(problem, best, room, nodes - 1)
            if nodes > 1:
                value = replay(problem, nodes - 1, now, ready, room) + _PER_REQUEST * asked_by_all(problem, now)
    return nodes


@cache
def _compiled() -> Any:
    sources = ""

    def search_all(
        problems: NDArray[Any],
        replicas: NDArray[np.int64],
        nodes: NDArray[np.int64],
        replays: int,
        key: int,
        is_annealed: bool,
        scratch: NDArray[np.int64],
        room: Room,
    ) -> None:
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(problems)):
            if is_annealed:
                nodes[i] = anneal(problems[i], replicas[i], replays, key + i, scratch, room)
            else:
                nodes[i] = climb(problems[i], replicas[i], replays, key + i, scratch, room)

    sources = jit.register_callees(search_all)
    return jit.compiled(search_all, error_model="numpy")


def search(
    problems: NDArray[Any], starts: NDArray[np.int64], replays: int = 1, seed: int = 0, *, anneals: bool = False
) -> Found:
    """The best configuration of each problem that a local search finds; of one replay, the start itself.

    Args:
        problems: Of `env.fleet.draw.PROBLEM`, (n,).
        starts: Replicas to begin with, (n, MOST_SERVICES).
        replays: Configurations that are tried of each, the start included.
        seed: Of what is random, 0 to 2^62.
        anneals: Search by annealing; else by hill climbing.
    """
    replicas, nodes = np.array(starts, np.int64), np.zeros(len(problems), np.int64)
    scratch = np.zeros((3, MOST_SERVICES), np.int64)
    _compiled()(problems, replicas, nodes, replays, seed, anneals, scratch, new_room())
    return Found(nodes, replicas)
