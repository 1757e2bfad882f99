"""The bounded state vector that an agent sees, made of an observation, the target and what the episode remembers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES
from env.gym.memory import NO_FLOORS, Floors
from env.observation import Observation
from env.quantity import GIB

STATE_FEATURES: tuple[str, ...] = (
    "target",  # [0, 1): 5 pods are 0.5
    "ready",
    "pending",
    "replicas",
    "ready_distance",  # (-1, 1): ready - target; one pod off is 0.33
    "total_distance",
    "replicas_distance",
    "cpu_request",  # [0, 1): 2 CPUs are 0.5
    "memory_request",  # [0, 1): 4 GiB are 0.5
    "cpu_over_node",  # (-1, 1): actions until one pod fits the largest node (> 0: too big); one action off is 0.33
    "memory_over_node",
    "cpu_of_cluster",  # [0, 1): what `target` pods ask for, against the whole cluster; 0.5 is exactly full
    "memory_of_cluster",
    "insufficient_cpu",  # [0, 1]: fraction of the nodes that give this reason for the first pending pod
    "insufficient_memory",
    "too_many_pods",
    "oom_killed",  # [0, 1): one pod is 0.5, so that one of a hundred is not overlooked
    "cpu_starved",
    "nodes",  # [0, 1): 5 nodes are 0.5
    "refused_otherwise",  # [0, 1]: fraction of the nodes that refuse the first pending pod for any other reason
    "broken",  # [0, 1): one pod that neighbours lack is 0.5
    "others_pending",  # [0, 1): one pending pod of another workload is 0.5
    "others_insufficient_cpu",  # [0, 1]: fraction of the nodes that give this reason for the first of those
    "others_insufficient_memory",
    "others_too_many_pods",
    "cpu_over_floor",  # (0, 1]: actions down to the largest request that was too small; one is 0.33, none known 1
    "memory_over_floor",
)
STATE_DIM = len(STATE_FEATURES)
OWN_DIM = STATE_FEATURES.index("refused_otherwise")
"""How many of them `own_features` gives."""


def state_vector(observation: Observation, target: int, floors: Floors = NO_FLOORS) -> NDArray[np.float32]:
    """The features an agent acts on, in the order of STATE_FEATURES.

    Counts and ratios are squashed by x / (1 + x) instead of being clipped, so that no value ever leaves the
    range and larger ones stay distinguishable (17000m on a node of 16000m, 400 replicas).

    Args:
        observation: Any observation.
        target: Pods that should be ready.
        floors: What the episode remembers, this observation included.

    Returns:
        float32 of shape (STATE_DIM,), every entry within [-1, 1].
    """
    return np.array(features(observation, target, floors), dtype=np.float32)


def features(observation: Observation, target: int, floors: Floors) -> tuple[float, ...]:
    """The entries of `state_vector` before they are rounded to float32."""
    return own_features(observation, target) + further_features(observation, floors)


def own_features(observation: Observation, target: int) -> tuple[float, ...]:
    """Those about the workload and its nodes; numba compiles it."""
    o, r = observation, observation.resources
    return (
        squash(target, 5),
        squash(o.ready, 5),
        squash(o.pending, 5),
        squash(r.replicas, 5),
        squash(o.ready - target, 2),
        squash(o.total - target, 2),
        squash(r.replicas - target, 2),
        squash(r.cpu_m, 2_000),
        squash(r.memory_bytes, 4 * GIB),
        squash(r.cpu_m - o.node_cpu_m, 2 * CPU_STEP_M),
        squash(r.memory_bytes - o.node_memory_bytes, 2 * MEMORY_STEP_BYTES),
        squash(target * r.cpu_m, o.cluster_cpu_m),
        squash(target * r.memory_bytes, o.cluster_memory_bytes),
        fraction(o.insufficient_cpu, o.nodes),
        fraction(o.insufficient_memory, o.nodes),
        fraction(o.too_many_pods, o.nodes),
        squash(o.oom_killed, 1),
        squash(o.cpu_starved, 1),
        squash(o.nodes, 5),
    )


def further_features(observation: Observation, floors: Floors) -> tuple[float, ...]:
    """The rest, such as what others see and what the episode remembers; numba compiles it."""
    o, r = observation, observation.resources
    return (
        fraction(o.refused_otherwise, o.nodes),
        squash(o.broken, 1),
        squash(o.others_pending, 1),
        fraction(o.others_insufficient_cpu, o.nodes),
        fraction(o.others_insufficient_memory, o.nodes),
        fraction(o.others_too_many_pods, o.nodes),
        over_floor(r.cpu_m, floors.cpu_m, CPU_STEP_M),
        over_floor(r.memory_bytes, floors.memory_bytes, MEMORY_STEP_BYTES),
    )


# Numba compiles the three below. Each divides once and chooses among numbers only: what pods lack differs from lane to
# lane of the vector environment, so branches would be mispredicted, which costs more than the division.


def over_floor(request: int, floor: int, step: int) -> float:
    """How far a request is above a floor, 0.5 at two actions; 1 where there is none."""
    above, half = (request - floor, 2 * step) if floor >= 0 else (1, 0)
    return above / (abs(above) + half)


def squash(value: int, half: int) -> float:
    """value / (|value| + half): odd, within [-1, 1], one half at `half`; 0 of 0 is 0."""
    size = abs(value) + (half if half > 0 else 0)
    return value / (size if size else 1)


def fraction(part: int, whole: int) -> float:
    """part / whole within [0, 1], 0 where there is no whole."""
    size = whole if whole > 0 else 1
    within = part if part < whole else whole
    return (within if within > 0 else 0) / size
