"""Nodes from files of Node manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from env.engine.manifests.terms import Taint
from env.errors import ScenarioError
from env.problems import node_manifests
from env.problems.node_manifests import read_node_file
from env.problems.nodes import NodePool
from env.quantity import GIB, MIB

KUBECTL = """\
apiVersion: v1
items:
- apiVersion: v1
  kind: Node
  metadata:
    annotations: {node.alpha.kubernetes.io/ttl: "0"}
    labels:
      kubernetes.io/arch: arm64
      kubernetes.io/hostname: ip-10-0-1-7
      topology.kubernetes.io/zone: eu-west-1a
    name: ip-10-0-1-7
  spec:
    podCIDR: 10.244.0.0/24
    taints:
    - {effect: NoSchedule, key: nvidia.com/gpu, value: present}
    unschedulable: true
  status:
    allocatable:
      {cpu: 3920m, ephemeral-storage: "18242267924", hugepages-2Mi: "0", memory: 15391Mi, pods: "58",
       nvidia.com/gpu: "1"}
    capacity: {cpu: "4", ephemeral-storage: 20959212Ki, memory: 16Gi, nvidia.com/gpu: "1", pods: "58"}
    images: [{names: [pause], sizeBytes: 7}]
kind: List
"""


def node(name: str = "a", **change: Any) -> dict[str, Any]:
    size = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    made: dict[str, Any] = {"kind": "Node", "metadata": {"name": name}, "spec": {}, "status": {"allocatable": size}}
    return made | change


def allocatable(**change: Any) -> dict[str, Any]:
    return {"status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"} | change}}


def written(path: Path, *documents: Any) -> Path:
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    return path


def test_what_kubectl_prints_is_read_as_the_scheduler_sees_it(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(KUBECTL)
    [pool] = read_node_file(tmp_path / "nodes.yaml").pools
    assert (pool.names, pool.cpu_m, pool.memory_bytes, pool.pods) == (("ip-10-0-1-7",), 3_920, 15_391 * MIB, 58)
    assert dict(pool.resources) == {"ephemeral-storage": 18_242_267_924, "nvidia.com/gpu": 1}
    assert dict(pool.labels) == {"kubernetes.io/arch": "arm64", "topology.kubernetes.io/zone": "eu-west-1a"}
    assert pool.taints == (Taint("nvidia.com/gpu", "present", "NoSchedule"),)
    assert pool.unschedulable


@pytest.mark.parametrize("kind", ["List", "NodeList"])
def test_lists_and_documents_may_be_mixed(kind: str, tmp_path: Path) -> None:
    several = {"kind": kind, "items": [node("b"), node("c")]}
    path = tmp_path / "nodes.yaml"
    path.write_text(f"---\n{json.dumps(node('a'))}\n---\n{json.dumps(several)}\n---\n")
    [pool] = read_node_file(path).pools
    assert (pool.count, pool.names) == (3, ("a", "b", "c"))


def test_equal_neighbours_are_one_pool_and_the_order_stays(tmp_path: Path) -> None:
    other = node("c", spec={"unschedulable": True})
    pools = read_node_file(
        written(tmp_path / "n.json", {"kind": "List", "items": [node("a"), node("b"), other, node("d")]})
    )
    assert [pool.names for pool in pools.pools] == [("a", "b"), ("c",), ("d",)]
    assert pools.count == 4


def test_without_allocatable_the_capacity_counts(tmp_path: Path) -> None:
    size = {"cpu": 2, "memory": "1Gi", "pods": 5}
    [pool] = read_node_file(written(tmp_path / "n.json", node(status={"capacity": size}))).pools
    assert pool == NodePool(1, 2_000, GIB, 5, resources=(), names=("a",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Pod"}, "node 1: is a 'Pod', not a Node"),
        ({"metadata": {}}, "node 1: metadata.name '': not a node's name"),
        ({"metadata": {"name": "../x"}}, "not a node's name"),
        ({"metadata": []}, "node 1: metadata: must be a map"),
        ({"status": {}}, "node a: status.allocatable: lacks cpu, memory, pods"),
        (allocatable(cpu="x"), "node a: status.allocatable.cpu: quantity 'x'"),
        (allocatable(memory="-1"), "status.allocatable.memory: quantity '-1'"),
        (allocatable(pods=10**6), "node a: pods per node 1000000"),
        (allocatable(**{"a/b": "1e99"}), "status.allocatable.a/b: quantity '1e99'"),
        (allocatable(**{f"a/{i}": 1 for i in range(1000)}), "status.allocatable: more than 1000 entries"),
        ({"metadata": {"name": "a", "labels": {"x": True}}}, "metadata.labels.x: True is not text; put it in quotes"),
        ({"metadata": {"name": "a", "labels": {"x y": "1"}}}, "metadata.labels: 'x y'"),
        ({"spec": {"taints": [{"key": "a", "effect": "Maybe"}]}}, "spec.taints: a: effect 'Maybe'"),
        ({"spec": {"taints": {"key": "a"}}}, "taints: must be a list of maps"),
        ({"spec": {"unschedulable": "yes"}}, "unschedulable 'yes'"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_node_file(written(tmp_path / "n.json", node(**change)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no nodes"),
        ("{}", "node 1: is a None, not a Node"),
        ('{"kind": "List", "items": 7}', "items: must be a list of maps"),
        ("[1]", "holds a list, not Node manifests"),
        ("{", "neither YAML nor JSON"),
        ("a: [", "neither YAML nor JSON"),
        ("\x00", "neither YAML nor JSON"),
        ("[" * 100_000, "nested more than 100 deep"),
        ('{"a":' * 100_000, "nested more than 100 deep"),
        (
            "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 99)}]\n" for n in range(1, 9)),
            "aliases written out",
        ),
        ("!!python/object/apply:os.system [echo]", "neither YAML nor JSON"),
    ],
    ids=range(11),
)
def test_a_file_that_is_not_nodes_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "n").write_text(text)
    with pytest.raises(ScenarioError, match=message) as error:
        read_node_file(tmp_path / "n")
    assert "\n" not in str(error.value)


def test_two_nodes_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="two nodes are called a"):
        read_node_file(written(tmp_path / "n.yaml", node("a"), node("b"), node("a")))


def test_too_many_nodes_and_too_large_a_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = written(tmp_path / "n.json", {"kind": "List", "items": [node(f"n{i}") for i in range(5_001)]})
    with pytest.raises(ScenarioError, match="5,001 nodes: must be 1 to 5,000"):
        read_node_file(many)
    monkeypatch.setattr(node_manifests, "MAX_FILE_BYTES", 1_000)
    with pytest.raises(ScenarioError, match="larger than"):
        read_node_file(many)
