"""DaemonSets: a pod on every node that lets it in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def test_every_node_gets_a_pod(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a"), node("b")).apply(manifest("DaemonSet")).placed() == {"a": 1, "b": 1}


def test_a_selector_narrows_the_nodes(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", labels={"disk": "ssd"}), node("b")).apply(
        manifest("DaemonSet", nodeSelector={"disk": "ssd"})
    )
    assert (made.placed(), made.messages()) == ({"a": 1}, [])


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_taint_keeps_it_away_unless_it_is_borne(effect: str, cluster: Make, node: Make, manifest: Make) -> None:
    tainted = node("a", taints=[{"key": "k", "effect": effect}])
    assert cluster(tainted, node("b")).apply(manifest("DaemonSet")).placed() == {"b": 1}
    tolerant = manifest("DaemonSet", tolerations=[{"key": "k", "operator": "Exists"}])
    assert cluster(tainted, node("b")).apply(tolerant).placed() == {"a": 1, "b": 1}


def test_cordoned_nodes_and_nodes_in_trouble_get_one_too(cluster: Make, node: Make, manifest: Make) -> None:
    trouble = [
        {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
    ]
    made = cluster(node("a", unschedulable=True), node("b", taints=trouble)).apply(manifest("DaemonSet"))
    assert made.placed() == {"a": 1, "b": 1}


def test_a_pod_that_does_not_fit_its_node_waits_for_it(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), node("b"), node("c")).apply(
        manifest("Pod", "big", cpu="4", nodeName="b"), manifest("DaemonSet")
    )
    assert made.placed() == {"a": 1, "c": 1, "": 1}
    assert made.messages() == [
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
        "no new claims to deallocate, preemption: 0/3 nodes are available: "
        "1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling."
    ]
    assert made.delete("Pod", "big").placed() == {"a": 1, "b": 1, "c": 1}


def test_an_update_replaces_one_pod_after_another(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), node("b")).apply(manifest("DaemonSet")).apply(manifest("DaemonSet", cpu="2"))
    assert [pod.template.cpu_m for pod in made.pods()] == [2000, 2000]


@pytest.mark.parametrize(("unavailable", "replaced"), [(1, 1), (2, 2), ("50%", 2), ("30%", 2), ("100%", 4)])
def test_an_update_that_fits_nowhere_stops_at_max_unavailable(
    unavailable: Any, replaced: int, cluster: Make, node: Make, manifest: Make
) -> None:
    spec = {"updateStrategy": {"rollingUpdate": {"maxUnavailable": unavailable}}}
    made = cluster(*(node(name) for name in "abcd")).apply(manifest("DaemonSet", spec=spec))
    assert made.apply(manifest("DaemonSet", cpu="5", spec=spec)).state() == (4 - replaced, replaced, 4)


def test_old_pods_that_are_not_ready_are_replaced_first_and_count_as_missing(
    cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(*(node(name) for name in "abc")).apply(manifest("Pod", "big", cpu="4", nodeName="a"))
    made.apply(manifest("DaemonSet")).apply(manifest("DaemonSet", cpu="5"))
    assert {made.plane.api.scheduler.bound.table.nodes[pod.row].name for pod in made.pods() if pod.ready} == {"b", "c"}
    assert sorted(pod.template.cpu_m for pod in made.pods()) == [1000, 1000, 5000]


def test_on_delete_leaves_old_pods(cluster: Make, node: Make, manifest: Make) -> None:
    spec = {"updateStrategy": {"type": "OnDelete"}}
    made = cluster(node("a")).apply(manifest("DaemonSet", spec=spec)).apply(manifest("DaemonSet", cpu="2", spec=spec))
    assert [pod.template.cpu_m for pod in made.pods()] == [1000]


def test_a_selector_that_changes_removes_pods_that_are_astray(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", labels={"disk": "ssd"}), node("b")).apply(manifest("DaemonSet"))
    assert made.apply(manifest("DaemonSet", nodeSelector={"disk": "ssd"})).placed() == {"a": 1}


def test_a_daemon_set_that_names_a_node_runs_there_only(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a"), node("b")).apply(manifest("DaemonSet", nodeName="b")).placed() == {"b": 1}


# --- minReadySeconds and maxSurge -----------------------------------------------------------------------------------


def test_an_update_waits_until_each_pod_has_been_ready_for_min_ready_seconds(
    cluster: Make, node: Make, manifest: Make
) -> None:
    spec = {"minReadySeconds": 30}
    made = cluster(node("a"), node("b")).apply(manifest("DaemonSet", spec=spec)).wait(60)
    made.apply(manifest("DaemonSet", cpu="2", spec=spec))
    asked = [sorted(pod.template.cpu_m for pod in made.wait(wait_s).pods()) for wait_s in (0, 29, 1)]
    assert asked == [[1000, 2000], [1000, 2000], [2000, 2000]]


def test_with_a_surge_the_old_pod_stays_until_the_new_one_is_available(
    cluster: Make, node: Make, manifest: Make
) -> None:
    spec = {"minReadySeconds": 30, "updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}
    made = cluster(node("a"), node("b")).apply(manifest("DaemonSet", spec=spec)).wait(60)
    made.apply(manifest("DaemonSet", cpu="2", spec=spec))
    asked = [sorted(pod.template.cpu_m for pod in made.wait(wait_s).pods()) for wait_s in (0, 29, 1, 30)]
    assert asked == [[1000, 1000, 2000], [1000, 1000, 2000], [1000, 2000, 2000], [2000, 2000]]


def test_a_surge_that_fits_nowhere_keeps_all_old_pods(cluster: Make, node: Make, manifest: Make) -> None:
    spec = {"updateStrategy": {"rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}}
    made = cluster(node("a"), node("b")).apply(manifest("DaemonSet", spec=spec))
    assert made.apply(manifest("DaemonSet", cpu="4", spec=spec)).state() == (2, 2, 4)


@pytest.mark.parametrize(("host_network", "pods"), [(True, 1), (False, 0)])
def test_pods_on_the_nodes_network_do_not_mind_that_it_is_not_there_for_others(
    host_network: bool, pods: int, cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a", taints=[{"key": "node.kubernetes.io/network-unavailable", "effect": "NoSchedule"}]))
    assert made.apply(manifest("DaemonSet", hostNetwork=host_network)).state() == (pods, 0, pods)
