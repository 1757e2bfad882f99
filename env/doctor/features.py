"""The eighteen features of a cluster's state, each within [0, 1] for clusters of any size."""

from __future__ import annotations

from typing import Any, NamedTuple

from env.doctor.cluster import count_nodes, failing, without_image
from env.doctor.faults import WRONG_SIZE, Fault, bits, flag
from env.doctor.nodes import NodeState, nodes_in

FEATURES = (
    "num_nodes",
    "nodes_ready",
    "nodes_not_ready",
    "num_pods",
    "pods_running",
    "pods_pending",
    "pods_failed",
    "pods_unknown",
    "num_deployments",
    "deployments_available",
    "deployments_unavailable",
    "cpu_usage_percent",
    "memory_usage_percent",
    "recent_events_warning",
    "recent_events_normal",
    "has_pvc_issues",
    "has_network_issues",
    "has_resource_pressure",
)
"""Their names, in order."""

NODES_AT_1 = 100
PODS_AT_1 = 1000
DEPLOYMENTS_AT_1 = 100
EVENTS_AT_1 = 100
"""Counts that are 1 as features; larger ones are clipped to 1."""

MEMORY_OF_CPU = 0.875
"""A pod's use of memory, of what it requests, over its use of CPU; clusters that were recorded have their own."""
UNKNOWN_USE = 0.0
"""Features 11 and 12 where use is not known. No cluster with a metrics API and pods that run has both at 0."""
IDLE_MEMORY = 0.5
"""What an idle pod uses of the memory that a busy one does; of CPU it uses none."""

USUAL_EVENTS = 20
EVENTS_OF_A_START = 3
EVENTS_OF_A_NODE = 5
EVENTS_OF_SLOW_PODS = 10
"""Probes that fail for want of an answer in time: behind a network policy, or because the load is on too few pods."""

PVC_ISSUES = bits((Fault.CLAIM_UNBOUND,))
NETWORK_ISSUES = bits((Fault.DNS, Fault.NETWORK_POLICY))
PRESSURE = WRONG_SIZE | bits((Fault.OUT_OF_MEMORY,))


def pressure(cluster: Any) -> float:
    """The flag `has_resource_pressure`: 1 for a known fault of PRESSURE, 0 if no Deployment is of the wrong size."""
    found = flag(cluster, PRESSURE)
    return found if found == 1.0 else flag(cluster, WRONG_SIZE)


def usage(cluster: Any) -> tuple[float, float]:
    """CPU and memory that pods use, of what the Ready nodes have; the load of missing replicas is on their siblings.

    Both are UNKNOWN_USE without a metrics API.
    """
    if cluster.measured == 0:
        return UNKNOWN_USE, UNKNOWN_USE
    amount = cluster.amount
    ready = nodes_in(cluster, NodeState.OPEN) + nodes_in(cluster, NodeState.CORDONED)
    running = cluster.placed - failing(cluster) - without_image(cluster)
    idle = min(running, amount[Fault.TOO_MANY_REPLICAS])
    busy = running - idle + (amount[Fault.TOO_FEW_REPLICAS] if running > idle else 0)
    room = max(1, ready * cluster.slots) * 100.0
    memory = cluster.memory_of_cpu * cluster.use_percent
    return clipped(busy * cluster.use_percent, room), clipped(busy * memory + idle * IDLE_MEMORY * memory, room)


def clipped(count: float, most: float) -> float:
    """Of `most`, at most 1."""
    return min(count / most, 1.0)


def features(cluster: Any, state: Any) -> None:
    """Write the features into `state`, float32 of shape (18,)."""
    amount = cluster.amount
    deployments = cluster.deployments
    fails, imageless = failing(cluster), without_image(cluster)
    pending = amount[Fault.NO_ROOM] + amount[Fault.CLAIM_UNBOUND] + imageless
    troubled = amount[Fault.NO_ROOM] + cluster.unknown + (amount[Fault.CRASH_LOOP] > 0)
    for fault in (Fault.OUT_OF_MEMORY, Fault.DNS, Fault.BAD_IMAGE, Fault.CLAIM_UNBOUND, Fault.QUOTA_USED_UP):
        troubled += amount[fault] > 0
    warnings = fails + pending + cluster.unknown + (amount[Fault.QUOTA_USED_UP] > 0)
    warnings += EVENTS_OF_A_NODE * amount[Fault.NODE_NOT_READY]
    for fault in (Fault.TOO_FEW_REPLICAS, Fault.NETWORK_POLICY):
        warnings += EVENTS_OF_SLOW_PODS * (amount[fault] > 0)
    counts = Counts(
        nodes=count_nodes(cluster),
        nodes_ready=nodes_in(cluster, NodeState.OPEN),
        nodes_not_ready=amount[Fault.NODE_NOT_READY],
        pods=cluster.placed + cluster.unknown + amount[Fault.NO_ROOM] + amount[Fault.CLAIM_UNBOUND],
        pods_running=cluster.placed - fails - imageless,
        pods_pending=pending,
        pods_failed=fails,
        pods_unknown=cluster.unknown,
        deployments=deployments,
        deployments_unavailable=min(troubled, deployments),
        events_warning=warnings,
        events_normal=USUAL_EVENTS + EVENTS_OF_A_START * cluster.started,
    )
    write_counts(counts, state)
    state[11], state[12] = usage(cluster)
    write_flags(cluster, state)


class Counts(NamedTuple):
    """What is counted of a cluster, simulated or real; `docs/doctor.md` says what counts as what."""

    nodes: int
    nodes_ready: int
    nodes_not_ready: int
    pods: int
    pods_running: int
    pods_pending: int
    pods_failed: int
    pods_unknown: int
    deployments: int
    deployments_unavailable: int
    events_warning: int
    events_normal: int


def write_counts(counts: Counts, state: Any) -> None:
    """Write features 0 to 10, 13 and 14; without nodes, pods or Deployments their shares are 0."""
    nodes, pods, deployments = max(1, counts.nodes), max(1, counts.pods), max(1, counts.deployments)
    state[0] = clipped(counts.nodes, NODES_AT_1)
    state[1] = counts.nodes_ready / nodes
    state[2] = counts.nodes_not_ready / nodes
    state[3] = clipped(counts.pods, PODS_AT_1)
    state[4] = counts.pods_running / pods
    state[5] = counts.pods_pending / pods
    state[6] = counts.pods_failed / pods
    state[7] = counts.pods_unknown / pods
    state[8] = clipped(counts.deployments, DEPLOYMENTS_AT_1)
    state[9] = (counts.deployments - counts.deployments_unavailable) / deployments
    state[10] = counts.deployments_unavailable / deployments
    state[13] = clipped(counts.events_warning, EVENTS_AT_1)
    state[14] = clipped(counts.events_normal, EVENTS_AT_1)


def write_flags(cluster: Any, state: Any) -> None:
    """Write features 15 to 17: what is known of the cluster, by its `known`."""
    state[15] = flag(cluster, PVC_ISSUES)
    state[16] = flag(cluster, NETWORK_ISSUES)
    state[17] = pressure(cluster)
