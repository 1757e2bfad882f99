"""What is observed of a workload, and of its neighbours, at the end of a replay."""

from __future__ import annotations

from typing import NamedTuple

from env.workload import Resources


class Observation(NamedTuple):
    """A workload and its cluster at the end of a replay; a tuple, as numba compiles those.

    Attributes:
        ready: Pods of the workload that run and are Ready.
        pending: Pods of the workload that no node would take.
        total: All pods of the workload.
        resources: What the workload asks for: the requests of the container that is edited, and replicas.
        node_cpu_m: Allocatable CPU of the largest node, millicores.
        node_memory_bytes: Allocatable memory of the largest node.
        cluster_cpu_m: Allocatable CPU of all nodes, millicores.
        cluster_memory_bytes: Allocatable memory of all nodes.
        nodes: Number of nodes.
        insufficient_cpu: Nodes that refuse the first pending pod with "Insufficient cpu"; 0 when none is pending.
        insufficient_memory: The same for "Insufficient memory".
        too_many_pods: The same for "Too many pods".
        oom_killed: Pods of the workload that a node took and whose memory does not suffice; never Ready.
        cpu_starved: Pods of the workload that a node took and whose CPU does not suffice; never Ready.
        refused_otherwise: As `insufficient_cpu`, for every other reason: taints, affinity, spread, ports, volumes,
            other resources. A node that gives several counts for each, up to the number of nodes.
        broken: Pods that neighbours lack: of every other workload that was whole in the replay as recorded, those that
            are not Ready or not there. 0 as recorded.
        others_pending: Pods of all other workloads that no node would take.
        others_insufficient_cpu: As `insufficient_cpu`, for the first of those pods; first of all, for one of a
            workload that counts in `broken`.
        others_insufficient_memory: The same for "Insufficient memory".
        others_too_many_pods: The same for "Too many pods".
    """

    ready: int
    pending: int
    total: int
    resources: Resources
    node_cpu_m: int
    node_memory_bytes: int
    cluster_cpu_m: int
    cluster_memory_bytes: int
    nodes: int
    insufficient_cpu: int
    insufficient_memory: int
    too_many_pods: int
    oom_killed: int = 0
    cpu_starved: int = 0
    refused_otherwise: int = 0
    broken: int = 0
    others_pending: int = 0
    others_insufficient_cpu: int = 0
    others_insufficient_memory: int = 0
    others_too_many_pods: int = 0
