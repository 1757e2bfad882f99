"""A cluster as a snapshot: what stands on its own, what takes room, how workloads are, and that nothing is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_api import FakeApi
from town import HASH, Town, container, ended, oom_killed, pending, running

from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError, ConfigError
from env.kube.client import KubeApi
from env.quantity import GIB
from env.snapshot.anonymous import anonymous
from env.snapshot.reading import LISTED
from env.snapshot.snapshot import Snapshot, trace_of

Read = Callable[..., Snapshot]


def _names(snapshot: Snapshot, *kinds: str) -> list[str]:
    wanted = [each for each in snapshot.objects if not kinds or each["kind"] in kinds]
    return [f"{each['kind']} {each['metadata']['name']}" for each in wanted]


def _said(snapshot: Snapshot) -> str:
    return "\n".join(map(str, snapshot.skipped))


WORKLOADS = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "CronJob", "Job", "Pod")


def test_what_a_controller_would_make_again_is_its_owners(town: Town, read: Read) -> None:
    town.deployment("web", running(), running())
    town.put("CronJob", "report", spec={"schedule": "* * * * *"})
    town.put("Job", "report-1", owner="CronJob/report", spec={"parallelism": 1})
    town.pod("report-1-x", running(), owner="Job/report-1")
    assert _names(read(), *WORKLOADS) == ["Deployment web", "CronJob report"]


def test_what_a_foreign_controller_made_stands_on_its_own(town: Town, read: Read) -> None:
    town.put("ReplicaSet", "canary", owner="Rollout/web", spec={"replicas": 1, "template": {}})
    town.put("ReplicaSet", "canary-old", owner="Rollout/web", spec={"replicas": 0, "template": {}})
    town.pod("canary-1", running(), owner="ReplicaSet/canary")
    town.pod("kafka-0", running(), owner="StrimziPodSet/kafka")
    town.pod("debug", running())
    assert _names(read(), *WORKLOADS) == ["ReplicaSet canary", "Pod kafka-0", "Pod debug"]


def test_what_has_ended_is_left_out_and_a_job_counts_what_is_left(town: Town, read: Read) -> None:
    done = {"conditions": [{"type": "Complete", "status": "True"}]}
    town.put("Job", "migrate", spec={"completions": 1}, status=done)
    town.put("Job", "resize", spec={"completions": 5, "parallelism": 2}, status={"succeeded": 3})
    town.pod("once", ended())
    town.pod("failed", ended(phase="Failed"))
    snapshot = read()
    assert _names(snapshot, *WORKLOADS) == ["Job resize"]
    assert next(each for each in snapshot.objects if each["kind"] == "Job")["spec"]["completions"] == 2


def test_accounts_that_pods_have_are_there(town: Town, read: Read) -> None:
    template = {"spec": {"containers": [container()], "serviceAccountName": "web", "runtimeClassName": "gvisor"}}
    for name in ("web", "without-pods"):
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
        town.put("StatefulSet", name, spec=spec)
    pod = running()
    pod["spec"] |= {"serviceAccountName": "web", "runtimeClassName": "gvisor"}
    town.pod("web-0", pod, owner="StatefulSet/web")
    town.pod("bare", {**running(), "spec": {**running()["spec"], "serviceAccountName": "default"}})
    trace = trace_of(read())
    assert _names(read(), "ServiceAccount", "RuntimeClass") == ["ServiceAccount web", "RuntimeClass gvisor"]
    assert [each["kind"] for each in trace.events[0]["applied_objs"]] == ["ServiceAccount", *["StatefulSet"] * 2, "Pod"]


def test_a_job_that_runs_does_not_end_in_a_replay(town: Town, read: Read) -> None:
    spec = {"completions": 2, "parallelism": 2, "template": {"spec": {"containers": [container(cpu="3")]}}}
    town.put("Job", "train", spec=spec)
    for number in (1, 2):
        pod = running(f"node-{number}")
        pod["spec"]["containers"] = [container(cpu="3")]
        town.pod(f"train-{number}", pod, owner="Job/train")
    town.deployment("web", running())
    snapshot = read()
    assert snapshot.nodes is not None
    for trace in (trace_of(snapshot), anonymous(trace_of(snapshot))):
        states = EmbeddedCluster().survey(trace, snapshot.nodes, None)
        assert [(each.kind, each.ready) for each in states] == [("Job", 2), ("Deployment", 1)]


def test_what_runs_comes_before_what_waits_for_a_node(town: Town, read: Read) -> None:
    town.deployment("waits", pending())
    town.deployment("runs", running())
    assert _names(read(), *WORKLOADS) == ["Deployment runs", "Deployment waits"]


def test_static_pods_keep_their_room(town: Town, read: Read) -> None:
    mirror = {"kubernetes.io/config.mirror": "abc"}
    town.pod("kube-apiserver-node-1", running(), namespace="kube-system", annotations=mirror, owner="Node/node-1")
    snapshot = read()
    assert snapshot.nodes is not None
    assert [(pool.names, pool.cpu_m, pool.pods) for pool in snapshot.nodes.pools] == [
        (("node-1",), 3500, 109),
        (("node-2",), 4000, 110),
    ]
    assert "Pod 1 static pod: no part of the replay" in _said(snapshot)
    assert not _names(snapshot, "Pod")


def test_a_node_full_of_static_pods_takes_no_more(town: Town, read: Read) -> None:
    for number in range(9):
        town.pod(f"static-{number}", running(), owner="Node/node-1")
    snapshot = read()
    assert snapshot.nodes is not None
    assert snapshot.nodes.pools[0].cpu_m == 1


def test_pods_of_other_namespaces_keep_their_room(town: Town, read: Read) -> None:
    town.put("Namespace", "other", namespace="")
    town.deployment("web", running("node-2"))
    town.deployment("big", running("node-1"), running("node-1"), namespace="other")
    snapshot = read("shop")
    assert snapshot.nodes is not None
    assert [pool.memory_bytes for pool in snapshot.nodes.pools] == [7 * GIB, 8 * GIB]
    assert _names(snapshot, *WORKLOADS) == ["Deployment web"]


def test_what_a_webhook_adds_to_pods_keeps_its_room(town: Town, read: Read) -> None:
    town.deployment("web", running(), running("node-2"))
    proxy = {"name": "istio-proxy", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    with_proxy = running()
    with_proxy["spec"]["containers"] = [container(), proxy]
    town.pod(f"web-{HASH}-00000", with_proxy, owner=f"ReplicaSet/web-{HASH}", labels={"pod-template-hash": HASH})
    snapshot = read()
    assert snapshot.nodes is not None
    assert [pool.cpu_m for pool in snapshot.nodes.pools] == [3900, 4000]
    assert [pool.pods for pool in snapshot.nodes.pools] == [110, 110]
    assert "Pod 1 pod: have containers that no template has (istio-proxy)" in _said(snapshot)


def test_pods_of_the_revision_before_and_defaults_of_a_limit_range_are_nothing_added(town: Town, read: Read) -> None:
    large = {**running(), "spec": {"nodeName": "node-1", "containers": [container(cpu="2")]}}
    town.deployment("rolls", large)
    spec = {"replicas": 2, "template": {"spec": {"containers": [container()]}}}
    town.put("Deployment", "rolls", spec=spec, status={"replicas": 2, "readyReplicas": 1, "updatedReplicas": 1})
    town.put("Namespace", "other", namespace="")
    town.put("LimitRange", "defaults", "other", spec={"limits": [{"type": "Container"}]})
    town.deployment("web", large, namespace="other")
    snapshot = read()
    assert snapshot.nodes is not None
    assert snapshot.nodes.total[0] == 8000


def test_virtual_nodes_are_no_room_and_what_runs_there_is_left_out(town: Town, read: Read) -> None:
    town.node("aci", labels={"type": "virtual-kubelet"})
    town.node("fargate-1", labels={"eks.amazonaws.com/compute-type": "fargate"})
    town.node("virtual-1", taints=[{"key": "kwok-provider", "value": "true", "effect": "NoSchedule"}])
    town.node("kwok-1", labels={"type": "kwok"})
    town.deployment("burst", running("aci"))
    town.deployment("both", running("aci"), running())
    snapshot = read()
    assert snapshot.nodes is not None
    assert snapshot.nodes.count == 3
    assert _names(snapshot, *WORKLOADS) == ["Deployment both"]
    assert "Deployment shop/burst: runs on virtual nodes only" in _said(snapshot)


def test_the_replicas_that_an_autoscaler_has_set_are_kept(town: Town, read: Read) -> None:
    town.deployment("web", *[running()] * 3)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    town.put("HorizontalPodAutoscaler", "web", spec={"minReplicas": 1, "maxReplicas": 9, "scaleTargetRef": target})
    objects = read().objects
    assert [each["spec"]["replicas"] for each in objects if each["kind"] == "Deployment"] == [3]
    assert objects[-1]["kind"] == "HorizontalPodAutoscaler"


def test_how_each_workload_is_is_kept(town: Town, read: Read) -> None:
    town.deployment("well", running(), running())
    town.deployment("hungry", oom_killed(), running())
    town.deployment("large", pending(), replicas=1)
    now = {each.key.name: each for each in read().now}
    assert [name for name, each in now.items() if each.is_whole] == ["well"]
    assert str(now["hungry"]) == "1 of 2 ready, OOM-killed: app, CrashLoopBackOff (1)"
    assert now["large"].said == "0/2 nodes are available: 2 Insufficient cpu."


def test_a_rollout_that_does_not_end_is_not_whole(town: Town, read: Read) -> None:
    spec = {"replicas": 3, "template": {"spec": {"containers": [container()]}}}
    town.put("Deployment", "web", spec=spec, status={"replicas": 4, "readyReplicas": 3, "updatedReplicas": 1})
    (now,) = read().now
    assert not now.is_whole
    assert str(now) == "3 of 3 ready, 1 of the current revision"


def test_what_is_refused_is_named_and_the_rest_is_read(town: Town, fake: FakeApi, read: Read) -> None:
    town.deployment("web", running())
    fake.fail(403, path="/cronjobs|/priorityclasses", times=2)
    snapshot = read()
    assert _names(snapshot, *WORKLOADS) == ["Deployment web"]
    assert [each.kind for each in snapshot.skipped] == ["PriorityClass", "CronJob"]
    assert "403 Forbidden" in snapshot.skipped[0].why


def test_pods_find_their_deployment_where_replica_sets_are_refused(town: Town, fake: FakeApi, read: Read) -> None:
    town.deployment("web", running(), pending())
    fake.fail(403, path="/replicasets")
    snapshot = read()
    assert _names(snapshot, *WORKLOADS) == ["Deployment web"]
    assert [each.unscheduled for each in snapshot.now] == [1]
    assert snapshot.nodes is not None
    assert snapshot.nodes.total[0] == 8000


def test_pods_whose_owner_is_refused_keep_their_room(town: Town, fake: FakeApi, read: Read) -> None:
    town.pod("db-0", running(), owner="StatefulSet/db")
    fake.fail(403, path="/statefulsets")
    snapshot = read()
    assert snapshot.nodes is not None
    assert snapshot.nodes.total[0] == 7500
    assert "1 pod of other namespaces, CronJobs or unread owners" in _said(snapshot)


def test_a_role_of_one_namespace_is_enough(town: Town, fake: FakeApi, read: Read) -> None:
    town.deployment("web", running())
    fake.fail(403, path="^/api/v1/(pods|nodes|namespaces/shop)[?]|^/api/v1/namespaces/shop$|/priorityclasses", times=4)
    snapshot = read("shop")
    assert _names(snapshot, *WORKLOADS) == ["Deployment web"]
    assert snapshot.nodes is None
    assert "Pod of other namespaces: not read, so nodes count as free of them" in _said(snapshot)


def test_who_may_read_nothing_is_told_of_the_role(town: Town, fake: FakeApi, read: Read) -> None:
    fake.fail(403, path="/", times=99)
    with pytest.raises(ClusterError, match=r"nothing of the cluster may be read: GET .*403.*docs/record\.md"):
        read()


def test_a_server_that_is_not_there_is_not_waited_for(api: KubeApi, fake: FakeApi, read: Read) -> None:
    fake.fail(path="/nodes", cut=True, times=2)
    assert read().nodes is None  # no nodes were put there
    fake.fail(path="/nodes", cut=True, times=9)
    with pytest.raises(ClusterError, match="v1/nodes: no answer"):
        read()


def test_a_namespace_that_there_is_not_is_named(town: Town, read: Read) -> None:
    with pytest.raises(ConfigError, match="--namespace shpo: the cluster has none of that name"):
        read("shpo")


def test_credentials_that_do_not_count_end_it(town: Town, fake: FakeApi, read: Read) -> None:
    fake.fail(401, path="/nodes", times=9)
    with pytest.raises(ClusterError, match="401 "):
        read()


@pytest.mark.parametrize("status", [410, 429, 503])
def test_what_passes_is_asked_again_from_the_first_page(status: int, town: Town, fake: FakeApi, read: Read) -> None:
    for number in range(501):
        town.pod(f"pod-{number:03}", ended())
    town.deployment("web", running())
    fake.fail(status, path="/pods.*continue")
    assert [each.ready for each in read().now] == [1]


def test_a_node_that_is_none_is_named_and_left_out(town: Town, fake: FakeApi, read: Read) -> None:
    fake.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new"}, "status": {}})
    snapshot = read()
    assert snapshot.nodes is not None
    assert snapshot.nodes.count == 2
    assert "Node new: is left out: node new: status.allocatable: lacks cpu, memory, pods" in _said(snapshot)


def test_a_snapshot_becomes_a_trace_without_what_it_must_not_carry(town: Town, read: Read) -> None:
    town.deployment("web", running())
    data = trace_of(read()).to_bytes()
    assert b"Deployment" in data
    for secret in (b"hunter2", b"serve", b"last-applied", HASH.encode()):
        assert secret not in data


def test_the_api_server_sees_nothing_but_gets_of_what_the_role_lists(town: Town, fake: FakeApi, read: Read) -> None:
    town.deployment("web", running())
    read()
    allowed = {each.collection for each in LISTED}
    assert {(method, path.partition("?")[0]) for method, path in fake.requests} <= {("GET", each) for each in allowed}
    assert len(fake.requests) == len(LISTED)


def test_a_deployment_that_was_paused_with_pods_has_them_in_the_replay(town: Town, read: Read) -> None:
    spec = {"replicas": 1, "paused": True, "selector": {}, "template": {"spec": {"containers": [container()]}}}
    town.put("Deployment", "runs", spec=spec, status={"replicas": 1})
    town.put("Deployment", "new", spec=spec, status={})
    found = {each["metadata"]["name"]: each["spec"] for each in read().objects if each["kind"] == "Deployment"}
    assert "paused" not in found["runs"]
    assert found["new"]["paused"] is True
