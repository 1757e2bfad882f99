"""A problem: services, what is on the nodes besides them, and the nodes; a function of a seed.

All is whole numbers, and numba compiles it: the vector environment draws a problem inside its loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.actions import CPU_STEP_M, MIN_CPU_M, MIN_MEMORY_BYTES
from env.fleet.use import MEMORY_STEP_MIB, cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_NEIGHBOURS, MOST_REPLICAS, MOST_SERVICES, Variant
from env.problems.philox import below, philox
from env.quantity import MIB

_SERVICE = (np.int64, (MOST_SERVICES,))
_NEIGHBOUR = (np.int64, (MOST_NEIGHBOURS,))
_POOL = (np.int64, (2,))

PROBLEM = np.dtype(
    [
        ("services", np.int64),
        ("neighbours", np.int64),
        ("daemons", np.int64),
        ("second_share", np.int64),
        ("cpu_m", *_POOL),
        ("memory_mib", *_POOL),
        ("daemon_cpu_m", np.int64),
        ("daemon_memory_mib", np.int64),
        ("base_cpu_m", *_SERVICE),
        ("load_cpu_m", *_SERVICE),
        ("base_memory_mib", *_SERVICE),
        ("load_memory_mib", *_SERVICE),
        ("cpu_offset_m", *_SERVICE),
        ("memory_offset_mib", *_SERVICE),
        ("fewest", *_SERVICE),
        ("start", *_SERVICE),
        ("neighbour_cpu_m", *_NEIGHBOUR),
        ("neighbour_memory_mib", *_NEIGHBOUR),
        ("neighbour_pods", *_NEIGHBOUR),
    ]
)
"""A problem in numbers, all int64; CPU in millicores, memory in MiB.

services, neighbours: Deployments whose replicas are chosen, and others, which are there first and stay as they are.
daemons: DaemonSets, each with a pod of `daemon_cpu_m` and `daemon_memory_mib` on every node.
second_share: How many of four nodes are of the second pool; 0: there is one pool.
cpu_m, memory_mib: What a node of each pool can allocate.
base_, load_: See `env.fleet.use`.
cpu_offset_m, memory_offset_mib: Of the requests.
fewest: The fewest replicas that a service may have; with fewer its pods would not fit a node, or fewer are not wanted.
start: The replicas at first.
"""

_MARK = 1 << 40  # no other counter of philox under these keys is as high
_FOR_NODES, _FOR_SHARE, _FOR_LOAD, _FOR_OFFSET, _FOR_START, _FOR_OTHERS, _FOR_NEIGHBOUR = range(7)
_TILTS = (256, 304, 362, 431, 512, 609, 724, 861, 1024, 1218, 1448, 1722, 2048, 2435, 2896, 3444, 4096)
"""Memory for CPU, against a node's, in parts of 1,024: a quarter to four times as much, evenly in its logarithm."""
_BASES = (20, 27, 37, 50, 67, 90, 121, 150)
"""Memory that each pod uses by itself, in thousandths of a node."""


