"""What objects of a cluster say, read into an observation."""

from __future__ import annotations

from typing import Any

import pytest

from env.demand import VERDICT_ANNOTATION, Shortage
from env.engine.manifests.edited_container import Choice, Edited
from env.engine.manifests.requests import Slot
from env.errors import ClusterError
from env.kube.paths import selector_text
from env.quantity import GIB, MIB
from env.simkube.nodes import VirtualNode
from env.simkube.pods import (
    PodState,
    check_verdicts,
    live,
    observation,
    pod_state,
    refusals,
    resources_of,
    why_not_ready,
)
from env.workload import Resources

Manifest = dict[str, Any]

OOM = {"reason": "OOMKilled", "exitCode": 137}


def pod(name: str = "web-1", *, node: str | None = "n", verdict: str | None = None, **status: Any) -> Manifest:
    metadata: Manifest = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    if verdict:
        metadata["annotations"] = {VERDICT_ANNOTATION: verdict}
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": status}


def ready(value: str) -> list[Manifest]:
    return [{"type": "Ready", "status": value}]


def refused(message: str, reason: str = "Unschedulable") -> list[Manifest]:
    return [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (pod(phase="Running", conditions=ready("True")), PodState.READY),
        (pod(phase="Running", conditions=ready("False")), PodState.UNDECIDED),
        (pod(phase="Pending"), PodState.UNDECIDED),
        (pod(node=None), PodState.UNDECIDED),
        (pod(node=None, conditions=refused("0/1 nodes are available")), PodState.REFUSED),
        (pod(node=None, conditions=refused("gated", "SchedulingGated")), PodState.REFUSED),
        (pod(node=None, conditions=refused("try again", "SchedulerError")), PodState.UNDECIDED),
        (pod(phase="Running", containerStatuses=[{"lastState": {"terminated": OOM}}]), PodState.OOM_KILLED),
        (pod(phase="Running", containerStatuses=[{"state": {"terminated": OOM}}]), PodState.OOM_KILLED),
        (pod(phase="Running", containerStatuses=[{"state": {"waiting": {"reason": "X"}}}]), PodState.UNDECIDED),
        (pod(verdict="cpu-starved", phase="Running", conditions=ready("False")), PodState.CPU_STARVED),
        (pod(verdict="cpu-starved", phase="Pending"), PodState.UNDECIDED),
        (pod(verdict="nonsense", phase="Running"), PodState.UNDECIDED),
    ],
)
def test_a_pods_fate_is_what_its_status_says(seen: Manifest, expected: PodState) -> None:
    assert pod_state(seen) is expected


@pytest.mark.parametrize("verdict", list(Shortage))
def test_a_pod_that_is_ready_against_its_verdict_is_refused(verdict: Shortage) -> None:
    with pytest.raises(ClusterError, match=f"pod web-1: is Ready, but must be {verdict}"):
        check_verdicts([pod(verdict=verdict, phase="Running", conditions=ready("True"))])


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("0/3 nodes are available: 3 Insufficient cpu.", {"Insufficient cpu": 3}),
        (
            "0/13 nodes are available: 1 Too many pods, 10 Insufficient memory, 2 Insufficient cpu. preemption: 0/13 "
            "nodes are available: 13 No preemption victims found for incoming pod..",
            {"Too many pods": 1, "Insufficient memory": 10, "Insufficient cpu": 2},
        ),
        (
            "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
            "3 Insufficient cpu, 3 Insufficient memory.",
            {"Insufficient cpu": 3, "Insufficient memory": 3},
        ),
        ("no nodes available to schedule pods", {}),
        ("0/1 nodes are available: 1 Insufficient cpushares, 1 Insufficient nvidia.com/gpu.", {}),
        ("0/1 nodes are available. preemption: 1 Insufficient cpu", {}),
        ("", {}),
    ],
)
def test_reasons_are_counted_by_node(message: str, expected: dict[str, int]) -> None:
    assert refusals(message) == expected


def test_ended_and_terminating_pods_do_not_count_and_the_oldest_comes_first() -> None:
    going = pod("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    old = pod("z")
    old["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    pods = [pod("b"), pod("a"), old, going, pod("done", phase="Succeeded"), pod("failed", phase="Failed")]
    assert [p["metadata"]["name"] for p in live(pods)] == ["z", "a", "b"]


def deployment(requests: Manifest, limits: Manifest | None = None, **spec: Any) -> Manifest:
    containers = [
        {"resources": {"requests": requests, "limits": limits or {}}},
        {"resources": {"requests": {"cpu": 9}}},
    ]
    return {"spec": {"template": {"spec": {"containers": containers}}, **spec}}


WEB = Slot("containers", 0, "web")
EDITED = Edited(WEB, WEB, Choice.FIRST, Choice.FIRST)


def test_resources_are_the_edited_containers_requests_else_its_limits() -> None:
    asked = deployment({"cpu": "500m"}, {"cpu": "1", "memory": "1Gi"}, replicas=4)
    assert resources_of(asked, EDITED) == Resources(500, GIB, 4)
    assert resources_of(deployment({}), EDITED) == Resources(0, 0, 1)


def test_an_observation_adds_up_nodes_and_takes_the_oldest_refused_pods_reasons() -> None:
    message = "0/2 nodes are available: 1 Insufficient cpu, 1 Too many pods."
    pods = [
        pod("a", phase="Running", conditions=ready("True")),
        pod("b", node=None, conditions=refused(message)),
        pod("c", node=None, conditions=refused("0/2 nodes are available: 2 Insufficient memory.")),
        pod("d", phase="Running", containerStatuses=[{"lastState": {"terminated": OOM}}]),
        pod("e", verdict="cpu-starved", phase="Running"),
    ]
    nodes = [VirtualNode("n1", 4_000, GIB, 110), VirtualNode("n2", 2_000, 2 * GIB, 110)]
    seen = observation(deployment({"cpu": "1", "memory": "1Mi"}, replicas=5), pods, nodes, EDITED)
    assert (seen.ready, seen.pending, seen.total, seen.oom_killed, seen.cpu_starved) == (1, 2, 5, 1, 1)
    assert (seen.insufficient_cpu, seen.insufficient_memory, seen.too_many_pods) == (1, 0, 1)
    assert (seen.node_cpu_m, seen.node_memory_bytes, seen.nodes) == (4_000, 2 * GIB, 2)
    assert (seen.cluster_cpu_m, seen.cluster_memory_bytes) == (6_000, 3 * GIB)
    assert seen.resources == Resources(1_000, MIB, 5)


def test_a_selector_is_written_as_the_api_reads_it() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
        {"key": "env", "operator": "NotIn", "values": ["dev"]},
    ]
    selector = {"matchLabels": {"app": "web"}, "matchExpressions": expressions}
    assert selector_text(selector) == "app=web,tier in (a,b),!old,new,env notin (dev)"


def test_pods_that_are_not_ready_say_why() -> None:
    message = "0/2 nodes are available: 2 Insufficient cpu."
    pods = [
        pod("a", phase="Running", conditions=ready("True")),
        pod("b", node=None, conditions=refused(message)),
        pod("c", phase="Running", containerStatuses=[{"lastState": {"terminated": OOM}}]),
    ]
    assert why_not_ready(pods) == (message, "pods are OOM-killed")
    assert why_not_ready(pods[:1]) == ()
