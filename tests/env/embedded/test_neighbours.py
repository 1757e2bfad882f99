"""Other workloads of a trace: which of them an edit breaks, and why their pods are pending."""

from __future__ import annotations

from typing import Any

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.gym.reward import goal
from env.gym.search import least_actions
from env.observation import Observation
from env.problems.nodes import NodePool, NodePools
from env.problems.scenario import Scenario, scenario_from_trace
from env.quantity import GIB
from env.trace.document import Trace, read_trace
from env.trace.msgpack_document import pack
from env.workload import Resources


def template(name: str, cpu: str, **pod: Any) -> Any:
    container = {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container], **pod}}


def workload(kind: str, name: str, cpu: str, api: str = "apps/v1", **spec: Any) -> Any:
    asked = {"selector": {"matchLabels": {"app": name}}, "template": template(name, cpu), **spec}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": asked}


def deployment(name: str, replicas: int, cpu: str, **pod: Any) -> Any:
    return workload("Deployment", name, cpu, replicas=replicas, template=template(name, cpu, **pod))


def trace_of(*applied: Any) -> Trace:
    kinds = {f"{m['apiVersion']}.{m['kind']}": {"podSpecTemplatePaths": ["/spec/template"]} for m in applied}
    document = {
        "version": 2,
        "config": {"trackedObjects": kinds},
        "events": [{"ts": ts, "applied_objs": [manifest], "deleted_objs": []} for ts, manifest in enumerate(applied)],
        "index": {},
        "pod_lifecycles": {},
    }
    return read_trace(pack(document), "shop")


def scenario(*applied: Any, nodes: NodePools | None = None, target: int = 2) -> Scenario:
    """Two nodes of 4 CPU; the workload to mend is web."""
    pools = nodes or NodePools((NodePool(2, 4000),))
    return scenario_from_trace(trace_of(*applied), name="shop", deploy="web", target=target, nodes=pools)


def seen(case: Scenario, *asked: int) -> Observation:
    return EmbeddedCluster().observe(case, Resources(*asked) if asked else None)


JOB = workload(
    "Job", "cart", "3", "batch/v1", parallelism=2, selector=None, template=template("cart", "3", restartPolicy="Never")
)


def test_a_workload_that_takes_a_neighbour_s_room_has_broken_it() -> None:
    case = scenario(deployment("web", 2, "1"), deployment("cart", 2, "3"))
    recorded, larger = seen(case), seen(case, 2000, GIB, 2)
    assert (recorded.broken, recorded.others_pending) == (0, 0)
    assert (larger.ready, larger.total, larger.pending) == (2, 2, 0)
    assert (larger.broken, larger.others_pending, larger.others_insufficient_cpu) == (2, 2, 2)
    assert goal(recorded, 2)
    assert not goal(larger, 2)


def test_a_neighbour_that_was_broken_as_recorded_does_not_count() -> None:
    case = scenario(deployment("web", 2, "1"), deployment("cart", 3, "3"))
    assert (seen(case).broken, seen(case).others_pending) == (0, 1)
    assert (seen(case, 2000, GIB, 2).broken, seen(case, 2000, GIB, 2).others_pending) == (0, 3)


def test_the_reasons_are_those_of_a_pod_that_an_edit_broke_first_of_all() -> None:
    nowhere = deployment("gone", 1, "1", nodeSelector={"disk": "none"})
    case = scenario(deployment("web", 2, "1"), nowhere, deployment("cart", 2, "3"))
    assert (seen(case).others_pending, seen(case).others_insufficient_cpu) == (1, 0)
    broken = seen(case, 2000, GIB, 2)
    assert (broken.others_pending, broken.others_insufficient_cpu, broken.broken) == (3, 2, 2)


@pytest.mark.parametrize(
    "neighbour",
    [
        workload("StatefulSet", "cart", "3", replicas=2, serviceName="cart"),
        workload("ReplicaSet", "cart", "3", replicas=2),
        workload("DaemonSet", "cart", "3"),
        JOB,
    ],
    ids=lambda manifest: manifest["kind"],
)
def test_neighbours_of_every_kind_count(neighbour: Any) -> None:
    case = scenario(deployment("web", 2, "1"), neighbour)
    assert seen(case).broken == 0
    assert seen(case, 2000, GIB, 2).broken > 0


HIGH = {"name": "high", "namespace": "cluster"}


def test_a_neighbour_that_is_preempted_for_the_workload_is_broken() -> None:
    high = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": HIGH, "value": 9}
    named = {"name": "cart", "namespace": "shop"}
    bare = {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": template("cart", "3")["spec"]}
    case = scenario(high, bare, deployment("web", 2, "1", priorityClassName="high"))
    assert seen(case).broken == 0
    preempted = seen(case, 4000, GIB, 2)
    assert (preempted.ready, preempted.broken, preempted.others_pending) == (2, 1, 0)


def test_nodes_that_refuse_a_pod_for_anything_but_room_are_counted() -> None:
    case = scenario(deployment("web", 2, "1", nodeSelector={"disk": "fast"}))
    assert (seen(case).pending, seen(case).refused_otherwise, seen(case).insufficient_cpu) == (2, 2, 0)
    mixed = NodePools((NodePool(1, 4000, labels=(("disk", "fast"),)), NodePool(2, 8000)))
    case = scenario(deployment("web", 2, "3", nodeSelector={"disk": "fast"}), nodes=mixed)
    assert (seen(case).pending, seen(case).refused_otherwise, seen(case).insufficient_cpu) == (1, 2, 1)


def test_the_search_finds_what_breaks_nobody() -> None:
    starved = deployment("web", 2, "1")
    starved["spec"]["template"]["metadata"]["annotations"] = {"sim-arena.io/demand": '{"c": {"cpu": "1200m"}}'}
    alone, beside = scenario(starved), scenario(starved, deployment("cart", 2, "3"))
    assert len(least_actions(alone, EmbeddedCluster()) or ()) == 1
    assert least_actions(beside, EmbeddedCluster(), within=4) is None


def test_an_episode_says_how_many_pods_neighbours_lack_and_goes_on() -> None:
    env = ClusterEnv([scenario(deployment("web", 1, "1500m"), deployment("cart", 1, "3"))], render_mode="ansi")
    _, info = env.reset(seed=0)
    assert (info["broken"], info["is_success"]) == (0, False)
    _, _, solved, _, info = env.step(3)
    assert (info["broken"], info["is_success"], solved) == (1, False, False)
    assert "neighbours lack 1 pod," in str(env.render())
