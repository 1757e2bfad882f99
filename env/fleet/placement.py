"""Where kube-scheduler puts the pods of Deployments on empty nodes, compiled and without allocations.

The same decisions as `env.engine.scheduling.kernel` makes of such pods: NodeResourcesFit, LeastAllocated,
BalancedAllocation and the default spreading over hosts. Where nothing else matters, the scores of the other plugins
are the same on all nodes. Resources are scored once for a Deployment, and again on the node that has got a pod.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.engine.scheduling.nodes import DEFAULT_PODS
from env.fleet.use import cpu_request_m, memory_request_mib
from env.fleet.variants import MOST_NODES

CPU, MEMORY, USED_CPU, USED_MEMORY, PODS, OWN, SCORE, SPREAD = range(8)
"""Rows of `room`, a column a node: what it has and what is used of it; how many more pods it takes; pods of the
Deployment whose turn it is; the score of its resources, -1 where no further pod fits. SPREAD has a column for each
number of own pods, from the least on, and the score for it."""

_MAX = 100
_FAR = 1 << 40


def new_room() -> NDArray[np.int64]:
    """Space for the numbers of nodes."""
    return np.zeros((8, MOST_NODES), np.int64)


def of_second_pool(problem: Any, nodes: int) -> int:
    """How many of so many nodes are of the second pool."""
    return int(nodes * problem.second_share // 4)


def clear(problem: Any, nodes: int, room: NDArray[np.int64]) -> None:
    """Let there be so many nodes, with nothing but DaemonSets' pods."""
    first = nodes - of_second_pool(problem, nodes)
    for i in range(nodes):
        pool = 0 if i < first else 1
        room[CPU, i] = problem.cpu_m[pool]
        room[MEMORY, i] = problem.memory_mib[pool]
        room[USED_CPU, i] = problem.daemons * problem.daemon_cpu_m
        room[USED_MEMORY, i] = problem.daemons * problem.daemon_memory_mib
        room[PODS, i] = DEFAULT_PODS - problem.daemons


