"""Where kube-scheduler puts the pods of Deployments on empty nodes, compiled and without allocations.

The same decisions as `env.engine.scheduling.kernel` makes of such pods: NodeResourcesFit, LeastAllocated,
BalancedAllocation and the default spreading over hosts. Where nothing else matters, the scores of the other plugins
are the same on all nodes. Resources are scored once for a Deployment, and again on the node that has got a pod. Nodes
with equally many pods of the Deployment are one level; only a level that a node leaves is gone through again.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from env.engine.scheduling.nodes import DEFAULT_PODS
from env.fleet.use import cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_NEIGHBOURS, MOST_NODES, MOST_SERVICES

CPU, MEMORY, USED_CPU, USED_MEMORY, PODS = range(5)
"""Rows of `Room.amounts`: what a node has and what is used of it, millicores and MiB; how many more pods it takes."""
KEY, OWN, LEVEL = range(3)
"""Rows of `Room.keys`: a node's key (see `score_nodes`); its pods of the Deployment whose turn it is; and, in a column
for each number of such pods, the highest key of the nodes that have so many."""

DEPLOYMENTS = MOST_NEIGHBOURS + MOST_SERVICES

_MAX = 100
_KEYS = 128  # more than there are nodes


class Room(NamedTuple):
    """What is on the nodes, a column each.

    Whole numbers all of them. Amounts are float64, as compilers have vector instructions for its division; quotients
    of numbers below 2^31 are cut as exactly as in int64.

    Attributes:
        amounts: float64 (5, MOST_NODES), see CPU.
        keys: int64 (3, MOST_NODES), see KEY.
        on: Pods of each Deployment, neighbours first, uint8 (DEPLOYMENTS, MOST_NODES); what the last replay came to.
    """

    amounts: NDArray[np.float64]
    keys: NDArray[np.int64]
    on: NDArray[np.uint8]


def new_room() -> Room:
    """Space for the numbers of nodes."""
    on = np.zeros((DEPLOYMENTS, MOST_NODES), np.uint8)
    return Room(np.zeros((5, MOST_NODES)), np.zeros((3, MOST_NODES), np.int64), on)


def of_second_pool(problem: Any, nodes: int) -> int:
    """How many of so many nodes are of the second pool."""
    return int(nodes * problem.second_share // 4)


def clear(problem: Any, nodes: int, room: Room) -> None:
    """Let there be so many nodes, with nothing but DaemonSets' pods."""
    amounts = room.amounts
    first = nodes - of_second_pool(problem, nodes)
    for i in range(nodes):
        pool = 0 if i < first else 1
        amounts[CPU, i] = problem.cpu_m[pool]
        amounts[MEMORY, i] = problem.memory_mib[pool]
        amounts[USED_CPU, i] = problem.daemons * problem.daemon_cpu_m
        amounts[USED_MEMORY, i] = problem.daemons * problem.daemon_memory_mib
        amounts[PODS, i] = DEFAULT_PODS - problem.daemons


def score_nodes(first: int, end: int, cpu_m: float, memory_mib: float, room: Room) -> None:
    """Write the keys of nodes: first the score of their resources, then which comes first; -1 where no pod more fits.

    The score is that of LeastAllocated and BalancedAllocation. There is no branch, so that it is done for several
    nodes at once.

    Args:
        first, end: Which nodes.
        cpu_m, memory_mib: What the pod requests.
        room: `keys` are written.
    """
    amounts, keys = room.amounts, room.keys
    for i in range(first, end):
        cpu, memory = amounts[CPU, i], amounts[MEMORY, i]
        used_cpu, used_memory = amounts[USED_CPU, i] + cpu_m, amounts[USED_MEMORY, i] + memory_mib
        fits = (used_cpu <= cpu) & (used_memory <= memory) & (amounts[PODS, i] > 0.0)
        least = (int((cpu - used_cpu) * _MAX / cpu) + int((memory - used_memory) * _MAX / memory)) >> 1
        balance = int((1.0 - abs((used_cpu / cpu - used_memory / memory) * 0.5)) * _MAX)
        key = (least + balance) * _KEYS + (_KEYS - 1 - i)
        keys[KEY, i] = key if fits else -1


def raw_spread(own: int, weight: float) -> int:
    """What PodTopologySpread counts for a node with so many pods of the Deployment, before it is normalised."""
    return math.floor(own * weight + 2.0 + 0.5)


