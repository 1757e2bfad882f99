"""What the Cluster Autoscaler and Karpenter come to by their documented rules."""

from __future__ import annotations

from typing import Any

import pytest
from plans import offers, trace_of, workload

from env.plan.autoscalers import Outcome
from env.plan.planner import Problem, plan
from env.problems.node_text import parse_nodes
from env.trace.document import Manifest


def outcomes(*manifests: Manifest, nodes: str | None) -> list[int]:
    """Nodes of the Cluster Autoscaler and of Karpenter."""
    return [each.nodes.count for each in _outcomes(*manifests, nodes=nodes)]


def _outcomes(
    *manifests: Manifest, nodes: str | None, types: tuple[str, ...] = ("4:8Gi",), usd: dict[str, float] | None = None
) -> tuple[Outcome, ...]:
    there = None if nodes is None else parse_nodes(nodes)
    problem = Problem(trace_of(*manifests), there, offers(*types, usd=usd), frozenset(), usd or {})
    return plan(problem).others


def test_cluster_autoscaler_removes_nodes_below_half_and_no_others() -> None:
    low = outcomes(workload("web", "500m", 6), nodes="6x4:8Gi")  # an eighth of each node is requested
    high = outcomes(workload("web", "1100m", 12), nodes="6x4:8Gi")  # 55 %
    assert low[0] == 1
    assert high[0] == 6


def test_karpenter_removes_every_node_whose_pods_fit_elsewhere() -> None:
    assert outcomes(workload("web", "1100m", 12), nodes="6x4:8Gi")[1] == 4


@pytest.mark.parametrize(
    ("kept", "nodes"),
    [
        ({"volumes": [{"name": "data", "emptyDir": {}}]}, 3),
        ({"volumes": [{"name": "data", "emptyDir": {"medium": "Memory"}}]}, 1),
        ({}, 1),
    ],
)
def test_local_storage_keeps_a_node_from_the_cluster_autoscaler(kept: dict[str, Any], nodes: int) -> None:
    assert outcomes(workload("web", "500m", 3, **kept), nodes="3x4:8Gi")[0] == nodes


def test_a_budget_that_allows_nothing_keeps_nodes_from_both() -> None:
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "maxUnavailable": 0},
    }
    assert outcomes(workload("web", "500m", 3), budget, nodes="3x4:8Gi") == [3, 3]


def test_pods_without_a_node_bring_up_as_many_as_they_need() -> None:
    assert outcomes(workload("web", "2", 6), nodes=None) == [3, 3]
    assert outcomes(workload("web", "2", 6), nodes="1x4:8Gi") == [3, 3]


def test_karpenter_replaces_a_node_by_a_cheaper_one_that_suffices() -> None:
    usd = {"4 CPU, 8Gi": 1.0, "8 CPU, 16Gi": 2.0}
    found = _outcomes(workload("web", "2", 2), nodes="1x8:16Gi", types=("4:8Gi", "8:16Gi"), usd=usd)
    assert [each.nodes.largest[0] for each in found] == [8_000, 4_000]
