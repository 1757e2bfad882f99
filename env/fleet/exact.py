"""A sharper bound where OR-Tools is installed (the extra `ortools`): each pod on a node, wherever it fits.

CP-SAT chooses replicas and nodes freely, which no scheduler does better than. From the fewest nodes that are known to
be enough downwards, it proves that one less is not; it is stopped by its deterministic clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.placement import CPU, MEMORY, USED_CPU, USED_MEMORY, clear, new_room
from env.fleet.rules import requests_of
from env.fleet.variants import MOST_REPLICAS

_WORK = 1.0  # of the deterministic clock for each number of nodes, a few seconds
_MOST_CELLS = 2_500  # services times replicas times nodes


def is_installed() -> bool:
    """Whether OR-Tools is there."""
    return find_spec("ortools") is not None


def exact_bound(problem: NDArray[Any], bound: int, nodes: int) -> int:
    """A number of nodes that no configuration is below; at least `bound`.

    Args:
        problem: One, in an array.
        bound: One that is known.
        nodes: On so many a configuration is known to be Ready. Many services on many nodes are left as they are.

    Raises:
        ImportError: OR-Tools is not installed.
    """
    if int(problem["services"][0]) * MOST_REPLICAS * nodes > _MOST_CELLS:
        return bound
    for fewer in range(nodes - 1, bound - 1, -1):
        if _is_impossible(problem, fewer):
            return fewer + 1
    return bound


def choices(problem: NDArray[Any], service: int) -> Iterator[tuple[int, int, int]]:
    """Replicas of a service of one problem, and the CPU (millicores) and memory (MiB) that each pod requests.

    More pods that request as much each are left out: where these have room, fewer have it too.
    """
    requests = requests_of(problem)
    before: tuple[int, int] | None = None
    for replicas in range(int(problem["fewest"][0, service]), MOST_REPLICAS + 1):
        cpu, memory = (int(each[0, service, replicas - 1]) for each in requests)
        if (cpu, memory) != before:
            yield replicas, cpu, memory
        before = cpu, memory


def _is_impossible(problem: NDArray[Any], nodes: int) -> bool:
    """Whether it is proven that so many nodes are too few."""
    from ortools.sat.python import cp_model

    one = problem.view(np.recarray)[0]
    room = new_room()
    clear(one, nodes, room)
    cpu_m, memory_mib = (
        (room.amounts[has, :nodes] - room.amounts[used, :nodes]).astype(np.int64)
        for has, used in ((CPU, USED_CPU), (MEMORY, USED_MEMORY))
    )
    model = cp_model.CpModel()
    loads: list[tuple[int, int, list[Any]]] = []  # CPU and memory of a pod, and how many of them are on each node
    for i in range(one.neighbours):
        pods = int(one.neighbour_pods[i])
        on = [model.new_int_var(0, pods, "") for _ in range(nodes)]
        model.add(sum(on) == pods)
        loads.append((int(one.neighbour_cpu_m[i]), int(one.neighbour_memory_mib[i]), on))
    for j in range(one.services):
        chosen = []
        for replicas, cpu, memory in choices(problem, j):
            most = np.minimum(cpu_m // cpu, memory_mib // memory).clip(0, replicas).tolist()
            if sum(most) < replicas:
                continue
            is_chosen = model.new_bool_var("")
            on = [model.new_int_var(0, each, "") for each in most]
            model.add(sum(on) == replicas * is_chosen)
            loads.append((cpu, memory, on))
            chosen.append(is_chosen)
        if not chosen:
            return True
        model.add_exactly_one(chosen)
    for i in range(nodes):
        model.add(sum(cpu * on[i] for cpu, _, on in loads) <= int(cpu_m[i]))
        model.add(sum(memory * on[i] for _, memory, on in loads) <= int(memory_mib[i]))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = _WORK
    return bool(solver.solve(model) == cp_model.INFEASIBLE)
