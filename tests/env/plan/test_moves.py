"""Moves to a plan's nodes: drain by drain, within budgets, with everything Ready at the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plans import offers, trace_of, workload

from env.embedded.cluster import EmbeddedCluster
from env.errors import TraceError
from env.plan.moves import Journey, Move, Way, best_move, move
from env.plan.offers import offers_of_nodes
from env.plan.planner import Problem, plan
from env.problems.node_text import parse_nodes, parse_taints
from env.problems.nodes import NodePools
from env.trace.document import Manifest


def budget(name: str, **spec: Any) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": name}}, **spec},
    }


def moved(*manifests: Manifest, now: str, then: tuple[int, ...], types: tuple[str, ...] = ("4:8Gi",)) -> Move:
    order = [(each["kind"], "shop", each["metadata"]["name"]) for each in manifests]
    return best_move(Journey(trace_of(*manifests), order, parse_nodes(now), offers(*types), then), {})


def test_nodes_are_drained_and_everything_is_ready_at_the_end() -> None:
    found = moved(workload("web", "1", 6), now="4x4:8Gi", then=(2,))
    assert found.is_done
    assert found.way is Way.DRAIN
    assert len(found.drained) == 2
    assert found.joined == {}


def test_new_nodes_join_before_the_old_ones_leave() -> None:
    found = moved(workload("web", "1", 6), now="2x4:8Gi", then=(0, 1), types=("4:8Gi", "8:16Gi"))
    assert found.is_done
    assert found.joined == {"8 CPU, 16Gi": 1}
    assert len(found.drained) == 2
    assert found.evictions == 6


def test_a_budget_is_kept_with_one_eviction_after_the_other() -> None:
    web = workload("web", "100m", 4)
    together = moved(web, now="2x4:8Gi", then=(1,))
    kept = moved(web, budget("web", minAvailable=3), now="2x4:8Gi", then=(1,))
    key = ("Deployment", "shop", "web")
    assert together.lowest[key].ready == 2
    assert kept.lowest[key].ready == 3
    assert kept.is_done


@pytest.mark.parametrize("spec", [{"maxUnavailable": 0}, {"minAvailable": "100%"}])
def test_a_budget_that_allows_nothing_blocks_the_move_and_is_named(spec: dict[str, Any]) -> None:
    found = moved(workload("web", "100m", 4), budget("web", **spec), now="2x4:8Gi", then=(1,))
    assert not found.is_done
    assert "PodDisruptionBudget shop/web allows no eviction" in found.blocked[0]


def test_a_pod_of_two_budgets_is_never_evicted() -> None:
    twice = {**budget("web", minAvailable=1), "metadata": {"name": "also", "namespace": "shop"}}
    found = moved(workload("web", "100m", 4), budget("web", minAvailable=1), twice, now="2x4:8Gi", then=(1,))
    assert "shop/also, shop/web" in found.blocked[0]


def test_a_pod_without_a_controller_keeps_its_node() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "alone", "namespace": "shop"},
        "spec": {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "1"}}}]},
    }
    found = moved(pod, workload("web", "1", 6), now="3x4:8Gi", then=(2,))
    assert found.is_done
    gone = moved(pod, workload("web", "1", 6), now="3x4:8Gi", then=(0, 1), types=("4:8Gi", "8:16Gi"))
    assert "Pod shop/alone has no controller" in gone.blocked[0]


def test_the_largest_pods_move_first_where_draining_node_by_node_leaves_them_no_room() -> None:
    every = [workload("large", "3", 3), workload("small", "500m", 10)]
    journey = Journey(
        trace_of(*reversed(every)),
        [("Deployment", "shop", "large"), ("Deployment", "shop", "small")],
        parse_nodes("8x4:8Gi"),
        offers("4:8Gi"),
        (4,),
    )
    assert not move(journey, Way.DRAIN, {}, EmbeddedCluster()).is_done
    found = best_move(journey, {})
    assert found.is_done
    assert found.way is not Way.DRAIN


def test_a_plan_comes_with_its_move() -> None:
    problem = Problem(trace_of(workload("web", "1", 6)), parse_nodes("5x4:8Gi"), offers("4:8Gi"))
    found = plan(problem)
    assert found.counts == (2,)
    assert found.move is not None
    assert found.move.is_done


def test_pods_that_had_no_room_have_it_after_the_move_to_as_many_nodes() -> None:
    small, large = workload("small", "1500m", 2), workload("large", "3", 1)
    order = [("Deployment", "shop", "large"), ("Deployment", "shop", "small")]
    journey = Journey(trace_of(small, large), order, parse_nodes("2x4:8Gi"), offers("4:8Gi"), (2,))
    found = best_move(journey, {})
    assert found.is_done
    assert found.way is Way.REPLACE
    assert move(journey, Way.DRAIN, {}, EmbeddedCluster()).missing == {("Deployment", "shop", "large"): 1}


def test_nodes_that_the_plan_has_stay_where_others_differ_in_a_label_alone() -> None:
    fast, slow = (parse_nodes("2x4:8Gi").marked({"disk": disk}, []) for disk in ("ssd", "hdd"))
    there = NodePools((*fast.pools, *slow.pools))
    web = workload("web", "1", 6, nodeSelector={"disk": "ssd"})
    journey = Journey(trace_of(web), [("Deployment", "shop", "web")], there, offers_of_nodes(there), (2, 0))
    found = best_move(journey, {})
    assert found.is_done
    assert found.joined == {}
    assert found.evictions == 0


@pytest.mark.parametrize("taint", ["node.kubernetes.io/unreachable:NoExecute", ""])
def test_a_node_that_takes_no_pods_is_replaced_by_one_of_its_kind(taint: str) -> None:
    whole = parse_nodes("1x4:8Gi")
    broken = (
        whole.marked({}, parse_taints([taint])) if taint else NodePools((replace(whole.pools[0], unschedulable=True),))
    )
    there = NodePools((*whole.pools, *broken.pools))
    (offer,) = offers_of_nodes(there)
    found = plan(Problem(trace_of(workload("web", "1", 8)), there, (offer,)))
    assert found.counts == (2,)
    assert found.move is not None
    assert found.move.is_done
    assert found.move.joined == {"4 CPU, 8Gi": 1}
    assert found.move.drained == ("node-2",)


def test_pods_of_a_job_that_is_done_are_neither_evicted_nor_missed() -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once", "namespace": "shop"}}
    job["spec"] = {"parallelism": 3, "completions": 6, "template": {"spec": pod}}
    found = moved(job, workload("web", "1", 6), now="5x4:8Gi", then=(0, 1), types=("4:8Gi", "8:16Gi"))
    assert found.is_done
    assert found.evictions == 6


def test_a_wrong_budget_of_a_trace_is_named() -> None:
    with pytest.raises(TraceError, match="PodDisruptionBudget shop/web: maxUnavailable 'one'"):
        moved(workload("web", "1", 6), budget("web", maxUnavailable="one"), now="5x4:8Gi", then=(2,))
