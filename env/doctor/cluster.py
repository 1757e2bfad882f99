"""The state of one cluster, as a record of counts.

`amount` holds how much there is of each `env.doctor.faults.Fault`. Of NODE_NOT_READY, NODE_CORDONED and NO_ROOM it is
counted by `settle`; of the others it is the state itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.doctor.faults import FAULTS, Fault
from env.doctor.nodes import MOST_SLOTS, NODE_STATES, NodeState, nodes_in, place, pods_in, remove

CLUSTER = np.dtype(
    [
        ("nodes", np.int32, (NODE_STATES, MOST_SLOTS + 1)),
        ("amount", np.int32, (FAULTS,)),
        ("known", np.int32, (FAULTS,)),
        ("slots", np.int32),
        ("deployments", np.int32),
        ("replicas", np.int32),
        ("use_percent", np.int32),
        ("memory_of_cpu", np.float64),
        ("measured", np.int32),
        ("placed", np.int32),
        ("unknown", np.int32),
        ("started", np.int32),
        ("evicted_in", np.int32),
        ("steps", np.int32),
    ]
)
"""One cluster, and what its doctor knows of it.

nodes: See `env.doctor.nodes`.
amount: Of each fault, in nodes or pods.
known: Of each fault, for how many more observations it is known to be there (positive) or not (negative).
slots: Pods that a node takes.
deployments, replicas: Equal Deployments, and the replicas that the load of each needs.
use_percent: The CPU that a pod uses under this load, of what it requests.
memory_of_cpu: Its use of memory, of what it requests, over that of CPU.
measured: Whether there is a metrics API; without one (0) use is not known, and nothing can be scaled to it.
placed: Pods on Ready nodes.
unknown: Pods on NotReady nodes that are not replaced yet.
started: Pods started in the last step.
evicted_in: Steps until pods on NotReady nodes are replaced; 0: there are none.
steps: Of this episode.
"""


def record(clusters: NDArray[Any], number: int) -> Any:
    """One cluster of an array, with its fields as attributes, as compiled code has it; not a copy."""
    return clusters.view(np.recarray)[number]


def count_nodes(cluster: Any) -> int:
    """How many nodes the cluster has."""
    count = 0
    for state in range(NODE_STATES):
        count += nodes_in(cluster, state)
    return count


def schedulable(cluster: Any) -> int:
    """Pods that Deployments keep and that wait for nothing but a node."""
    amount = cluster.amount
    asked = cluster.deployments * cluster.replicas - amount[Fault.TOO_FEW_REPLICAS] + amount[Fault.TOO_MANY_REPLICAS]
    return int(asked - amount[Fault.QUOTA_USED_UP] - amount[Fault.CLAIM_UNBOUND])


def settle(cluster: Any) -> None:
    """Let Deployments and the scheduler come to rest: pods are created, deleted and placed; and count what is there."""
    unknown = pods_in(cluster, NodeState.DOWN) + pods_in(cluster, NodeState.DOWN_CORDONED)
    held = pods_in(cluster, NodeState.OPEN) + pods_in(cluster, NodeState.CORDONED)
    wanted = schedulable(cluster) - unknown
    if wanted > held:
        placed = place(cluster, wanted - held)
        cluster.started += placed
        held += placed
    elif wanted < held:
        remove(cluster, held - max(0, wanted))
        held = max(0, wanted)
    cluster.placed = held
    cluster.unknown = unknown
    cluster.amount[Fault.NO_ROOM] = max(0, wanted - held)
    cluster.amount[Fault.NODE_CORDONED] = nodes_in(cluster, NodeState.CORDONED)
    cluster.amount[Fault.NODE_NOT_READY] = nodes_in(cluster, NodeState.DOWN) + nodes_in(
        cluster, NodeState.DOWN_CORDONED
    )


def failing(cluster: Any) -> int:
    """Pods that are on a node and fail again and again."""
    amount = cluster.amount
    return int(min(cluster.placed, amount[Fault.CRASH_LOOP] + amount[Fault.OUT_OF_MEMORY] + amount[Fault.DNS]))


def without_image(cluster: Any) -> int:
    """Pods that are on a node and whose image cannot be pulled."""
    return int(min(cluster.placed - failing(cluster), cluster.amount[Fault.BAD_IMAGE]))


def mendable(cluster: Any) -> int:
    """How many kinds of faults are there that an action mends."""
    amount = cluster.amount
    count = 0
    for fault in MENDABLE:
        count += amount[fault] > 0
    return int(count + (cluster.unknown > 0))


MENDABLE = tuple(
    int(fault)
    for fault in (Fault.NODE_CORDONED, Fault.CRASH_LOOP, Fault.DNS, Fault.TOO_FEW_REPLICAS, Fault.TOO_MANY_REPLICAS)
)
"""Faults that an action mends. Besides, pods on a NotReady node can be replaced."""


def is_healthy(cluster: Any) -> bool:
    """Whether nothing is wrong."""
    return not cluster.amount.any()


def is_reportable(cluster: Any) -> bool:
    """Whether all that is wrong is known to the doctor, and no action mends any of it."""
    for fault in range(FAULTS):
        if cluster.amount[fault] > 0 and cluster.known[fault] <= 0:
            return False
    return mendable(cluster) == 0
