"""Nodes, labels and taints as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.engine.manifests.terms import Taint
from env.errors import ScenarioError, UsageError
from env.problems.instance_types import INSTANCE_TYPES, typed_pool
from env.problems.node_text import parse_labels, parse_nodes, parse_taints
from env.problems.nodes import NodePool, NodePools, equal_nodes
from env.quantity import GIB, MIB


def test_a_number_is_so_many_nodes_of_the_default_size() -> None:
    assert parse_nodes("3") == equal_nodes(3)
    assert parse_nodes("2", NodePool(cpu_m=500)) == equal_nodes(2, 500)


def test_pools_are_counts_and_sizes() -> None:
    assert parse_nodes("3x16:32Gi,1x500m:1Gi") == NodePools((NodePool(3), NodePool(1, 500, GIB)))


def test_an_instance_type_is_allocatable_gpus_and_labels() -> None:
    pools = parse_nodes("3xm6i.xlarge,2xg5.xlarge").pools
    assert [(pool.count, pool.cpu_m, pool.memory_bytes, pool.pods) for pool in pools] == [
        (3, 3_920, 15_391 * MIB, 58),
        (2, 3_920, 15_391 * MIB, 58),
    ]
    assert dict(pools[0].labels) == {"node.kubernetes.io/instance-type": "m6i.xlarge"}
    assert [dict(pool.resources).get("nvidia.com/gpu") for pool in pools] == [None, 1]


@pytest.mark.parametrize(
    ("name", "cpu_m", "memory_mib"),
    [
        ("t3.medium", 1_930, 4_096 - 442 - 100),  # EKS: 255 MiB and 11 a pod, of 17 pods
        ("c5.18xlarge", 71_750, 147_456 - 8_362 - 100),
        ("n1-standard-1", 940, 3_840 - 960 - 100),  # GKE: a quarter of the first 4 GiB
        ("e2-standard-4", 3_920, 13_621),  # 25 % of 4 GiB, 20 % of 4, 10 % of 8
        ("Standard_D4s_v5", 3_860, 14_138),  # AKS: 20 MB a pod and 50
        ("Standard_B2s", 1_900, 4_096 - 1_024 - 100),  # at most a quarter
    ],
)
def test_what_a_managed_node_can_allocate_follows_its_vendors_formula(name: str, cpu_m: int, memory_mib: int) -> None:
    pool = typed_pool(1, name)
    assert (pool.cpu_m, pool.memory_bytes) == (cpu_m, memory_mib * MIB)


def test_every_type_makes_a_pool_below_its_capacity() -> None:
    for name, kind in INSTANCE_TYPES.items():
        pool = typed_pool(1, name)
        assert 0 < pool.cpu_m < 1000 * kind.cores
        assert 0 < pool.memory_bytes < kind.memory_gib * GIB
        assert dict(pool.labels).get("kubernetes.io/arch", "amd64") == kind.arch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a number"),
        ("many", "expected a number"),
        ("-3", "expected a number"),
        ("0", "0 nodes: must be 1 to 5,000"),
        ("0x16:32Gi", "0 nodes: must be 1 to 5,000"),
        ("0x3", "0 nodes: must be 1 to 5,000"),
        ("1000000000", "1000000000 nodes: must be 1 to 5,000"),
        ("9" * 5000, "nodes: must be 1 to 5,000"),
        ("3000xm5.large,3000xm5.large", "node count 6000"),
        ("3x", r"pool '3x': expected COUNTxCPU:MEMORY or COUNTxTYPE"),
        ("3,2", r"pool '3': expected COUNTxCPU:MEMORY"),
        ("3x16:32Gi,", r"pool '': expected COUNTxCPU:MEMORY"),
        ("3x16", "size '16': expected CPU:MEMORY"),
        ("3x16:32", "size '16:32': memory 32 is in bytes; write 32Gi"),
        ("3x0:32Gi", "node cpu"),
        ("3x16:many", "quantity 'many'"),
        ("3xm6i.xlrge", "'m6i.xlrge' is unknown; the nearest known are m6i.xlarge"),
        ("3xe2-standard-5", "the nearest known are e2-standard-"),
        ("3xfoo", "'foo' is unknown; known are such as m6i.xlarge"),
        ("absent.yaml", "cannot be read"),
        ("absent/nodes", "cannot be read"),
    ],
)
def test_what_is_no_form_of_nodes_says_which_part_is_wrong(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        parse_nodes(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_a_file_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    size = '{"cpu": "4", "memory": "8Gi", "pods": "110"}'
    Path("pool").write_text(f'{{"kind": "Node", "metadata": {{"name": "a"}}, "status": {{"allocatable": {size}}}}}')
    assert parse_nodes("pool").count == 1


def test_labels_and_taints_are_those_of_kubectl() -> None:
    assert parse_labels(["disktype=ssd", "example.com/team="]) == {"disktype": "ssd", "example.com/team": ""}
    assert parse_taints(["dedicated=gpu:NoSchedule", "old:NoExecute"]) == (
        Taint("dedicated", "gpu", "NoSchedule"),
        Taint("old", "", "NoExecute"),
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["disktype"], "expected KEY=VALUE"),
        (["=ssd"], "not a name"),
        (["disk type=ssd"], "not a name"),
        (["disktype=s s d"], "a value is up to 63"),
        (["a=1", "a=2"], "label a: given twice"),
        (["kubernetes.io/hostname=x"], "every node has its own"),
        (["type=real"], "type=virtual"),
    ],
)
def test_a_wrong_label_is_named(labels: list[str], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_labels(labels)


@pytest.mark.parametrize(
    ("taints", "message"),
    [
        (["dedicated"], "expected KEY=VALUE:EFFECT"),
        (["dedicated=gpu:Never"], "the effect one of NoSchedule, PreferNoSchedule, NoExecute"),
        ([":NoSchedule"], "not a name"),
        (["a=1:NoSchedule", "a=2:NoSchedule"], "a:NoSchedule: given twice"),
    ],
)
def test_a_wrong_taint_is_named(taints: list[str], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        parse_taints(taints)


def test_marks_go_over_the_pools_own() -> None:
    pool = NodePool(labels=(("a", "1"), ("b", "1")), taints=(Taint("t", "1"), Taint("u", "1")))
    [marked] = NodePools((pool,)).marked({"b": "2"}, [Taint("t", "2")]).pools
    assert dict(marked.labels) == {"a": "1", "b": "2"}
    assert marked.taints == (Taint("u", "1"), Taint("t", "2"))
