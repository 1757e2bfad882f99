"""Which actions make sense in a state: True for those that may do something.

It follows from what the features show and from what the doctor has done, never from what is hidden.
"""

from __future__ import annotations

from typing import Any

from env.doctor.actions import DoctorAction
from env.doctor.cluster import failing
from env.doctor.nodes import NodeState, nodes_in


def action_mask(cluster: Any, mask: Any) -> None:
    """Write the mask into `mask`, bool of shape (15,). All that is masked out would change nothing."""
    mask[:] = True
    cordoned = nodes_in(cluster, NodeState.CORDONED) + nodes_in(cluster, NodeState.DOWN_CORDONED)
    drained = cluster.nodes[NodeState.CORDONED, 0] + cluster.nodes[NodeState.DOWN_CORDONED, 0]
    down = cluster.nodes[NodeState.DOWN, 0]  # nothing is left to be drained from it
    mask[DoctorAction.SCALE_UP_DEPLOYMENT] = cluster.measured != 0
    mask[DoctorAction.SCALE_DOWN_DEPLOYMENT] = cluster.measured != 0
    mask[DoctorAction.RESTART_FAILED_PODS] = failing(cluster) > 0
    mask[DoctorAction.DRAIN_NODE] = cluster.nodes.sum() > drained + down
    mask[DoctorAction.UNCORDON_NODE] = cordoned > 0
