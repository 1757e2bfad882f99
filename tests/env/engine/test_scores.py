"""Which of several nodes that fit a pod gets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.engine.scheduling.kernel import nodes_to_find

Make = Callable[..., Any]


def prefer(weight: int, key: str) -> Any:
    term = {"weight": weight, "preference": {"matchExpressions": [{"key": key, "operator": "Exists"}]}}
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_the_least_allocated_node_is_best(cluster: Make, node: Make, manifest: Make) -> None:
    busy = manifest("Pod", "busy", cpu="1", memory="2Gi", nodeName="a")
    made = cluster(node("a"), node("b")).apply(busy, manifest("Pod", memory="2Gi"))
    assert made.placed() == {"b": 1}


def test_a_larger_node_is_less_allocated(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), node("b", cpu="8", memory="16Gi")).apply(manifest("Pod", cpu="1", memory="2Gi"))
    assert made.placed() == {"b": 1}


def test_the_first_of_equal_nodes_is_taken(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a"), node("b")).apply(manifest("Pod")).placed() == {"a": 1}


def test_cpu_and_memory_in_balance_are_better(cluster: Make, node: Make, manifest: Make) -> None:
    # a would be left with half of both; b with three quarters of one and a quarter of the other: the same free mean.
    much_cpu = manifest("Pod", "x", cpu="1", memory="4Gi", nodeName="a")
    much_memory = manifest("Pod", "y", cpu="2", memory="2Gi", nodeName="b")
    made = cluster(node("b"), node("a")).apply(much_cpu, much_memory, manifest("Pod", cpu="1", memory="0"))
    assert made.placed() == {"a": 1}


def test_a_pod_without_requests_counts_as_100m_and_200mi(cluster: Make, node: Make, manifest: Make) -> None:
    # Ten such pods count for 1 CPU, so that the node with a single pod of 900m has more left.
    idle = manifest("ReplicaSet", "idle", replicas=10, cpu=None, nodeName="a")
    made = cluster(node("a"), node("b")).apply(idle)
    made.apply(manifest("Pod", "one", cpu="900m", nodeName="b"), manifest("Pod", cpu="100m"))
    assert made.placed() == {"b": 1}


def test_a_request_of_nothing_counts_as_nothing(cluster: Make, node: Make, manifest: Make) -> None:
    idle = manifest("ReplicaSet", "idle", replicas=10, cpu="0", memory="0", nodeName="a")
    made = cluster(node("b"), node("a")).apply(
        idle, manifest("Pod", "one", cpu="100m", memory="0", nodeName="b"), manifest("Pod", memory="0")
    )
    assert made.placed() == {"a": 1}


def test_a_preferred_node_wins_over_a_less_allocated_one(cluster: Make, node: Make, manifest: Make) -> None:
    pool = [node("big", cpu="16", memory="32Gi"), node("liked", labels={"like": ""})]
    assert cluster(*pool).apply(manifest("Pod", affinity=prefer(1, "like"))).placed() == {"liked": 1}
    assert cluster(*pool).apply(manifest("Pod", affinity=prefer(1, "other"))).placed() == {"big": 1}


def test_preferences_count_in_proportion_to_the_most_preferred_node(cluster: Make, node: Make, manifest: Make) -> None:
    terms = prefer(1, "like")["nodeAffinity"], prefer(100, "love")["nodeAffinity"]
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    affinity = {"nodeAffinity": {key: [term for each in terms for term in each[key]]}}
    pool = [
        node("big", cpu="16", memory="32Gi"),
        node("liked", labels={"like": ""}),
        node("loved", labels={"love": ""}),
    ]
    assert cluster(*pool).apply(manifest("Pod", affinity=affinity)).placed() == {"loved": 1}
    # A weight of 1 of 100 is worth 2 points where `loved` is full, less than the emptier node.
    made = cluster(*pool[:2], node("loved", labels={"love": ""}, taints=[{"key": "k", "effect": "PreferNoSchedule"}]))
    assert made.apply(manifest("Pod", affinity=affinity)).placed() == {"big": 1}


def test_an_empty_preference_counts_for_nothing(cluster: Make, node: Make, manifest: Make) -> None:
    affinity = {
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {}}]}
    }
    made = cluster(node("a"), node("b", cpu="8", memory="16Gi")).apply(manifest("Pod", affinity=affinity))
    assert made.placed() == {"b": 1}


def test_a_node_that_should_be_avoided_is_taken_last(cluster: Make, node: Make, manifest: Make) -> None:
    avoid = {"key": "k", "effect": "PreferNoSchedule"}
    pool = [node("a", cpu="16", memory="32Gi", taints=[avoid]), node("b")]
    assert cluster(*pool).apply(manifest("ReplicaSet", replicas=5)).placed() == {"a": 1, "b": 4}
    tolerant = manifest("Pod", tolerations=[{"key": "k", "operator": "Exists", "effect": "PreferNoSchedule"}])
    assert cluster(*pool).apply(tolerant).placed() == {"a": 1}


def test_a_toleration_of_another_effect_is_no_liking(cluster: Make, node: Make, manifest: Make) -> None:
    avoid = {"key": "k", "effect": "PreferNoSchedule"}
    deaf = manifest("Pod", tolerations=[{"key": "k", "operator": "Exists", "effect": "NoSchedule"}])
    assert cluster(node("a", taints=[avoid]), node("b")).apply(deaf).placed() == {"b": 1}


@pytest.mark.parametrize(
    ("nodes", "enough"), [(1, 1), (99, 99), (100, 100), (150, 100), (1000, 420), (5000, 500), (10_000, 500)]
)
def test_from_100_nodes_on_only_some_are_looked_at(nodes: int, enough: int) -> None:
    assert nodes_to_find(nodes) == enough


def test_the_search_goes_on_where_the_last_one_ended(cluster: Make, node: Make, manifest: Make) -> None:
    # Of 300 nodes 144 that fit are enough: the third pod is the first to see the large one at the end.
    pool = [node(f"n{i}") for i in range(299)] + [node("large", cpu="64", memory="128Gi")]
    made = cluster(*pool).apply(manifest("Pod", "one"), manifest("Pod", "two"), manifest("Pod", "three"))
    assert [*made.placed("one"), *made.placed("two"), *made.placed("three")] == ["n0", "n144", "large"]


def test_the_share_that_stays_free_counts_and_not_the_amount(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("large", cpu="32"), node("small", cpu="2")).apply(manifest("Pod", "old", cpu="9500m"))
    assert made.placed("old") == {"large": 1}
    assert made.apply(manifest("Pod", cpu="500m")).placed() == {"small": 1}  # 75 % of it stays free, of the other 68 %
