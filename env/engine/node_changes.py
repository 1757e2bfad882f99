"""What happens to nodes in the middle of a replay: they join, leave, are cordoned, and their pods are evicted.

Pods of nodes that are gone go with them, as in kubernetes 1.36 `pkg/controller/podgc/gc_controller.go` (`gcOrphaned`);
DaemonSets follow the nodes, as in `pkg/controller/daemon/daemon_controller.go` (`addNode`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from env.engine.control_plane import ControlPlane
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.nodes import Node


def evict(plane: ControlPlane, pods: Iterable[Pod]) -> None:
    """Delete pods as the eviction API does, and settle; whether a PodDisruptionBudget forbids it is for the caller."""
    plane.api.terminate(pods)
    plane.settle()


def change_nodes(plane: ControlPlane, cluster: ClusterShape) -> None:
    """Go on with other nodes, and settle. A node is the same one by its name.

    Pods of nodes that are gone go with them, DaemonSets follow the nodes, and pods that wait are tried again. Pods that
    have ended stay, without a node: a Job goes on counting them.
    """
    plane.settle()
    api = plane.api
    before = api.scheduler.bound.table.nodes
    places = [(pod, _place(pod, before)) for pod in plane.pods() if not pod.ended]
    api.remove([pod for pod, place in places if place is not None and place not in cluster.nodes.row])
    for pod in plane.pods():
        if pod.ended:
            pod.row = UNBOUND
    for workload in plane.workloads.values():
        for each in workload.sets if isinstance(workload, Deployment) else [workload]:
            if isinstance(each, ReplicaSet | StatefulSet):
                each.node_counts = np.zeros(len(cluster.nodes), dtype=np.int64)
            elif isinstance(each, DaemonSet):
                each.nodes = cluster.nodes.nodes
                api.unsettled[each] = None
    api.scheduler.change_nodes(cluster)
    plane.settle()


def _place(pod: Pod, nodes: Sequence[Node]) -> str | None:
    """The node that a pod is on or is made for; None: neither."""
    return nodes[pod.row].name if pod.row != UNBOUND else pod.template.placement.only_node
