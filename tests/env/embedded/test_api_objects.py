"""The end of a replay as an API server shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.api_objects import NoSuchObject
from env.embedded.api_objects import ReplayedObjects
from env.embedded.cluster import EmbeddedCluster
from env.engine.manifests.deployment import read_deployment
from env.problems.nodes import equal_nodes
from env.problems.scenario import Scenario, recorded_manifest
from env.quantity import GIB
from env.simkube.nodes import read_node
from env.simkube.pods import live, observation
from env.trace.document import Manifest


def using(manifest: Manifest, **annotations: Any) -> Manifest:
    """The Deployment with annotations of its pods, by the names after `sim-arena.io/`."""
    own = {f"sim-arena.io/{name}": json.dumps(value) for name, value in annotations.items()}
    manifest["spec"]["template"]["metadata"]["annotations"] = own
    return manifest


@pytest.fixture
def objects(trace: Any, scenario: Any) -> Any:
    """Replays manifests, each an event of its own."""

    def make(*manifests: Manifest, **settings: Any) -> ReplayedObjects:
        return EmbeddedCluster().objects(scenario(trace(*([each] for each in manifests)), **settings), None)

    return make


def conditions(held: Manifest) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each.get("reason", "")) for each in held["status"]["conditions"]}


def test_a_pod_that_is_well_runs_on_its_node(objects: Any, deployment: Any) -> None:
    pods = objects(deployment(replicas=2)).pods("default")
    assert len(pods) == 2
    first = pods[0]
    assert first["status"]["phase"] == "Running"
    assert first["spec"]["nodeName"] == "node-1"
    assert conditions(first)["Ready"] == ("True", "")
    (container,) = first["status"]["containerStatuses"]
    assert container == {
        "name": "web", "ready": True, "restartCount": 0, "started": True,
        "state": {"running": {"startedAt": "1970-01-01T00:16:40Z"}},
    }  # fmt: skip
    (owner,) = first["metadata"]["ownerReferences"]
    assert owner["kind"] == "ReplicaSet"
    assert first["metadata"]["labels"] == {
        "app": "web", "pod-template-hash": owner["name"].removeprefix("web-")
    }  # fmt: skip
    assert first["metadata"]["name"].startswith(f"{owner['name']}-")


def test_a_pod_that_no_node_takes_says_why_in_its_condition(objects: Any, deployment: Any) -> None:
    (pod,) = objects(deployment(replicas=1, cpu="17")).pods("default")
    assert pod["status"]["phase"] == "Pending"
    assert "nodeName" not in pod["spec"]
    assert "containerStatuses" not in pod["status"]
    (scheduled,) = pod["status"]["conditions"]
    assert (scheduled["type"], scheduled["status"], scheduled["reason"]) == ("PodScheduled", "False", "Unschedulable")
    assert scheduled["message"].startswith("0/3 nodes are available: 3 Insufficient cpu. ")


def test_a_gated_pod_is_not_called_unschedulable(objects: Any, deployment: Any) -> None:
    (pod,) = objects(deployment(replicas=1, schedulingGates=[{"name": "x.io/wait"}])).pods("default")
    assert conditions(pod) == {"PodScheduled": ("False", "SchedulingGated")}


def test_an_oom_killed_container_waits_in_its_back_off(objects: Any, deployment: Any) -> None:
    manifest = using(deployment(replicas=1, memory="256Mi"), demand={"web": {"memory": "1Gi"}})
    # 75 s after its start it has been restarted at once, and after 10, 20 and 40 s.
    (pod,) = objects(manifest, duration_s=75).pods("default")
    assert pod["status"]["phase"] == "Running"
    assert conditions(pod)["Ready"] == ("False", "ContainersNotReady")
    (container,) = pod["status"]["containerStatuses"]
    assert container["restartCount"] == 4
    assert not container["ready"]
    waiting = container["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert waiting["message"].startswith("back-off 1m20s restarting failed container=web pod=web-")
    ended = container["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["finishedAt"]) == ("OOMKilled", 137, "1970-01-01T00:17:50Z")


def test_a_cpu_starved_container_runs_and_is_not_ready(objects: Any, deployment: Any) -> None:
    manifest = using(deployment(replicas=1, cpu="100m"), demand={"web": {"cpu": "400m"}})
    (pod,) = objects(manifest).pods("default")
    (container,) = pod["status"]["containerStatuses"]
    assert "running" in container["state"]
    assert (container["ready"], container["restartCount"]) == (False, 0)
    assert conditions(pod)["ContainersReady"] == ("False", "ContainersNotReady")


@pytest.mark.parametrize(
    ("demand", "lines"),
    [
        ({"memory": "1Gi"}, ["starting", "out of memory: 512Mi allowed", "Killed"]),
        ({"cpu": "2"}, ["starting", "CPU is throttled: 500m allowed", "not ready: answers take too long"]),
        ({"cpu": "500m"}, ["starting", "ready"]),
    ],
)
def test_a_log_says_what_happened(objects: Any, deployment: Any, demand: Any, lines: list[str]) -> None:
    held = objects(using(deployment(replicas=1), demand={"web": demand}))
    (pod,) = held.pods("default")
    name = pod["metadata"]["name"]
    assert held.log("default", name, "web", 100).splitlines() == lines
    assert held.log("default", name, "web", 1).splitlines() == lines[-1:]


def test_a_trace_may_bring_lines_of_a_log(objects: Any, deployment: Any) -> None:
    held = objects(using(deployment(replicas=1), log={"web": "listening\nscale to 100"}))
    (pod,) = held.pods("default")
    assert held.log("default", pod["metadata"]["name"], "web", 3).splitlines() == ["listening", "scale to 100", "ready"]


def test_what_has_no_log_is_an_error(objects: Any, deployment: Any) -> None:
    held = objects(deployment(replicas=1, cpu="17"))
    (pod,) = held.pods("default")
    name = pod["metadata"]["name"]
    with pytest.raises(NoSuchObject, match="no container of it was started yet"):
        held.log("default", name, "web", 10)
    with pytest.raises(NoSuchObject, match=f"container db of pod default/{name}"):
        held.log("default", name, "db", 10)
    with pytest.raises(NoSuchObject, match="pod default/web-1"):
        held.log("default", "web-1", "web", 10)


def test_a_namespace_that_is_not_there_is_no_empty_one(objects: Any, deployment: Any) -> None:
    held = objects(deployment())
    for read in (held.pods, held.events):
        with pytest.raises(NoSuchObject, match="namespace defualt"):
            read("defualt")


def test_a_deployment_shows_what_it_asks_for_and_what_it_has(objects: Any, deployment: Any) -> None:
    found = objects(deployment(replicas=3)).deployment("default", "web")
    assert found["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    status = found["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert "unavailableReplicas" not in status
    assert conditions(found) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }


def test_a_deployment_shows_what_was_made_of_it(trace: Any, scenario: Any, deployment: Any) -> None:
    made = scenario(trace([deployment()]))
    resources = EmbeddedCluster().observe(made, None).resources._replace(cpu_m=1000, replicas=4)
    found = EmbeddedCluster().objects(made, resources).deployment("default", "web")
    assert found is not None
    assert found["spec"]["replicas"] == 4
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "512Mi"}


def test_a_deployment_that_lacks_pods_is_not_available(objects: Any, deployment: Any) -> None:
    stuck = objects(deployment(cpu="17"), duration_s=700).deployment("default", "web")
    assert conditions(stuck) == {
        "Available": ("False", "MinimumReplicasUnavailable"),
        "Progressing": ("False", "ProgressDeadlineExceeded"),
    }
    assert stuck["status"]["unavailableReplicas"] == 3
    young = objects(deployment(cpu="17")).deployment("default", "web")
    assert conditions(young)["Progressing"] == ("True", "ReplicaSetUpdated")


def test_a_deployment_whose_pods_are_refused_says_so(objects: Any, deployment: Any) -> None:
    metadata = {"name": "few", "namespace": "default"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": {"pods": "2"}}}
    found = objects(quota, deployment()).deployment("default", "web")
    failure = next(each for each in found["status"]["conditions"] if each["type"] == "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: few" in failure["message"]


def test_a_deployment_of_another_name_is_none(objects: Any, deployment: Any) -> None:
    assert objects(deployment()).deployment("default", "wbe") is None


def test_events_are_those_of_the_replay(objects: Any, deployment: Any) -> None:
    events = objects(using(deployment(replicas=1, memory="256Mi"), demand={"web": {"memory": "1Gi"}})).events("default")
    assert [each["reason"] for each in events] == [
        "ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "OOMKilled", "BackOff"
    ]  # fmt: skip
    killed = events[3]
    assert (killed["type"], killed["count"]) == ("Warning", 2)
    assert killed["involvedObject"]["kind"] == "Pod"
    assert killed["source"] == {"component": "kubelet"}


def test_a_starved_pod_has_an_event_that_says_so(objects: Any, deployment: Any) -> None:
    events = objects(using(deployment(replicas=1, cpu="100m"), demand={"web": {"cpu": "400m"}})).events("default")
    (unhealthy,) = [each for each in events if each["reason"] == "Unhealthy"]
    assert (unhealthy["type"], unhealthy["source"]) == ("Warning", {"component": "kubelet"})
    assert unhealthy["message"] == "Readiness probe failed: a container asks for less CPU than it uses"


def test_nodes_show_what_pods_may_use_of_them(objects: Any, deployment: Any) -> None:
    nodes = objects(deployment(), nodes=equal_nodes(2, 4000, 8 * GIB, 20)).nodes()
    assert [node["metadata"]["name"] for node in nodes] == ["node-1", "node-2"]
    assert {"cpu": "4", "memory": "8Gi", "pods": "20"}.items() <= nodes[0]["status"]["allocatable"].items()
    assert conditions(nodes[0])["Ready"] == ("True", "KubeletReady")


def test_times_of_a_trace_may_be_any(trace: Any, scenario: Any, deployment: Any) -> None:
    made = trace([deployment(replicas=1)])
    made.events[0]["ts"] = 10**15
    (pod,) = EmbeddedCluster().objects(scenario(made), None).pods("default")
    assert pod["metadata"]["creationTimestamp"] == "9999-12-31T23:59:59Z"


@given(st.data())
@settings(max_examples=60)
def test_a_reader_of_real_clusters_observes_the_same(
    plain_scenarios: st.SearchStrategy[Scenario], data: st.DataObject
) -> None:
    made = data.draw(plain_scenarios)
    cluster = EmbeddedCluster()
    seen, held = cluster.observe(made, None), cluster.objects(made, None)
    found = held.deployment("default", "web")
    assert found is not None
    edited = read_deployment(recorded_manifest(made.trace, made.workload)).source.edited
    read = observation(found, live(held.pods("default")), [read_node(node) for node in held.nodes()], edited)
    # That a pod is starved a real cluster says by an annotation of SimKube's trace alone.
    assert read._replace(cpu_starved=0) == seen._replace(cpu_starved=0)
    status = found["status"]
    counts = [status.get(name, 0) for name in ("replicas", "readyReplicas", "availableReplicas")]
    assert counts == [seen.total, seen.ready, seen.ready]
