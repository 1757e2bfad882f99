"""The virtual nodes: their size, and what keeps them from taking a replay's pods."""

from __future__ import annotations

from typing import Any

import pytest

from env.engine.manifests.terms import Taint
from env.errors import QuantityError
from env.problems.nodes import NodePool, NodePools, equal_nodes
from env.quantity import GIB
from env.simkube.nodes import Defect, VirtualNode, changes, defects, differences, intended, occupants, read_node

Manifest = dict[str, Any]

LABELS = {"kubernetes.io/hostname": "n", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
TAINT = {"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}


def ready(value: str) -> list[Manifest]:
    return [{"type": "Ready", "status": value}]


def node(*taints: str, labels: Manifest = LABELS, is_ready: str = "True", **spec: Any) -> Manifest:
    """A virtual node with taints beside the one that simulated pods tolerate."""
    others = [{"key": key, "effect": "NoSchedule"} for key in taints]
    return {
        "metadata": {"name": "n", "labels": labels},
        "spec": {"taints": [TAINT, *others], **spec},
        "status": {"conditions": ready(is_ready)},
    }


@pytest.mark.parametrize(
    ("found", "said", "mend", "passing"),
    [
        pytest.param(node("node.kubernetes.io/unschedulable", unschedulable=True), "node n is cordoned",
                     "kubectl uncordon n", False, id="cordoned, which always taints it, too"),
        pytest.param(node("gpu"), "node n has a taint gpu: simulated pods do not tolerate it",
                     "kubectl taint node n gpu-", False, id="a foreign taint"),
        pytest.param(node("node.kubernetes.io/unreachable", is_ready="Unknown"), "node n is not Ready",
                     "is KWOK running? kubectl describe node n", True, id="KWOK does not run"),
        pytest.param(node("node.kubernetes.io/unschedulable"), "node n has the taint node.kubernetes.io/unschedulable",
                     "kubectl describe node n", True, id="was cordoned until a moment ago"),
        pytest.param(node(labels={"kubernetes.io/os": "linux"}),
                     "node n has no label kubernetes.io/hostname, kubernetes.io/arch: anti-affinity, spread and "
                     "selectors would not hold",
                     "kubectl label node n kubernetes.io/hostname=n kubernetes.io/arch=amd64", False, id="no labels"),
    ],
)  # fmt: skip
def test_a_node_that_cannot_take_pods_as_it_should_is_told(
    found: Manifest, said: str, mend: str, passing: bool
) -> None:
    first = next(iter(defects(found)))
    assert first == Defect(said, mend, passing)


def test_a_node_as_it_should_be_has_no_defect() -> None:
    assert list(defects(node())) == []
    soft = node()
    soft["spec"]["taints"].append({"key": "old", "effect": "PreferNoSchedule"})
    assert list(defects(soft)) == []


def test_taints_that_the_scenarios_own_nodes_have_are_no_defect() -> None:
    pool = NodePool(1, 4_000, GIB, 110, taints=(Taint("gpu", "", "NoSchedule"),), unschedulable=True)
    wanted = intended(NodePools((pool,)))
    found = node("gpu", "node.kubernetes.io/unschedulable", unschedulable=True)
    assert list(defects(found, wanted)) == []
    assert len(list(defects(found))) == 2
    assert intended(equal_nodes()) == frozenset()


def pod(name: str, namespace: str, place: str | None = "n", *, phase: str = "Running", **metadata: Any) -> Manifest:
    spec = {"nodeName": place} if place else {}
    return {"metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec, "status": {"phase": phase}}


def test_pods_of_others_on_virtual_nodes_are_told_with_their_owner() -> None:
    daemon = {"kind": "DaemonSet", "name": "kindnet"}
    pods = [
        pod("web-1", "virtual-default"),
        pod("elsewhere", "kube-system", "worker"),
        pod("waiting", "kube-system", None),
        pod("done", "kube-system", phase="Succeeded"),
        pod("kindnet-x", "kube-system", ownerReferences=[daemon]),
        pod("web", "shop"),
        pod("going", "shop", deletionTimestamp="2026-01-01T00:00:00Z"),
    ]
    found = occupants({"n"}, pods, {"virtual-default"})
    assert [defect.said.partition(", ")[0] for defect in found] == [
        "node n is occupied by pod kube-system/kindnet-x",
        "node n is occupied by pod shop/web",
        "node n is occupied by pod shop/going",
    ]
    assert found[0].mend.startswith(
        "keep the DaemonSet off these nodes: kubectl -n kube-system patch daemonset kindnet"
    )
    assert found[1].mend == "kubectl -n shop delete pod web"
    assert [defect.passing for defect in found] == [False, False, True]


def test_nodes_that_are_not_those_of_the_beginning_are_told() -> None:
    one, two = VirtualNode("a", 4_000, GIB, 110, "1"), VirtualNode("b", 4_000, GIB, 110, "2")
    assert changes([one, two], [two, one]) is None
    assert changes([one, two], [one]) == "node b is gone"
    assert changes([one], [one, two]) == "node b is new"
    assert changes([one], [VirtualNode("a", 4_000, GIB, 110, "9")]) == "node a is new"
    smaller = VirtualNode("a", 2_000, GIB, 110, "1")
    assert changes([one], [smaller]) == "node a had 4 CPU, 1Gi, 110 pods, and has 2 CPU, 1Gi, 110 pods"


def test_a_nodes_size_is_what_pods_may_use_of_it() -> None:
    status = {"allocatable": {"cpu": "3920m", "memory": "8Gi", "pods": "110"}, "conditions": ready("True")}
    node = read_node({"metadata": {"name": "n"}, "status": {**status, "capacity": {"cpu": "4"}}})
    assert node == VirtualNode("n", 3_920, 8 * GIB, 110)
    assert read_node({"metadata": {"name": "n"}}) == VirtualNode("n", 0, 0, 0)
    with pytest.raises(QuantityError):
        read_node({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "many"}}})


def test_differing_nodes_are_told_by_size() -> None:
    pool = equal_nodes(2, 4_000, GIB, 110)
    same = VirtualNode("n", 4_000, GIB, 110)
    assert differences(pool, [same, same]) is None
    text = "made for 2 virtual nodes of 4 CPU, 1Gi, 110 pods, the cluster has 1 of 4 CPU, 1Gi, 110 pods; "
    assert differences(pool, [same, VirtualNode("m", 500, GIB, 9)]) == text + "1 of 500m CPU, 1Gi, 9 pods"


def test_nodes_of_several_sizes_are_compared_by_size_and_nothing_else() -> None:
    large, small = NodePool(1, 4_000, GIB, 110, labels=(("zone", "a"),)), NodePool(2, 500, GIB, 9)
    there = [VirtualNode(name, 500, GIB, 9) for name in "ab"]
    assert differences(NodePools((large, small)), [*there, VirtualNode("c", 4_000, GIB, 110)]) is None
    text = "made for 3 virtual nodes: 1 of 4 CPU, 1Gi, 110 pods; 2 of 500m CPU, 1Gi, 9 pods, the cluster has 2 of 500m"
    assert str(differences(NodePools((large, small)), there)).startswith(text)
