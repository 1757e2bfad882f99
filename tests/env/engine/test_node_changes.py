"""Nodes that join, leave and are cordoned in the middle of a replay."""

from __future__ import annotations

from typing import Any

from env.engine.control_plane import ControlPlane
from env.engine.manifests.objects import read_object
from env.engine.node_changes import change_nodes, evict
from env.engine.pods import Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.nodes import Node
from env.quantity import GIB


def node(name: str, *, unschedulable: bool = False) -> Node:
    return Node(name, 4_000, 8 * GIB, unschedulable=unschedulable, labels={"kubernetes.io/hostname": name})


def cluster(*names: str, cordoned: tuple[str, ...] = ()) -> ClusterShape:
    return ClusterShape([node(name, unschedulable=name in cordoned) for name in names])


def replayed(shape: ClusterShape, *manifests: dict[str, Any]) -> ControlPlane:
    plane = ControlPlane(shape)
    for manifest in manifests:
        found = read_object(manifest, {})
        assert found is not None
        plane.apply(found)
    plane.settle()
    return plane


def workload(name: str, replicas: int = 4, kind: str = "Deployment", cpu: str = "1") -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "main", "image": name, "resources": {"requests": {"cpu": cpu}}}]
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def on(plane: ControlPlane, name: str) -> list[Pod]:
    row = plane.api.scheduler.bound.table.set.row[name]
    return [pod for pod in plane.pods() if pod.row == row]


def ready(plane: ControlPlane) -> int:
    return sum(pod.ready for pod in plane.pods())


def test_pods_of_a_node_that_is_gone_are_made_again_elsewhere() -> None:
    plane = replayed(cluster("a", "b", "c"), workload("web", 6))
    change_nodes(plane, cluster("b", "c"))
    assert len(on(plane, "b")) + len(on(plane, "c")) == ready(plane) == 6
    assert plane.api.scheduler.bound.table.used[:, 0].tolist() == [3_000, 3_000]


def test_pods_that_waited_go_to_a_node_that_joins() -> None:
    plane = replayed(cluster("a"), workload("web", 6))
    assert ready(plane) == 4
    change_nodes(plane, cluster("a", "b"))
    assert ready(plane) == 6
    assert len(on(plane, "b")) == 2


def test_a_cordoned_node_keeps_its_pods_and_gets_none() -> None:
    plane = replayed(cluster("a", "b"), workload("web", 4))
    change_nodes(plane, cluster("a", "b", "c", cordoned=("a",)))
    before = on(plane, "a")
    assert len(before) == 2
    evict(plane, before[:1])
    assert len(on(plane, "a")) == 1
    assert ready(plane) == 4


def test_daemon_sets_follow_the_nodes() -> None:
    plane = replayed(cluster("a", "b"), workload("agent", kind="DaemonSet"))
    change_nodes(plane, cluster("b", "c", "d"))
    assert [len(on(plane, name)) for name in ("b", "c", "d")] == [1, 1, 1]
    assert ready(plane) == 3


def test_stateful_sets_and_spreading_count_on_the_new_nodes() -> None:
    plane = replayed(cluster("a", "b"), workload("db", 2, "StatefulSet"), workload("web", 2))
    change_nodes(plane, cluster("c", "d", "b"))
    assert ready(plane) == 4
    for each in plane.workloads.values():
        counts = [int(owner.node_counts.sum()) for owner in {pod.owner for pod in each.pods()}]
        assert counts == [2]


def test_a_job_that_is_done_does_not_run_again_as_nodes_come_and_go() -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "shop"}}
    plane = replayed(cluster("a", "b"), workload("web", 2), {**job, "spec": {"template": {"spec": pod}}})
    (done,) = (pod for pod in plane.pods() if pod.ended)
    change_nodes(plane, cluster("c", "d", "e"))
    change_nodes(plane, cluster("e"))
    assert [each for each in plane.pods() if each.owner.kind == "Job"] == [done]
    assert len(on(plane, "e")) == ready(plane) == 2
