"""Drawing what an episode starts with, and what comes while it runs.

Every number is a function of the episode's seed and what it is for (`env.problems.philox`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from env.doctor.cluster import is_healthy, settle
from env.doctor.faults import CAUSES, WRONG_SIZE, Fault
from env.doctor.features import MEMORY_OF_CPU
from env.doctor.nodes import NodeState
from env.doctor.rules import strike
from env.problems.philox import below, philox


class Problems(IntEnum):
    """What episodes are drawn from."""

    ANY = 0
    """SMALL or LARGE, one as often as the other."""
    SMALL = 1
    """A cluster of SHAPES with one to three faults; one in eight such problems is never drawn here."""
    HELD_OUT = 2
    """Those that SMALL never draws."""
    LARGE = 3
    """3 to 200 nodes, one to five faults at the start, and others that come while the episode runs."""
    NO_METRICS = 4
    """As LARGE, of clusters without a metrics API: use is not known, and no Deployment is of the wrong size."""
    VARIED = 5
    """ANY, but for one episode in eight of NO_METRICS: what doctors are trained on."""


SHAPES = ((3, 4, 5, 2), (3, 4, 6, 2), (3, 4, 3, 3), (3, 4, 4, 3), (4, 4, 6, 2), (4, 4, 5, 3), (4, 4, 4, 4))
"""Small clusters: nodes, pods that a node takes, Deployments, replicas of each."""
SMALL_USE_PERCENT = 50
MOST_SMALL_FAULTS = 3
MOST_LARGE_FAULTS = 5

NODE_HEALS_IN = 16
"""A NotReady node becomes Ready again with a chance of one in so many steps."""
CRASH_HEALS_IN = 16
"""Pods stop crashing with a chance of one in so many steps."""
FAULT_COMES_IN = 50
"""In large clusters a fault comes with a chance of one in so many steps."""

_CAUSES = tuple(int(fault) for fault in CAUSES)
_WITHOUT_METRICS = tuple(fault for fault in _CAUSES if WRONG_SIZE >> fault & 1 == 0)
_FOR_PROBLEM, _FOR_CLUSTER, _FOR_FAULT, _FOR_STEP, _FOR_ARRIVAL, _FOR_SPLIT = range(6)


def start(cluster: Any, problems: int, seed: int) -> None:
    """Make the cluster that an episode of this seed starts with."""
    if is_small(problems, seed):
        shape, faults = draw_small(seed, problems == Problems.HELD_OUT)
        start_small(cluster, shape, faults)
    else:
        _start_large(cluster, seed, _is_measured(problems, seed))


def is_small(problems: int, seed: int) -> bool:
    """Whether an episode of this seed is one of the small problems, to which no faults come later."""
    if problems == Problems.ANY or problems == Problems.VARIED:
        return _is_measured(problems, seed) and philox(seed, _FOR_PROBLEM, 0)[0] & 1 == 0
    return problems == Problems.SMALL or problems == Problems.HELD_OUT


def _is_measured(problems: int, seed: int) -> bool:
    if problems == Problems.VARIED:
        return philox(seed, _FOR_PROBLEM, 0)[1] & 7 != 0
    return problems != Problems.NO_METRICS


def empty_cluster(cluster: Any, nodes: int, slots: int, deployments: int, replicas: int, use_percent: int) -> None:
    """Make a healthy cluster whose pods are placed."""
    cluster.nodes[:] = 0
    cluster.amount[:] = 0
    cluster.known[:] = 0
    cluster.nodes[NodeState.OPEN, 0] = nodes
    cluster.slots = slots
    cluster.deployments = deployments
    cluster.replicas = replicas
    cluster.use_percent = use_percent
    cluster.memory_of_cpu = MEMORY_OF_CPU
    cluster.measured = 1
    cluster.evicted_in = 0
    cluster.steps = 0
    settle(cluster)
    cluster.started = 0


def start_small(cluster: Any, shape: int, faults: int) -> None:
    """Make the small cluster of a shape with some faults, each of its size there.

    Args:
        cluster: Changed.
        shape: Index in SHAPES.
        faults: Bits of `env.doctor.faults.CAUSES`.
    """
    nodes, slots, deployments, replicas = SHAPES[shape]
    empty_cluster(cluster, nodes, slots, deployments, replicas, SMALL_USE_PERCENT)
    for fault in _CAUSES:
        if faults >> fault & 1:
            strike(cluster, fault, small_size(fault, replicas))
    cluster.started = 0


def small_size(fault: int, replicas: int) -> int:
    """How large a fault is in small clusters: one pod, but a Deployment of the wrong size is far off."""
    if fault == Fault.TOO_MANY_REPLICAS:
        return 2 * replicas
    if fault == Fault.TOO_FEW_REPLICAS:
        return replicas - 1
    return 1


def is_held_out(shape: int, faults: int) -> bool:
    """Whether SMALL leaves this problem out."""
    return philox(shape, faults, _FOR_SPLIT)[0] & 7 == 0


def draw_small(seed: int, held_out: bool) -> tuple[int, int]:
    """Shape and faults of a small problem: all shapes alike, one to three faults alike, all such sets alike."""
    attempt = 0
    while True:
        words = philox(seed, _FOR_FAULT, attempt)
        shape, count = below(words[0], len(SHAPES)), 1 + below(words[1], MOST_SMALL_FAULTS)
        faults, chosen, word = 0, 0, 0
        while chosen < count:
            fault = _CAUSES[below(philox(seed, _FOR_CLUSTER, 64 * attempt + word)[0], len(_CAUSES))]
            word += 1
            if faults >> fault & 1 == 0:
                faults |= 1 << fault
                chosen += 1
        if is_held_out(shape, faults) == held_out:
            return shape, faults
        attempt += 1


def _start_large(cluster: Any, seed: int, measured: bool) -> None:
    words, more = philox(seed, _FOR_CLUSTER, 0), philox(seed, _FOR_CLUSTER, 1)
    nodes = 3 + below(words[0], 8) if words[1] & 1 else 11 + below(words[0], 190)
    slots = 4 + below(words[2], 9)
    room = nodes * slots
    replicas = min(2 + below(words[3], 19), room // 4)
    deployments = max(4, room * (50 + below(more[0], 51)) // 100 // replicas)
    empty_cluster(cluster, nodes, slots, deployments, replicas, 30 + below(more[1], 41))
    cluster.measured = int(measured)
    for number in range(1 + below(more[2], MOST_LARGE_FAULTS)):
        _strike_drawn(cluster, seed, _FOR_FAULT, number)
    cluster.started = 0


def start_recorded(cluster: Any, recorded: Any, seed: int) -> None:
    """Start an episode of this seed with a recorded cluster: half of them as it is, the others with more faults.

    Args:
        cluster: Changed.
        recorded: Of CLUSTER, shape (n,), n > 0. Healthy ones always get one to three drawn faults.
        seed: The episode's.
    """
    words = philox(seed, _FOR_CLUSTER, 0)
    seen = recorded[below(words[0], len(recorded))]
    cluster.nodes[:] = seen.nodes
    cluster.amount[:] = seen.amount
    cluster.known[:] = 0
    cluster.slots = seen.slots
    cluster.deployments = seen.deployments
    cluster.replicas = seen.replicas
    cluster.use_percent = seen.use_percent
    cluster.memory_of_cpu = seen.memory_of_cpu
    cluster.measured = seen.measured
    cluster.evicted_in = seen.evicted_in
    cluster.steps = 0
    settle(cluster)
    if words[1] & 1 == 0 or is_healthy(cluster):
        for number in range(1 + below(words[2], MOST_SMALL_FAULTS)):
            _strike_drawn(cluster, seed, _FOR_FAULT, number)
    cluster.started = 0


def _strike_drawn(cluster: Any, seed: int, purpose: int, number: int) -> None:
    words = philox(seed, purpose, number)
    if cluster.measured != 0:
        fault = _CAUSES[below(words[0], len(_CAUSES))]
    else:
        fault = _WITHOUT_METRICS[below(words[0], len(_WITHOUT_METRICS))]
    if fault == Fault.TOO_MANY_REPLICAS:
        size = int(cluster.replicas) * (1 + below(words[1], 7))
    else:
        size = 1 + below(words[1], int(cluster.replicas))
    strike(cluster, fault, size)


def happens(seed: int, step: int) -> tuple[bool, bool, bool]:
    """What chance brings in a step of an episode: a node recovers, pods stop crashing, a fault comes."""
    words = philox(seed, _FOR_STEP, step)
    return (
        below(words[0], NODE_HEALS_IN) == 0,
        below(words[1], CRASH_HEALS_IN) == 0,
        below(words[2], FAULT_COMES_IN) == 0,
    )


def arrive(cluster: Any, seed: int) -> None:
    """A drawn fault comes."""
    _strike_drawn(cluster, seed, _FOR_ARRIVAL, int(cluster.steps))