def best_node(most: int, weight: float, levels: NDArray[np.int64]) -> int:
    """The node with the highest score, the first of several; at least one takes a pod.

    Only the best of those with equally many own pods is looked at: they have the same score for spreading.

    Args:
        most: No node has more own pods.
        weight: Of the Deployment's own pods on a node.
        levels: `Room.keys[LEVEL]`.
    """
    least = 0
    while levels[least] < 0:
        least += 1
    while levels[most] < 0:
        most -= 1
    top = levels[least]
    if least < most:
        low, high = raw_spread(least, weight), raw_spread(most, weight)
        top = -1
        for own in range(least, most + 1):
            if levels[own] >= 0:
                spread = 2 * (_MAX * (high + low - raw_spread(own, weight)) // high)
                top = max(top, levels[own] + spread * _KEYS)
    return int(_KEYS - 1 - top % _KEYS)


def best_of_level(nodes: int, own: int, keys: NDArray[np.int64]) -> int:
    """The highest key of nodes with so many own pods; -1: none of them takes a pod."""
    best = -1
    for i in range(nodes):
        key = keys[KEY, i] if keys[OWN, i] == own else -1
        if key > best:  # compiled to faster code than max
            best = key
    return best


def place(nodes: int, cpu_m: int, memory_mib: int, wanted: int, room: Room) -> int:
    """Place the pods of a Deployment, one by one, until none fits.

    Args:
        nodes: How many there are.
        cpu_m, memory_mib: What each pod requests.
        wanted: How many pods; fewer than MOST_NODES.
        room: Changed.

    Returns:
        How many were placed.
    """
    amounts, keys = room.amounts, room.keys
    score_nodes(0, nodes, cpu_m, memory_mib, room)
    found = 0
    for i in range(nodes):
        keys[OWN, i] = 0
        found += keys[KEY, i] >= 0
    keys[LEVEL, 0] = best_of_level(nodes, 0, keys)
    weight, of, most = 0.0, -1, 0
    for number in range(wanted):
        if found == 0:
            return number
        if of != found:
            weight, of = math.log(found + 2.0), found
        best = best_node(most, weight, keys[LEVEL])
        own = keys[OWN, best] + 1
        if own > most:
            most = own
            keys[LEVEL, own] = -1
        amounts[USED_CPU, best] += cpu_m
        amounts[USED_MEMORY, best] += memory_mib
        amounts[PODS, best] -= 1.0
        keys[OWN, best] = own
        score_nodes(best, best + 1, cpu_m, memory_mib, room)
        found -= keys[KEY, best] < 0
        keys[LEVEL, own - 1] = best_of_level(nodes, own - 1, keys)
        keys[LEVEL, own] = max(keys[LEVEL, own], keys[KEY, best])
    return wanted


def size(problem: Any, cpu_m: int, memory_mib: int) -> float:
    """A pod in nodes of the first pool, by the resource of which it takes more."""
    return max(float(cpu_m / problem.cpu_m[0]), float(memory_mib / problem.memory_mib[0]))


def replay(
    problem: Any, nodes: int, replicas: NDArray[np.int64], ready: NDArray[np.int64], room: Room, since: int = 0
) -> float:
    """Place everything on so many nodes, each service with the least requests that are enough for it.

    Args:
        problem: Of `env.fleet.draw.PROBLEM`.
        nodes: 1 to MOST_NODES.
        replicas: Of the services.
        ready: How many pods of each service are Ready; written.
        room: Written.
        since: The first Deployment, neighbours first, that may go elsewhere than in the last replay, which was on as
            many nodes: those before it are put where they were.

    Returns:
        Pods that wait, in nodes of the first pool; 0 if all are Ready.
    """
    clear(problem, nodes, room)
    waiting, neighbours = 0.0, problem.neighbours
    for k in range(neighbours + problem.services):
        wanted, cpu_m, memory_mib = asked_by(problem, k, replicas)
        if k < since:
            placed = put_back(nodes, k, cpu_m, memory_mib, room)
        else:
            placed = place(nodes, cpu_m, memory_mib, wanted, room)
            for i in range(nodes):
                room.on[k, i] = room.keys[OWN, i]
        if k >= neighbours:
            ready[k - neighbours] = placed
        waiting += (wanted - placed) * size(problem, cpu_m, memory_mib)
    return waiting


def asked_by(problem: Any, k: int, replicas: NDArray[np.int64]) -> tuple[int, int, int]:
    """How many pods Deployment k has, neighbours first, and the CPU and memory that each of them requests."""
    j = k - problem.neighbours
    if j < 0:
        return problem.neighbour_pods[k], problem.neighbour_cpu_m[k], problem.neighbour_memory_mib[k]
    return replicas[j], cpu_request_m(problem, j, replicas[j]), memory_request_mib(problem, j, replicas[j])


def put_back(nodes: int, k: int, cpu_m: int, memory_mib: int, room: Room) -> int:
    """Let the pods of Deployment k be where they were; returns how many there are."""
    amounts, placed = room.amounts, 0
    for i in range(nodes):
        pods = int(room.on[k, i])
        amounts[USED_CPU, i] += pods * cpu_m
        amounts[USED_MEMORY, i] += pods * memory_mib
        amounts[PODS, i] -= pods
        placed += pods
    return placed


def nodes_needed(problem: Any, replicas: NDArray[np.int64], room: Room, most: int = MOST_NODES) -> int:
    """The fewest nodes on which all is Ready; `most` + 1 if so many are not enough."""
    all_cpu_m, all_memory_mib = 0, 0
    for k in range(problem.neighbours + problem.services):
        wanted, cpu_m, memory_mib = asked_by(problem, k, replicas)
        all_cpu_m += wanted * cpu_m
        all_memory_mib += wanted * memory_mib
    for nodes in range(1, most + 1):
        if has_volume(problem, nodes, all_cpu_m, all_memory_mib) and are_enough(problem, nodes, replicas, room):
            return nodes
    return most + 1


def are_enough(problem: Any, nodes: int, replicas: NDArray[np.int64], room: Room) -> bool:
    """Whether all is Ready on so many nodes."""
    clear(problem, nodes, room)
    for k in range(problem.neighbours + problem.services):
        wanted, cpu_m, memory_mib = asked_by(problem, k, replicas)
        if place(nodes, cpu_m, memory_mib, wanted, room) < wanted:
            return False
    return True


def has_volume(problem: Any, nodes: int, cpu_m: int, memory_mib: int) -> bool:
    """Whether so many nodes can allocate that much, besides DaemonSets' pods."""
    second = of_second_pool(problem, nodes)
    first = nodes - second
    cpu = first * problem.cpu_m[0] + second * problem.cpu_m[1] - nodes * problem.daemons * problem.daemon_cpu_m
    memory = first * problem.memory_mib[0] + second * problem.memory_mib[1]
    return bool(cpu_m <= cpu and memory_mib <= memory - nodes * problem.daemons * problem.daemon_memory_mib)
