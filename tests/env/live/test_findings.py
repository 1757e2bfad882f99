"""What is wrong with a real cluster, each with its evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_api import FakeApi
from live_objects import (
    LONG_AGO,
    Manifest,
    Ward,
    ago,
    crashing,
    killed_for_memory,
    pod_status,
    running,
    unschedulable,
    waiting,
    without_image,
)

from env.doctor.actions import DoctorAction as A
from env.live.cluster import LiveCluster

Open = Callable[..., LiveCluster]
POD = "Pod default/web-5d4f8c7b9-00000"


def wrong(cluster: LiveCluster) -> list[tuple[str, str]]:
    return [(each.what, each.object) for each in cluster.found]


@pytest.mark.parametrize(
    ("pod", "what", "evidence"),
    [
        (crashing(), "crash-loop", "CrashLoopBackOff: Error, exit code 1, restarted 4 times"),
        (killed_for_memory(), "out-of-memory", "OOMKilled, exit code 137"),
        (without_image(), "bad-image", 'ImagePullBackOff: Back-off pulling image "web:2" (image web:2)'),
        (unschedulable(), "no-room", "2 Insufficient cpu"),
        (unschedulable('persistentvolumeclaim "gone" not found'), "claim-unbound", "not found"),
        (pod_status("Failed", reason="Evicted", message="low on disk"), "crash-loop", "Evicted: low on disk"),
        (waiting("CreateContainerConfigError", 'configmap "c" not found'), "pod-not-started", "configmap"),
        (pod_status("Running", conditions=[{"type": "Ready", "status": "False", "message": "containers not ready",
                                            "lastTransitionTime": LONG_AGO}]), "pod-not-ready", "containers not ready"),
        (pod_status("Pending"), "pod-not-started", "not Ready"),
    ],
)  # fmt: skip
def test_a_pod_in_trouble_is_found_with_its_evidence(
    ward: Ward, examined: Open, pod: Manifest, what: str, evidence: str
) -> None:
    ward.deployment("web", pod)
    (finding,) = examined().found
    assert (finding.what, finding.object, finding.owner) == (what, POD, "web")
    assert evidence in finding.said


def test_a_container_that_was_killed_for_its_memory_lately_is_found_though_it_runs(ward: Ward, examined: Open) -> None:
    pod = running()
    pod["containerStatuses"][0] |= {"lastState": {"terminated": {"reason": "OOMKilled", "finishedAt": ago(20)}}}
    ward.deployment("web", pod)
    cluster = examined()
    assert wrong(cluster) == [("out-of-memory", POD)]
    assert cluster.state[4] == 1
    pod["containerStatuses"][0]["lastState"]["terminated"]["finishedAt"] = ago(70)
    ward.deployment("web", pod)
    assert examined().is_well


def test_nodes_that_are_lost_or_cordoned_are_found(ward: Ward, examined: Open) -> None:
    ward.node("node-1", ready=False)
    ward.node("node-2", cordoned=True)
    cluster = examined()
    assert wrong(cluster) == [("node-not-ready", "Node node-1"), ("node-cordoned", "Node node-2")]
    assert "Kubelet stopped posting node status." in cluster.found[0].said


def test_a_claim_that_a_pod_waits_for_is_found_and_one_that_nothing_uses_is_not(ward: Ward, examined: Open) -> None:
    ward.deployment("web", unschedulable("pod has unbound immediate PersistentVolumeClaims", "data"))
    ward.claim("data")
    ward.claim("spare")
    ward.event("PersistentVolumeClaim/data", "ProvisioningFailed", 'storageclass "fast" not found')
    cluster = examined()
    assert wrong(cluster) == [("claim-unbound", "PersistentVolumeClaim default/data")]
    assert 'storageclass "fast" not found' in cluster.found[0].said


def test_a_quota_that_is_used_up_is_told_of_the_deployment_that_lacks_pods(ward: Ward, examined: Open) -> None:
    said = 'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1'
    ward.deployment("web", replicas=2, conditions=[{"type": "ReplicaFailure", "status": "True", "message": said}])
    quota = {"hard": {"pods": "1", "requests.cpu": "2"}, "used": {"pods": "1", "requests.cpu": "100m"}}
    ward._put("v1", "ResourceQuota", "small", "default", spec={}, status=quota)
    cluster = examined()
    assert wrong(cluster) == [("quota-used-up", "Deployment default/web")]
    lines = cluster.step(A.GET_RESOURCE_QUOTAS).lines
    assert lines[:2] == ("1 quota; used up: 1", "default/small: pods 1 of 1")


def test_a_deployment_that_lacks_pods_for_another_reason_is_wrong_too(ward: Ward, examined: Open) -> None:
    ward.deployment("web", running(), replicas=3)
    assert wrong(examined()) == [("deployment-unavailable", "Deployment default/web")]


def test_a_rollout_that_has_just_begun_is_not_wrong(ward: Ward, examined: Open) -> None:
    condition = {"type": "Progressing", "status": "True", "lastUpdateTime": ago(1)}
    ward.deployment("web", running(), replicas=3, conditions=[condition])
    assert examined().is_well


@pytest.mark.parametrize(
    ("use", "replicas", "what"),
    [("150m", 2, ["too-few-replicas"]), ("20m", 8, ["too-many-replicas"]), ("60m", 8, []), ("1m", 3, [])],
)
def test_the_size_of_a_deployment_follows_from_what_its_pods_use_of_their_requests(
    ward: Ward, examined: Open, use: str, replicas: int, what: list[str]
) -> None:
    ward.deployment("web", *[running()] * replicas)
    pods = {f"web-5d4f8c7b9-{number:05}": (use, "10Mi") for number in range(replicas)}
    ward.measure({"node-1": ("1", "1Gi")}, pods)
    assert [each.what for each in examined().found] == what


def test_a_deployment_that_an_autoscaler_sizes_is_of_the_right_size(ward: Ward, examined: Open) -> None:
    ward.deployment("web", running(), running())
    ward.measure(
        {"node-1": ("1", "1Gi")}, {"web-5d4f8c7b9-00000": ("150m", "1Mi"), "web-5d4f8c7b9-00001": ("1", "1Mi")}
    )
    assert not examined().is_well
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    ward._put("autoscaling/v2", "HorizontalPodAutoscaler", "web", "default", spec=target)
    assert examined().is_well


def test_names_that_do_not_resolve_are_found_in_logs(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", running())
    fake.logs["default", "web-5d4f8c7b9-00000", "c"] = "start\ndial tcp: lookup db on 10.0.0.10:53: no such host\n"
    cluster = examined()
    assert wrong(cluster) == [("dns", POD)]
    assert "lookup db on 10.0.0.10:53: no such host" in cluster.found[0].said
    cluster.step(A.CHECK_LOGS)
    assert cluster.state[16] == 1


def test_cluster_dns_without_a_ready_pod_is_found(ward: Ward, examined: Open) -> None:
    ward.pod("coredns-1", crashing(), "kube-system", labels={"k8s-app": "kube-dns"})
    assert ("dns", "Deployment kube-system/coredns") in wrong(examined())


def test_timeouts_are_a_network_policys_where_one_selects_the_pod(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", running())
    fake.logs["default", "web-5d4f8c7b9-00000", "c"] = "dial tcp 10.0.0.7:5432: i/o timeout\n"
    assert examined().is_well
    selector = {"podSelector": {"matchLabels": {"app": "web"}}}
    ward._put("networking.k8s.io/v1", "NetworkPolicy", "deny-all", "default", spec=selector)
    assert wrong(examined()) == [("network-policy", "NetworkPolicy default/deny-all")]


def test_a_reading_action_shows_what_it_reveals_and_no_more(ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    ward.deployment("web", crashing(), running())
    cluster = examined()
    assert cluster.step(A.GET_NODES).lines == (
        "2 nodes: 1 Ready, 1 cordoned, 0 NotReady",
        "Node node-2: node-cordoned: Ready, but cordoned: no pods are placed on it",
    )
    lines = cluster.step(A.GET_PODS).lines
    assert lines[0] == "2 pods: 1 running, 0 pending, 1 failed, 0 unknown"
    assert [line for line in lines if "node-cordoned" in line] == []


def test_many_findings_are_shown_as_ten_and_a_count(ward: Ward, examined: Open) -> None:
    ward.deployment("web", *[crashing()] * 15)
    lines = examined().step(A.GET_PODS).lines
    assert (len(lines), lines[-1]) == (12, "and 5 more findings")


def test_what_objects_say_cannot_reach_a_terminal(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", waiting("ErrImagePull", "\x1b[2Jevil\u202e" + "x" * 100_000))
    cluster = examined()
    lines = [line for action in A for line in cluster.step(action).lines]
    assert all(line.isprintable() and len(line) < 2_000 for line in lines)


@pytest.mark.parametrize(
    "value", [None, 7, "text", [], [1], {"conditions": 3}, {"containerStatuses": [None, {"state": 1}]}]
)
def test_objects_of_the_wrong_shape_are_read_as_far_as_they_go(
    fake: FakeApi, ward: Ward, examined: Open, value: object
) -> None:
    for kind, plural in (("Pod", "v1"), ("Deployment", "apps/v1"), ("PersistentVolumeClaim", "v1"), ("Event", "v1")):
        fake.put({"apiVersion": plural, "kind": kind, "metadata": {"name": "odd"}, "spec": value, "status": value,
                  "involvedObject": value})  # fmt: skip
    fake.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "odd"}, "spec": value, "status": value})
    fake.answers["/apis/metrics.k8s.io/v1beta1/nodes"] = {"items": [{"metadata": value, "usage": value}]}
    fake.answers["/apis/metrics.k8s.io/v1beta1/pods"] = {"items": [{"metadata": value, "containers": value}]}
    cluster = examined()
    for action in A:
        cluster.step(action)
    assert cluster.state.shape == (18,)