def draw_problem(problem: Any, seed: int, number: int, fewest: int, most: int, least_load: int, most_load: int) -> None:
    """Write the problem of a seed into `problem`, of PROBLEM.

    Args:
        problem: Changed; a record that has the fields of PROBLEM.
        seed: 0 to 2^63 - 1.
        number, fewest, most, least_load, most_load: Of a `env.fleet.variants.Variant`.
    """
    mark = _MARK + number
    cores_word, ratio_word, reserve_word, services_word = philox(seed, mark, _FOR_NODES)
    cores, ratio = 4 << below(cores_word, 3), 2 << below(ratio_word, 3)
    write_pool(problem, 0, cores, ratio, reserve_word)
    draw_others(problem, seed, mark, cores, ratio)
    problem.services = fewest + below(services_word, most - fewest + 1)
    load_word, _, _, _ = philox(seed, mark, _FOR_SHARE)
    load = least_load + below(load_word, most_load - least_load + 1)
    weights = 0
    for j in range(problem.services):
        weights += weight_of(seed, mark, j)
    for j in range(problem.services):
        draw_service(problem, seed, mark, j, load * weight_of(seed, mark, j) // weights, cores)
    draw_neighbours(problem, seed, mark, load)


def write_pool(problem: Any, pool: int, cores: int, ratio: int, word: int) -> None:
    """Write what a node of so many cores, with `ratio` GiB each, has left after system reservations."""
    problem.cpu_m[pool] = cores * 1000 - cores * 100 * (1 + below(word, 6)) // 8
    problem.memory_mib[pool] = cores * ratio * 1024 - cores * 32 * (1 + (word & 3))


def draw_others(problem: Any, seed: int, mark: int, cores: int, ratio: int) -> None:
    """Draw a second pool, in a third of the problems, and DaemonSets, in three quarters."""
    pool_word, reserve_word, daemons_word, size_word = philox(seed, mark, _FOR_OTHERS)
    kind = below(pool_word, 12)  # 0 to 3: there is a second pool; of what kind
    problem.second_share = 1 + (reserve_word >> 8 & 1) if kind < 4 else 0
    second_cores = cores * 2 if kind == 0 else (cores // 2 if kind == 1 else cores)
    second_ratio = ratio * 2 if kind == 2 else (max(ratio // 2, 1) if kind == 3 else ratio)
    write_pool(problem, 1, second_cores, second_ratio, reserve_word)
    problem.daemons = below(daemons_word, 4)
    problem.daemon_cpu_m = 10 * (1 + below(size_word, 2 * cores))
    problem.daemon_memory_mib = 16 * (1 + (size_word & 7))


def weight_of(seed: int, mark: int, service: int) -> int:
    """How large a service's load is, against others'."""
    return 100 + below(philox(seed, mark + (service + 1 << 20), _FOR_SHARE)[0], 901)


def draw_service(problem: Any, seed: int, mark: int, j: int, load: int, cores: int) -> None:
    """Draw service j, whose load is so many thousandths of a node, in CPU or memory, of which it needs more."""
    own = mark + (j + 1 << 20)
    tilt_word, cpu_word, memory_word, fewest_word = philox(seed, own, _FOR_LOAD)
    tilt = _TILTS[below(tilt_word, len(_TILTS))]
    problem.load_cpu_m[j] = load * problem.cpu_m[0] * 1024 // (1000 * max(tilt, 1024))
    problem.load_memory_mib[j] = load * problem.memory_mib[0] * min(tilt, 1024) // (1000 * 1024)
    problem.base_cpu_m[j] = (5 + below(cpu_word, 21)) * 10 * cores // 8
    problem.base_memory_mib[j] = _BASES[below(memory_word, len(_BASES))] * problem.memory_mib[0] // 1000
    cpu_offset_word, memory_offset_word, start_word, _ = philox(seed, own, _FOR_OFFSET)
    problem.cpu_offset_m[j] = MIN_CPU_M + 50 * below(cpu_offset_word, CPU_STEP_M // 50)
    problem.memory_offset_mib[j] = MIN_MEMORY_BYTES // MIB + 16 * below(memory_offset_word, MEMORY_STEP_MIB // 16)
    cpu_m = problem.cpu_m[0] - problem.daemons * problem.daemon_cpu_m
    memory_mib = problem.memory_mib[0] - problem.daemons * problem.daemon_memory_mib
    fewest = 1 + below(fewest_word, 3)
    while fewest < MOST_REPLICAS and (
        cpu_request_m(problem, j, fewest) > cpu_m or memory_request_mib(problem, j, fewest) > memory_mib
    ):
        fewest += 1
    problem.fewest[j] = fewest
    problem.start[j] = min(max(load * (12 + below(start_word, 19)) // 10_000 + 1, fewest), MOST_REPLICAS)


def draw_neighbours(problem: Any, seed: int, mark: int, load: int) -> None:
    """Draw what else is there, in half of the problems: pods of up to half a node, of a tenth of the load each."""
    number_word, _, _, _ = philox(seed, mark, _FOR_NEIGHBOUR)
    problem.neighbours = max(below(number_word, 2 * MOST_NEIGHBOURS) - MOST_NEIGHBOURS + 1, 0)
    for i in range(problem.neighbours):
        pods_word, cpu_word, memory_word, _ = philox(seed, mark + (i + 1 << 20), _FOR_NEIGHBOUR)
        pods = 1 + below(pods_word, 8)
        cpu_m = load * problem.cpu_m[0] // (10_000 * pods)
        memory_mib = load * problem.memory_mib[0] // (10_000 * pods)
        problem.neighbour_pods[i] = pods
        problem.neighbour_cpu_m[i] = 50 * (1 + min(cpu_m, problem.cpu_m[0] // 2) * (1 + below(cpu_word, 8)) // 400)
        problem.neighbour_memory_mib[i] = 16 * (
            1 + min(memory_mib, problem.memory_mib[0] // 2) * (1 + below(memory_word, 8)) // 128
        )


@cache
def _compiled_draw() -> Any:
    sources = ""

    def draw_all(
        problems: NDArray[Any],
        seeds: NDArray[np.int64],
        number: int,
        fewest: int,
        most: int,
        least_load: int,
        most_load: int,
    ) -> None:
        sources  # noqa: B018  (numba's cache of compiled code knows a function by its own file and its closure)
        for i in range(len(problems)):
            draw_problem(problems[i], seeds[i], number, fewest, most, least_load, most_load)

    sources = jit.register_callees(draw_all)
    return jit.compiled(draw_all, error_model="numpy")


def problems_of(variant: Variant, seeds: Sequence[int]) -> NDArray[Any]:
    """The problems of seeds, of PROBLEM."""
    problems = np.zeros(len(seeds), PROBLEM)
    numbers = (variant.number, variant.fewest, variant.most, variant.least_load, variant.most_load)
    _compiled_draw()(problems, np.array(seeds, np.int64), *numbers)
    return problems
