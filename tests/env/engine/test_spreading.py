"""Topology spread constraints, and the scheduler's own ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"
SKEWED = "node(s) didn't match pod topology spread constraints"


def constraint(key: str = ZONE, **fields: Any) -> Any:
    own = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**own, "labelSelector": {"matchLabels": {"app": "web"}}, **fields}]}


@pytest.fixture
def zones(node: Make) -> list[Any]:
    """a and b in zone 1, c in zone 2."""
    places = (("a", "1"), ("b", "1"), ("c", "2"))
    return [node(name, labels={ZONE: zone}) for name, zone in places]


def test_a_hard_constraint_holds_even_if_pods_stay_pending(cluster: Make, zones: Any, manifest: Make) -> None:
    made = cluster(*zones).apply(manifest(replicas=9, cpu="1", **constraint()))
    assert made.placed() == {"a": 3, "b": 2, "c": 4}
    full = cluster(*zones).apply(manifest(replicas=10, **constraint()))
    assert full.placed() == {"a": 3, "b": 2, "c": 4, "": 1}
    assert full.messages() == [
        f"0/3 nodes are available: 1 Insufficient cpu, 2 {SKEWED}. no new claims to deallocate, preemption: "
        "0/3 nodes are available: 3 No preemption victims found for incoming pod."
    ]


def test_a_larger_skew_lets_more_pods_in(cluster: Make, zones: Any, manifest: Make) -> None:
    made = cluster(*zones).apply(manifest(replicas=12, **constraint(maxSkew=4)))
    assert made.placed() == {"a": 4, "b": 4, "c": 4}


def test_a_node_without_the_label_is_no_place_and_no_domain(
    cluster: Make, node: Make, zones: Any, manifest: Make
) -> None:
    made = cluster(*zones, node("d")).apply(manifest(replicas=10, **constraint()))
    assert made.placed() == {"a": 3, "b": 2, "c": 4, "": 1}
    assert made.messages()[0].startswith(
        f"0/4 nodes are available: 1 Insufficient cpu, 1 {SKEWED} (missing required label), 2 {SKEWED}. "
    )
    assert "1 Preemption is not helpful for scheduling" in made.messages()[0]


def test_pods_that_the_selector_does_not_mean_do_not_count(cluster: Make, zones: Any, manifest: Make) -> None:
    others = manifest("ReplicaSet", "other", replicas=3, nodeName="c", cpu="0")
    assert cluster(*zones).apply(others, manifest(replicas=4, **constraint())).placed()["c"] == 2


def test_pods_of_other_namespaces_do_not_count(cluster: Make, zones: Any, manifest: Make) -> None:
    others = manifest(
        "ReplicaSet", "other", replicas=3, nodeName="c", cpu="0", labels={"app": "web"}, namespace="elsewhere"
    )
    assert cluster(*zones).apply(others, manifest(replicas=4, **constraint())).placed()["c"] == 2


def test_pods_of_other_owners_with_the_labels_count(cluster: Make, zones: Any, manifest: Make) -> None:
    others = manifest("ReplicaSet", "other", replicas=3, nodeName="c", cpu="0", labels={"app": "web"})
    assert cluster(*zones).apply(others).apply(manifest(replicas=3, **constraint())).placed() == {"a": 2, "b": 1}


@pytest.mark.parametrize("nodes", [1, 2])
def test_with_fewer_domains_than_min_domains_the_least_counts_as_none(
    nodes: int, cluster: Make, node: Make, manifest: Make
) -> None:
    pool = [node(f"n{i}", labels={ZONE: str(i)}) for i in range(nodes)]
    made = cluster(*pool).apply(manifest(replicas=4, **constraint(minDomains=2)))
    assert made.state() == ((1, 3, 4) if nodes == 1 else (4, 0, 4))


def test_nodes_that_the_selector_excludes_are_no_domains(cluster: Make, node: Make, manifest: Make) -> None:
    pool = [node("a", labels={ZONE: "1", "disk": "ssd"}), node("b", labels={ZONE: "2"})]
    picky = {"nodeSelector": {"disk": "ssd"}}
    assert cluster(*pool).apply(manifest(replicas=3, **constraint(), **picky)).state() == (3, 0, 3)
    ignoring = constraint(nodeAffinityPolicy="Ignore")
    assert cluster(*pool).apply(manifest(replicas=3, **ignoring, **picky)).state() == (1, 2, 3)


def test_tainted_nodes_are_domains_unless_taints_are_honoured(cluster: Make, node: Make, manifest: Make) -> None:
    tainted = node("b", labels={ZONE: "2"}, taints=[{"key": "k", "effect": "NoSchedule"}])
    pool = [node("a", labels={ZONE: "1"}), tainted]
    assert cluster(*pool).apply(manifest(replicas=3, **constraint())).state() == (1, 2, 3)
    honouring = constraint(nodeTaintsPolicy="Honor")
    assert cluster(*pool).apply(manifest(replicas=3, **honouring)).state() == (3, 0, 3)


def test_match_label_keys_narrow_the_selector(cluster: Make, zones: Any, manifest: Make) -> None:
    old = manifest("ReplicaSet", "old", replicas=3, cpu="0", nodeName="c", labels={"app": "web", "track": "old"})
    new = {"replicas": 3, "labels": {"app": "web", "track": "new"}}
    assert cluster(*zones).apply(old).apply(manifest(**new, **constraint())).placed()["c"] == 0
    narrow = constraint(matchLabelKeys=["track"])
    assert cluster(*zones).apply(old, manifest(**new, **narrow)).placed()["c"] == 1


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_rollout_spreads_each_revision_by_its_hash(kind: str, cluster: Make, zones: Any, manifest: Make) -> None:
    key = "pod-template-hash" if kind == "Deployment" else "controller-revision-hash"
    strategy = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}} if kind == "Deployment" else {}
    asked = {"replicas": 4, "cpu": "100m", "spec": strategy, **constraint(matchLabelKeys=[key])}
    made = cluster(*zones).apply(manifest(kind, **asked), manifest(kind, image="web:2", **asked))
    placed = made.placed()
    assert (placed["a"] + placed["b"], placed["c"]) == (2, 2)


def test_a_soft_constraint_is_a_wish(cluster: Make, zones: Any, manifest: Make) -> None:
    soft = constraint(whenUnsatisfiable="ScheduleAnyway")
    made = cluster(*zones).apply(manifest(replicas=10, **soft))
    assert made.placed() == {"a": 3, "b": 3, "c": 4}
    assert cluster(*zones).apply(manifest(replicas=4, **soft)).placed()["c"] == 2


def test_replicas_are_spread_over_hosts_and_zones_without_being_asked(
    cluster: Make, zones: Any, manifest: Make
) -> None:
    for kind in ("Deployment", "ReplicaSet", "StatefulSet"):
        assert cluster(*zones).apply(manifest(kind, replicas=2, cpu="100m")).placed()["c"] == 1


def test_jobs_are_not_spread_by_themselves(cluster: Make, node: Make, manifest: Make) -> None:
    # The larger node stays the less allocated one, and nothing else matters.
    pool = [node("a", cpu="64", memory="128Gi"), node("b")]
    job = manifest("Job", cpu="100m", spec={"parallelism": 5, "completions": 5})
    assert cluster(*pool, lifetimes=lambda owner: 60.0).apply(job).placed() == {"a": 5}
    assert cluster(*pool).apply(manifest("ReplicaSet", replicas=5, cpu="100m")).placed()["b"] > 0
