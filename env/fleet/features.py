"""What an agent sees: the cluster, and of each service what is known of it at the replicas that it has now.

How use would change with the replicas is not told: it follows from what was seen at others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.placement import of_second_pool, size
from env.fleet.use import cpu_request_m, cpu_use_m, memory_request_mib, memory_use_mib
from env.fleet.variants import JUMPS, MOST_REPLICAS, MOST_SERVICES, Variant

LEAST, HIGHEST = -1.0, 2.0
"""Bounds of every feature."""
CLUSTER = (
    "nodes",
    "cpu_asked",
    "memory_asked",
    "steps_left",
    "nodes_saved",
    "services",
    "second_share",
    "second_cpu",
    "second_memory",
    "daemons_cpu",
    "daemons_memory",
    "neighbours_cpu",
    "neighbours_memory",
    "waiting",
)
SERVICE = (
    "there",
    "replicas",
    "fewest_replicas",
    "cpu_request",
    "memory_request",
    "cpu_use",
    "memory_use",
    "pods_on_a_node",
    "stranded",
    "nodes_alone",
    "cpu_share",
    "memory_share",
    "waiting_share",
    "changed",
)


def feature_names(variant: Variant) -> tuple[str, ...]:
    """Names of the numbers of a state, in their order."""
    return (*CLUSTER, *(f"{name}_{j + 1}" for j in range(variant.most) for name in SERVICE))


def features(lane: Any, slots: int, steps: int, state: NDArray[np.float32]) -> None:
    """Write what is seen of a lane into `state`, float32 of `feature_names`.

    Args:
        lane: Of `env.fleet.kernel.LANE`.
        slots: Services that the state has room for.
        steps: Of an episode that is not cut.
        state: Written.
    """
    second = of_second_pool(lane, lane.nodes)
    first = lane.nodes - second
    all_cpu_m = float(first * lane.cpu_m[0] + second * lane.cpu_m[1])
    all_memory_mib = float(first * lane.memory_mib[0] + second * lane.memory_mib[1])
    cpu_m, memory_mib = 0.0, 0.0
    for i in range(lane.neighbours):
        cpu_m += lane.neighbour_cpu_m[i] * lane.neighbour_pods[i]
        memory_mib += lane.neighbour_memory_mib[i] * lane.neighbour_pods[i]
    state[11], state[12] = min(cpu_m / all_cpu_m, HIGHEST), min(memory_mib / all_memory_mib, HIGHEST)
    daemon_cpu_m, daemon_memory_mib = lane.daemons * lane.daemon_cpu_m, lane.daemons * lane.daemon_memory_mib
    at = len(CLUSTER)
    for j in range(slots):
        if j >= lane.services:
            for i in range(len(SERVICE)):
                state[at + i] = 0.0
            at += len(SERVICE)
            continue
        replicas = lane.replicas[j]
        cpu, memory = cpu_request_m(lane, j, replicas), memory_request_mib(lane, j, replicas)
        fits = min((lane.cpu_m[0] - daemon_cpu_m) // cpu, (lane.memory_mib[0] - daemon_memory_mib) // memory)
        alone = replicas / (fits * lane.nodes)
        state[at] = 1.0
        state[at + 1] = replicas / MOST_REPLICAS
        state[at + 2] = lane.fewest[j] / MOST_REPLICAS
        state[at + 3] = cpu / lane.cpu_m[0]
        state[at + 4] = memory / lane.memory_mib[0]
        state[at + 5] = cpu_use_m(lane, j, replicas) / lane.cpu_m[0]
        state[at + 6] = memory_use_mib(lane, j, replicas) / lane.memory_mib[0]
        state[at + 7] = fits / (fits + 4.0)
        state[at + 8] = 1.0 - fits * size(lane, cpu, memory)
        state[at + 9] = min(alone, HIGHEST)
        state[at + 10] = min(cpu * replicas / all_cpu_m, HIGHEST)
        state[at + 11] = min(memory * replicas / all_memory_mib, HIGHEST)
        state[at + 12] = (replicas - lane.ready[j]) / replicas
        state[at + 13] = lane.jump / JUMPS[-1] if lane.service == j else 0.0
        cpu_m += cpu * replicas
        memory_mib += memory * replicas
        at += len(SERVICE)
    state[0] = lane.nodes / (lane.nodes + 8.0)
    state[1] = min(cpu_m / all_cpu_m, HIGHEST)
    state[2] = min(memory_mib / all_memory_mib, HIGHEST)
    state[3] = 1.0 - min(lane.steps / steps, 1.0)
    state[4] = (lane.first_nodes - lane.fewest_nodes) / lane.first_nodes
    state[5] = lane.services / MOST_SERVICES
    state[6] = lane.second_share / 4.0
    state[7] = min(lane.cpu_m[1] / lane.cpu_m[0], HIGHEST) if lane.second_share > 0 else 0.0
    state[8] = min(lane.memory_mib[1] / lane.memory_mib[0], HIGHEST) if lane.second_share > 0 else 0.0
    state[9] = daemon_cpu_m / lane.cpu_m[0]
    state[10] = daemon_memory_mib / lane.memory_mib[0]
    state[13] = min(lane.waiting / lane.nodes, HIGHEST)


def action_mask(lane: Any, slots: int, mask: NDArray[np.bool_]) -> None:
    """Write which actions would change something, or keep a service that is there as it is."""
    for j in range(slots):
        for index, jump in enumerate(JUMPS):
            replicas = lane.replicas[j] + jump
            changed = min(max(replicas, lane.fewest[j]), MOST_REPLICAS) != lane.replicas[j]
            mask[j * len(JUMPS) + index] = j < lane.services and (jump == 0 or changed)