def resource_score(room: NDArray[np.int64], i: int, cpu_m: int, memory_mib: int) -> int:
    """LeastAllocated and BalancedAllocation of a node with one pod more; -1 where it does not fit."""
    cpu, memory = room[CPU, i], room[MEMORY, i]
    used_cpu, used_memory = room[USED_CPU, i] + cpu_m, room[USED_MEMORY, i] + memory_mib
    if used_cpu > cpu or used_memory > memory or room[PODS, i] <= 0:
        return -1
    least = ((cpu - used_cpu) * _MAX // cpu + (memory - used_memory) * _MAX // memory) // 2
    balance = int((1.0 - abs((used_cpu / cpu - used_memory / memory) / 2)) * _MAX)
    return int(least + balance)


def raw_spread(own: int, weight: float) -> int:
    """What PodTopologySpread counts for a node with so many pods of the Deployment, before it is normalised."""
    return math.floor(own * weight + 2.0 + 0.5)


def best_node(nodes: int, weight: float, room: NDArray[np.int64]) -> int:
    """The node with the highest score, the first of several; at least one takes a pod.

    Args:
        nodes: How many there are.
        weight: Of the Deployment's own pods on a node.
        room: See CPU; SPREAD is written.
    """
    least, most = _FAR, 0
    for i in range(nodes):
        if room[SCORE, i] >= 0:
            least = min(least, room[OWN, i])
            most = max(most, room[OWN, i])
    low, high = raw_spread(least, weight), raw_spread(most, weight)
    for own in range(least, most + 1):
        room[SPREAD, own - least] = 2 * (_MAX * (high + low - raw_spread(own, weight)) // high)
    best, top = 0, -1
    for i in range(nodes):
        if room[SCORE, i] >= 0:
            score = room[SCORE, i] + room[SPREAD, room[OWN, i] - least]
            if score > top:
                best, top = i, score
    return best


def place(nodes: int, cpu_m: int, memory_mib: int, wanted: int, room: NDArray[np.int64]) -> int:
    """Place the pods of a Deployment, one by one, until none fits.

    Args:
        nodes: How many there are.
        cpu_m, memory_mib: What each pod requests.
        wanted: How many pods.
        room: See CPU; changed.

    Returns:
        How many were placed.
    """
    found = 0
    for i in range(nodes):
        room[OWN, i] = 0
        room[SCORE, i] = resource_score(room, i, cpu_m, memory_mib)
        found += room[SCORE, i] >= 0
    weight, of = 0.0, -1
    for number in range(wanted):
        if found == 0:
            return number
        if of != found:
            weight, of = math.log(found + 2.0), found
        best = best_node(nodes, weight, room)
        room[USED_CPU, best] += cpu_m
        room[USED_MEMORY, best] += memory_mib
        room[PODS, best] -= 1
        room[OWN, best] += 1
        room[SCORE, best] = resource_score(room, best, cpu_m, memory_mib)
        found -= room[SCORE, best] < 0
    return wanted


def size(problem: Any, cpu_m: int, memory_mib: int) -> float:
    """A pod in nodes of the first pool, by the resource of which it takes more."""
    return max(float(cpu_m / problem.cpu_m[0]), float(memory_mib / problem.memory_mib[0]))


def replay(
    problem: Any, nodes: int, replicas: NDArray[np.int64], ready: NDArray[np.int64], room: NDArray[np.int64]
) -> float:
    """Place everything on so many nodes, each service with the least requests that are enough for it.

    Args:
        problem: Of `env.fleet.draw.PROBLEM`.
        nodes: 1 to MOST_NODES.
        replicas: Of the services.
        ready: How many pods of each service are Ready; written.
        room: See CPU; written.

    Returns:
        Pods that wait, in nodes of the first pool; 0 if all are Ready.
    """
    clear(problem, nodes, room)
    waiting = 0.0
    for i in range(problem.neighbours):
        cpu_m, memory_mib = problem.neighbour_cpu_m[i], problem.neighbour_memory_mib[i]
        left = problem.neighbour_pods[i] - place(nodes, cpu_m, memory_mib, problem.neighbour_pods[i], room)
        waiting += left * size(problem, cpu_m, memory_mib)
    for j in range(problem.services):
        cpu_m, memory_mib = cpu_request_m(problem, j, replicas[j]), memory_request_mib(problem, j, replicas[j])
        ready[j] = place(nodes, cpu_m, memory_mib, replicas[j], room)
        waiting += (replicas[j] - ready[j]) * size(problem, cpu_m, memory_mib)
    return waiting


def nodes_needed(problem: Any, replicas: NDArray[np.int64], ready: NDArray[np.int64], room: NDArray[np.int64]) -> int:
    """The fewest nodes on which all is Ready; MOST_NODES + 1 if there are none."""
    cpu_m, memory_mib = 0, 0
    for i in range(problem.neighbours):
        cpu_m += problem.neighbour_cpu_m[i] * problem.neighbour_pods[i]
        memory_mib += problem.neighbour_memory_mib[i] * problem.neighbour_pods[i]
    for j in range(problem.services):
        cpu_m += cpu_request_m(problem, j, replicas[j]) * replicas[j]
        memory_mib += memory_request_mib(problem, j, replicas[j]) * replicas[j]
    for nodes in range(1, MOST_NODES + 1):
        if has_volume(problem, nodes, cpu_m, memory_mib) and replay(problem, nodes, replicas, ready, room) == 0.0:
            return nodes
    return MOST_NODES + 1


def has_volume(problem: Any, nodes: int, cpu_m: int, memory_mib: int) -> bool:
    """Whether so many nodes can allocate that much, besides DaemonSets' pods."""
    second = of_second_pool(problem, nodes)
    first = nodes - second
    cpu = first * problem.cpu_m[0] + second * problem.cpu_m[1] - nodes * problem.daemons * problem.daemon_cpu_m
    memory = first * problem.memory_mib[0] + second * problem.memory_mib[1]
    return bool(cpu_m <= cpu and memory_mib <= memory - nodes * problem.daemons * problem.daemon_memory_mib)
