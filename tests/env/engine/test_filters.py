"""Which nodes a pod may go to, and what FailedScheduling says of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.engine.scheduling.nodes import read_node

Make = Callable[..., Any]

NO_CLAIMS = "no new claims to deallocate, preemption:"


def alone(reason: str, *, hopeless: bool) -> str:
    """The message of a pod that one node refuses."""
    why = "Preemption is not helpful for scheduling" if hopeless else "No preemption victims found for incoming pod"
    return f"0/1 nodes are available: 1 {reason}. {NO_CLAIMS} 0/1 nodes are available: 1 {why}."


@pytest.mark.parametrize(
    ("asked", "reason", "hopeless"),
    [
        ({"cpu": "4001m"}, "Insufficient cpu", True),
        ({"memory": "9Gi"}, "Insufficient memory", True),
        ({"cpu": "5", "memory": "9Gi"}, "Insufficient cpu, 1 Insufficient memory", True),
        ({"nodeSelector": {"disk": "ssd"}}, "node(s) didn't match Pod's node affinity/selector", True),
        ({"extra": {"nvidia.com/gpu": "1"}}, "Insufficient nvidia.com/gpu", True),
        ({"extra": {"ephemeral-storage": "1Gi"}}, "Insufficient ephemeral-storage", True),
    ],
)
def test_a_node_that_could_never_take_the_pod_says_so(
    asked: Any, reason: str, hopeless: bool, cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a")).apply(manifest(**asked))
    assert made.messages() == [alone(reason, hopeless=hopeless)]
    assert made.state() == (0, 1, 1)


def test_a_node_that_is_full_for_now_has_no_victims(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(replicas=5))
    assert made.messages() == [alone("Insufficient cpu", hopeless=False)]
    assert made.state() == (4, 1, 5)


def test_a_node_takes_so_many_pods(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", pods=2)).apply(manifest(replicas=3, cpu=None))
    assert made.messages() == [alone("Too many pods", hopeless=False)]


def test_a_pod_without_requests_fits_a_node_without_room(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(name="full", cpu="4", memory="8Gi"), manifest(cpu=None))
    assert made.state() == (1, 0, 1)


def test_a_cordoned_node_takes_pods_that_tolerate_it(cluster: Make, node: Make, manifest: Make) -> None:
    tolerant = manifest(name="tolerant", tolerations=[{"operator": "Exists"}])
    made = cluster(node("a", unschedulable=True)).apply(manifest(), tolerant)
    assert made.messages() == [alone("node(s) were unschedulable", hopeless=True)]
    assert made.placed("tolerant") == {"a": 1}


@pytest.mark.parametrize(
    ("toleration", "borne"),
    [
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}, True),
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "k", "value": "w"}, False),
        ({"key": "l", "operator": "Exists"}, False),
        ({"key": "k", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_needs_a_toleration_that_matches(
    toleration: Any, borne: bool, cluster: Make, node: Make, manifest: Make
) -> None:
    tainted = node("a", taints=[{"key": "k", "value": "v", "effect": "NoSchedule"}])
    made = cluster(tainted).apply(manifest(tolerations=[toleration]))
    assert made.messages() == ([] if borne else [alone("node(s) had untolerated taint(s)", hopeless=True)])


def test_a_taint_no_execute_keeps_new_pods_away_too(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a", taints=[{"key": "k", "effect": "NoExecute"}])).apply(manifest())
    assert made.messages() == [alone("node(s) had untolerated taint(s)", hopeless=True)]


@pytest.mark.parametrize(
    ("expression", "nodes"),
    [
        ({"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}, {"ssd"}),
        ({"key": "disk", "operator": "NotIn", "values": ["ssd"]}, {"hdd", "bare"}),
        ({"key": "disk", "operator": "Exists"}, {"ssd", "hdd"}),
        ({"key": "disk", "operator": "DoesNotExist"}, {"bare"}),
        ({"key": "gen", "operator": "Gt", "values": ["2"]}, {"ssd"}),
        ({"key": "gen", "operator": "Lt", "values": ["3"]}, {"hdd"}),
    ],
)
def test_required_node_affinity_by_labels(
    expression: Any, nodes: set[str], cluster: Make, node: Make, manifest: Make
) -> None:
    pool = [
        node("ssd", labels={"disk": "ssd", "gen": "3"}),
        node("hdd", labels={"disk": "hdd", "gen": "2"}),
        node("bare"),
    ]
    made = cluster(*pool).apply(manifest("ReplicaSet", replicas=3, affinity=required_nodes([expression])))
    assert set(made.placed()) == nodes


def required_nodes(*terms: list[Any], key: str = "matchExpressions") -> Any:
    terms_ = [{key: term} for term in terms]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms_}}}


def test_one_term_of_node_affinity_is_enough_but_all_its_expressions_must_match(
    cluster: Make, node: Make, manifest: Make
) -> None:
    ssd, hdd = ({"key": "disk", "operator": "In", "values": [value]} for value in ("ssd", "hdd"))
    near = {"key": "zone", "operator": "In", "values": ["near"]}
    pool = [node("a", labels={"disk": "ssd"}), node("b", labels={"disk": "hdd"}), node("c", labels={"zone": "near"})]
    made = cluster(*pool).apply(manifest(replicas=2, affinity=required_nodes([ssd], [hdd])))
    assert made.placed() == {"a": 1, "b": 1}
    assert cluster(*pool).apply(manifest(affinity=required_nodes([ssd, near]))).state() == (0, 1, 1)


def test_an_empty_term_of_node_affinity_matches_nothing(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a")).apply(manifest(affinity=required_nodes([]))).state() == (0, 1, 1)


def test_node_affinity_may_name_a_node(cluster: Make, node: Make, manifest: Make) -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["b"]}
    made = cluster(node("a"), node("b")).apply(
        manifest(replicas=5, affinity=required_nodes([field], key="matchFields"))
    )
    assert made.placed() == {"b": 4, "": 1}
    assert made.messages() == [
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
        f"{NO_CLAIMS} 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    ]


def test_the_first_filter_that_refuses_gives_the_reason(cluster: Make, node: Make, manifest: Make) -> None:
    taints = [{"key": "k", "effect": "NoSchedule"}]
    pool = [
        node("a", unschedulable=True, taints=taints),
        node("b", taints=taints),
        node("c"),
        node("d", labels={"disk": "ssd"}, cpu="1"),
    ]
    made = cluster(*pool).apply(manifest(cpu="2", nodeSelector={"disk": "ssd"}))
    assert made.messages() == [
        "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node affinity/selector, "
        "1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. "
        f"{NO_CLAIMS} 0/4 nodes are available: 4 Preemption is not helpful for scheduling."
    ]


def test_reasons_are_sorted_as_text(cluster: Make, node: Make, manifest: Make) -> None:
    pool = [node(f"n{i}", cpu="1") for i in range(10)] + [node(f"m{i}", memory="1Gi") for i in range(2)]
    made = cluster(*pool).apply(manifest(cpu="2", memory="2Gi"))
    assert made.messages()[0].startswith("0/12 nodes are available: 10 Insufficient cpu, 2 Insufficient memory. ")


def test_a_cluster_without_nodes_says_so(cluster: Make, manifest: Make) -> None:
    assert cluster().apply(manifest()).messages() == ["no nodes available to schedule pods"]


def test_host_ports_are_taken_once_a_node(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), node("b")).apply(manifest(replicas=3, ports=[{"containerPort": 80, "hostPort": 80}]))
    assert made.placed() == {"a": 1, "b": 1, "": 1}
    assert made.messages() == [
        "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports. "
        f"{NO_CLAIMS} 0/2 nodes are available: 2 No preemption victims found for incoming pod."
    ]


@pytest.mark.parametrize(
    ("other", "clash"),
    [
        ({"hostPort": 80}, True),
        ({"hostPort": 81}, False),
        ({"hostPort": 80, "protocol": "UDP"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.2"}, False),
        ({"hostPort": 80, "hostIP": "0.0.0.0"}, True),
    ],
)
def test_ports_clash_by_protocol_and_address(
    other: Any, clash: bool, cluster: Make, node: Make, manifest: Make
) -> None:
    first = {"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}
    made = cluster(node("a")).apply(
        manifest(name="first", ports=[first]), manifest(ports=[{"containerPort": 80, **other}])
    )
    assert made.state() == ((0, 1, 1) if clash else (1, 0, 1))


def test_on_the_hosts_network_every_port_is_the_hosts(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(replicas=2, ports=[{"containerPort": 80}], hostNetwork=True))
    assert made.state() == (1, 1, 2)


def test_ports_of_sidecars_count(cluster: Make, node: Make, manifest: Make) -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 80, "hostPort": 80}]}
    assert cluster(node("a")).apply(manifest(replicas=2, initContainers=[sidecar])).state() == (1, 1, 2)
    once = {**sidecar, "restartPolicy": None}
    assert cluster(node("a")).apply(manifest(replicas=2, initContainers=[once])).state() == (2, 0, 2)


def test_extended_resources_are_counted(cluster: Make, node: Make, manifest: Make) -> None:
    gpus = node("a", **{"nvidia.com/gpu": "2"})
    made = cluster(node("b"), gpus).apply(manifest(replicas=3, cpu=None, limits={"nvidia.com/gpu": "1"}))
    assert made.placed() == {"a": 2, "": 1}
    assert made.messages() == [
        f"0/2 nodes are available: 2 Insufficient nvidia.com/gpu. {NO_CLAIMS} 0/2 nodes are available: "
        "1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
    ]


def test_a_pod_that_names_its_node_is_not_scheduled(cluster: Make, node: Make, manifest: Make) -> None:
    cordoned = node("b", unschedulable=True)
    made = cluster(node("a"), cordoned).apply(
        manifest(replicas=2, cpu="3", nodeName="b", extra={"nvidia.com/gpu": "1"})
    )
    assert made.placed() == {"b": 2}  # as the kubelets of virtual nodes, which do not look at what is free
    assert made.told("Scheduled") == []


def test_a_pod_that_names_a_node_that_does_not_exist_stays_pending(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(nodeName="gone"), manifest(name="other")).delete("Deployment", "other")
    made.apply(manifest(name="third"))
    assert (made.state(), made.messages()) == ((0, 1, 1), [])


@pytest.mark.parametrize("pod", [{"schedulingGates": [{"name": "g"}]}, {"schedulerName": "other"}])
def test_a_pod_that_is_not_for_this_scheduler_waits_in_silence(
    pod: Any, cluster: Make, node: Make, manifest: Make
) -> None:
    made = cluster(node("a")).apply(manifest(name="big", cpu="4"), manifest(name="more"), manifest(**pod))
    made.delete("Deployment", "big")
    assert made.state() == (0, 1, 1)
    assert not any("web" in event.name for event in made.plane.events if event.reason == "FailedScheduling")


def test_the_largest_of_start_up_and_work_counts(cluster: Make, node: Make, manifest: Make) -> None:
    init = [{"name": "i", "resources": {"requests": {"cpu": "3"}}}]
    assert cluster(node("a")).apply(manifest(replicas=2, initContainers=init)).state() == (1, 1, 2)
    assert cluster(node("a")).apply(manifest(replicas=2, overhead={"cpu": "1500m"})).state() == (1, 1, 2)


def test_the_node_controller_keeps_the_beta_labels_equal_to_the_stable_ones_it_finds() -> None:
    given = {"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "windows", "node.kubernetes.io/instance-type": "m"}
    labels = read_node({"name": "n0", "labels": given}).labels
    assert labels == {**given, "kubernetes.io/hostname": "n0", "beta.kubernetes.io/os": "linux"}
