"""A simulated cluster, put onto an API server object by object, has the simulation's features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from live_objects import Ward, crashing, killed_for_memory, running, unschedulable, without_image

from env.doctor.cluster import CLUSTER, record
from env.doctor.draw import SHAPES, start_small
from env.doctor.faults import Fault
from env.doctor.features import FEATURES, features
from env.doctor.nodes import NodeState
from env.live.cluster import LiveCluster

F = Fault
PAIRS = [
    (F.NODE_NOT_READY, F.NODE_CORDONED), (F.NODE_NOT_READY, F.CRASH_LOOP), (F.CRASH_LOOP, F.OUT_OF_MEMORY),
    (F.BAD_IMAGE, F.CLAIM_UNBOUND), (F.NODE_CORDONED, F.QUOTA_USED_UP), (F.NODE_NOT_READY, F.BAD_IMAGE),
]  # fmt: skip


def simulated(shape: int, *faults: Fault) -> Any:
    made = record(np.zeros(1, CLUSTER), 0)
    start_small(made, shape, sum(1 << fault for fault in faults))
    return made


def put(cluster: Any, ward: Ward) -> None:
    """The cluster's nodes and pods; which Deployment a pod is of does not show in what is compared."""
    amount = cluster.amount
    sick = [crashing] * amount[F.CRASH_LOOP] + [killed_for_memory] * amount[F.OUT_OF_MEMORY]
    sick += [without_image] * amount[F.BAD_IMAGE]
    pods = []
    for state in NodeState:
        is_down = state in (NodeState.DOWN, NodeState.DOWN_CORDONED)
        for held, number in enumerate(cluster.nodes[state]):
            for i in range(number):
                node = f"{state.name.lower().replace('_', '-')}-{held}-{i}"
                cordoned = state in (NodeState.CORDONED, NodeState.DOWN_CORDONED)
                ward.node(node, ready=not is_down, cordoned=cordoned)
                for _ in range(held):
                    pod = (sick.pop() if sick and not is_down else running)()
                    pod["spec"]["nodeName"] = node
                    pods.append(pod)
    assert not sick
    pods += [unschedulable() for _ in range(amount[F.NO_ROOM])]
    pods += [unschedulable("unbound immediate PersistentVolumeClaims", "data")] * int(amount[F.CLAIM_UNBOUND])
    if amount[F.CLAIM_UNBOUND]:
        ward.claim("data")
    ward.deployment("all", *pods)
    for i in range(cluster.deployments - 1):
        ward.deployment(f"other-{i}")


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize("faults", PAIRS, ids=lambda pair: "-".join(fault.name.lower() for fault in pair))
def test_nodes_pods_and_deployments_are_counted_alike(
    fake: Any, examined: Callable[..., LiveCluster], shape: int, faults: tuple[Fault, ...]
) -> None:
    cluster = simulated(shape, *faults)
    put(cluster, Ward(fake, nodes=0))
    expected = np.zeros(len(FEATURES), np.float32)
    features(cluster, expected)
    np.testing.assert_array_equal(examined().state[:9], expected[:9])
