"""The counts of a doctor's cluster, held to the engine: equal Deployments on nodes of which some are cordoned or gone.

The engine's nodes do not change while it runs, so it starts anew after each action: pods that stay on cordoned nodes
are bound to them, and Deployments have the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.doctor.actions import DoctorAction
from env.doctor.cluster import schedulable
from env.doctor.faults import Fault
from env.doctor.features import FEATURES, features
from env.doctor.nodes import NodeState
from env.doctor.rules import act, pass_time, strike
from env.engine.control_plane import ControlPlane
from env.engine.manifests.objects import read_object
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.scheduling.nodes import Node, read_node

Make = Callable[..., Any]
A, F = DoctorAction, Fault
OPERATIONS: dict[str, Callable[[Any], None]] = {
    "lose": lambda cluster: strike(cluster, F.NODE_NOT_READY, 1),
    "recover": lambda cluster: pass_time(cluster, True, False),
    "cordon": lambda cluster: strike(cluster, F.NODE_CORDONED, 1),
    "uncordon": lambda cluster: act(cluster, A.UNCORDON_NODE),
    "drain": lambda cluster: act(cluster, A.DRAIN_NODE),
    "scale up": lambda cluster: act(cluster, A.SCALE_UP_DEPLOYMENT),
    "scale down": lambda cluster: act(cluster, A.SCALE_DOWN_DEPLOYMENT),
}
KEPT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def manifest(kind: str, name: str, node: str | None = None, replicas: int | None = None) -> Any:
    """A Deployment or a bound Pod whose pods ask for one CPU."""
    spec: Any = {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}
    if kind == "Pod":
        return {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": {**spec, "nodeName": node},
        }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


class Engine:
    """A control plane with the nodes and pods of a doctor's cluster."""

    def __init__(self, cluster: Any) -> None:
        nodes: list[Node] = []
        bound: list[str] = []
        for state in (NodeState.OPEN, NodeState.CORDONED):
            for pods in range(cluster.slots + 1):
                for _ in range(cluster.nodes[state, pods]):
                    name, cordoned = f"node-{len(nodes)}", state == NodeState.CORDONED
                    nodes.append(
                        read_node(
                            {"name": name, "cpu": str(cluster.slots), "memory": "8Gi"}
                            | ({"unschedulable": True} if cordoned else {})
                        )
                    )
                    bound += [name] * (pods if cordoned else 0)
        self.plane = ControlPlane(nodes, now_s=0.0, events=False)
        for number, name in enumerate(bound):
            self.apply(manifest("Pod", f"stays-{number}", name))
        free = schedulable(cluster) - len(bound) - cluster.unknown
        for number in range(cluster.deployments):
            replicas = free // cluster.deployments + (number < free % cluster.deployments)
            self.apply(manifest("Deployment", f"web-{number}", replicas=int(replicas)))

    def apply(self, given: Any) -> None:
        read = read_object(given, {})
        assert read is not None
        self.plane.apply(read)
        self.plane.settle()

    def pods(self) -> list[Pod]:
        return [pod for workload in self.plane.workloads.values() for pod in workload.pods()]

    def ready(self) -> int:
        return sum(pod.ready for pod in self.pods())

    def pending(self) -> int:
        return sum(pod.phase is Phase.PENDING for pod in self.pods())

    def on_nodes(self) -> Counter[int]:
        """How many nodes have how many pods; nodes without pods are left out."""
        return Counter(Counter(pod.row for pod in self.pods() if pod.row != UNBOUND).values())

    def deployments_short(self) -> int:
        """Deployments that lack a ready pod."""
        return sum(not all(pod.ready for pod in workload.pods()) for workload in self.plane.workloads.values())


sizes = st.tuples(st.integers(2, 6), st.integers(1, 5), st.integers(2, 5), st.integers(1, 4)).filter(
    lambda size: size[2] * size[3] <= size[0] * size[1]
)


@KEPT
@given(sizes)
def test_pods_of_equal_deployments_are_spread_as_the_scheduler_spreads_them(
    healthy: Make, size: tuple[int, int, int, int]
) -> None:
    cluster = healthy(*size)
    expected = {pods: int(cluster.nodes[NodeState.OPEN, pods]) for pods in range(1, cluster.slots + 1)}
    assert Engine(cluster).on_nodes() == Counter(expected)


@KEPT
@given(sizes, st.lists(st.sampled_from(sorted(OPERATIONS)), max_size=8))
def test_as_many_pods_are_ready_and_pending_as_on_the_engine(
    healthy: Make, size: tuple[int, int, int, int], operations: list[str]
) -> None:
    cluster = healthy(*size)
    state = np.empty(len(FEATURES), np.float32)
    for operation in operations:
        OPERATIONS[operation](cluster)
        engine = Engine(cluster)
        assert (cluster.placed, cluster.amount[F.NO_ROOM]) == (engine.ready(), engine.pending())
        features(cluster, state)
        unavailable = round(float(state[10]) * cluster.deployments)
        assert (
            engine.deployments_short() <= unavailable <= engine.deployments_short() + engine.pending() + cluster.unknown
        )


@KEPT
@given(sizes, st.lists(st.sampled_from(["scale up", "scale down"]), max_size=5))
def test_a_running_deployment_is_scaled_as_on_the_engine(
    healthy: Make, size: tuple[int, int, int, int], operations: list[str]
) -> None:
    cluster = healthy(*size)
    engine = Engine(cluster)
    for operation in operations:
        OPERATIONS[operation](cluster)
        few, many = (int(cluster.amount[fault]) for fault in (F.TOO_FEW_REPLICAS, F.TOO_MANY_REPLICAS))
        engine.apply(manifest("Deployment", "web-0", replicas=int(cluster.replicas) - few))
        engine.apply(manifest("Deployment", "web-1", replicas=int(cluster.replicas) + many))
        assert (cluster.placed, cluster.amount[F.NO_ROOM]) == (engine.ready(), engine.pending())


@pytest.mark.parametrize(("operations", "counts"), [((), (12, 0)), (("drain",), (8, 4)), (("cordon", "drain"), (8, 4))])
def test_draining_a_full_cluster(healthy: Make, operations: tuple[str, ...], counts: tuple[int, int]) -> None:
    cluster = healthy(3, 4, 4, 3)
    for operation in operations:
        OPERATIONS[operation](cluster)
    assert (cluster.placed, cluster.amount[F.NO_ROOM]) == counts
