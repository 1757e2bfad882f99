"""Replays on nodes that are not all alike: what pods find there, and what is observed of the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.terms import Taint
from env.observation import Observation
from env.problems.node_text import parse_nodes
from env.problems.nodes import NodePool, NodePools, equal_nodes
from env.problems.scenario import Scenario
from env.problems.virtual_nodes import virtual_nodes
from env.quantity import GIB

Make = Callable[..., Any]
MakeScenario = Callable[..., Scenario]

GPU_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists"}


def observed(scenario: Scenario) -> Observation:
    return EmbeddedCluster().observe(scenario, None)


def refusals(scenario: Scenario) -> set[str]:
    events = EmbeddedCluster().events(scenario, None)
    return {event.message.partition(" no new claims")[0] for event in events if event.reason == "FailedScheduling"}


def with_resources(manifest: dict[str, Any], **resources: dict[str, str]) -> dict[str, Any]:
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    return manifest


def test_the_largest_node_and_the_sums_are_observed(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    pools = NodePools((NodePool(2, 4_000, 64 * GIB), NodePool(1, 8_000, 16 * GIB)))
    seen = observed(scenario(trace([deployment()]), nodes=pools))
    assert (seen.nodes, seen.node_cpu_m, seen.node_memory_bytes) == (3, 8_000, 64 * GIB)
    assert (seen.cluster_cpu_m, seen.cluster_memory_bytes) == (16_000, 144 * GIB)


def test_only_the_nodes_that_are_too_small_refuse(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    pools = NodePools((NodePool(2, 2_000), NodePool(1, 4_000)))
    seen = observed(scenario(trace([deployment(cpu="3", replicas=2)]), nodes=pools, target=2))
    assert (seen.ready, seen.pending, seen.insufficient_cpu) == (1, 1, 3)


def test_equal_pools_end_as_one_pool_does(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    for cpu in ("500m", "3", "20"):
        seen = [
            observed(scenario(trace([deployment(cpu=cpu, replicas=9)]), nodes=nodes))
            for nodes in (equal_nodes(3), NodePools((NodePool(1), NodePool(2))))
        ]
        assert seen[0] == seen[1]


@pytest.mark.parametrize(
    "nodes",
    [
        NodePools((NodePool(1), NodePool(2))),
        NodePools((NodePool(taints=(Taint("a"),)),)),
        NodePools((NodePool(unschedulable=True),)),
    ],
)
def test_the_closed_form_is_for_one_pool_that_takes_any_pod(
    nodes: NodePools, trace: Make, deployment: Make, scenario: MakeScenario
) -> None:
    assert plain_workload(scenario(trace([deployment()]), nodes=nodes)) is None
    assert plain_workload(scenario(trace([deployment()]), nodes=parse_nodes("3xm6i.xlarge"))) is not None


def test_taints_labels_and_cordons_of_nodes_count(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    pools = NodePools(
        (
            NodePool(1, labels=(("disktype", "ssd"),)),
            NodePool(1, labels=(("disktype", "ssd"),), taints=(Taint("dedicated", "db"),)),
            NodePool(1, labels=(("disktype", "ssd"),), unschedulable=True),
            NodePool(1),
        )
    )
    problem = scenario(trace([deployment(cpu="9", replicas=2, nodeSelector={"disktype": "ssd"})]), nodes=pools)
    assert refusals(problem) == {
        "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable."
    }


def test_a_gpu_is_found_where_there_is_one(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    made = trace([with_resources(deployment(replicas=3), limits={"nvidia.com/gpu": "1", "cpu": "1"})])
    seen = observed(scenario(made, nodes=parse_nodes("2xm6i.xlarge,2xg5.xlarge")))
    assert (seen.ready, seen.pending) == (2, 1)
    assert refusals(scenario(made, nodes=parse_nodes("3"))) == {
        "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    }


def test_every_node_has_ephemeral_storage(trace: Make, deployment: Make, scenario: MakeScenario) -> None:
    made = trace([with_resources(deployment(replicas=4), requests={"ephemeral-storage": "60Gi"})])
    seen = observed(scenario(made, target=4))
    assert (seen.ready, seen.pending) == (3, 1)
    assert refusals(scenario(made, target=4)) == {"0/3 nodes are available: 3 Insufficient ephemeral-storage."}


def test_nodes_of_a_file_keep_their_names_and_labels() -> None:
    pool = NodePool(
        1,
        labels=(("kubernetes.io/arch", "arm64"), ("type", "real")),
        taints=(Taint("kwok-provider", "false", "NoExecute"),),
        names=("ip-10-0-0-1",),
    )
    [node] = virtual_nodes(NodePools((pool,)))
    assert node.name == node.labels["kubernetes.io/hostname"] == "ip-10-0-0-1"
    assert node.labels["beta.kubernetes.io/arch"] == "arm64"
    assert node.labels["type"] == "virtual"
    assert [(taint.key, taint.effect) for taint in node.taints] == [("kwok-provider", "NoSchedule")]


def test_nodes_of_several_pools_are_numbered_through() -> None:
    assert [node.name for node in virtual_nodes(NodePools((NodePool(1), NodePool(2))))] == [
        "node-1",
        "node-2",
        "node-3",
    ]


def test_the_scheduler_looks_at_one_node_of_each_zone_in_turn() -> None:
    zone = "topology.kubernetes.io/zone"
    pools = NodePools((NodePool(3, labels=((zone, "a"),)), NodePool(1, labels=((zone, "b"),)), NodePool(1)))
    assert [node.name for node in virtual_nodes(pools)] == ["node-1", "node-4", "node-5", "node-2", "node-3"]
