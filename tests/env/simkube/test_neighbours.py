"""What is seen of the other workloads of a replay, and that all of them are waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.embedded.cluster import EmbeddedCluster
from env.problems.scenario import Scenario
from env.quantity import GIB, MIB
from env.simkube.cluster import SimKubeCluster
from env.simkube.neighbours import neighbours, others, whole_among
from env.simkube.pods import refused_otherwise
from env.workload import Resources

Manifest = dict[str, Any]

READY = [{"type": "Ready", "status": "True"}]
MESSAGE = "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 Insufficient cpu."
REFUSED = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": MESSAGE}]


def o(name: str, owner: str = "root", **rest: Any) -> Manifest:
    """An object whose uid is its name."""
    metadata = {"name": name, "namespace": "virtual-shop", "uid": name, "ownerReferences": [{"uid": owner}]}
    return {"metadata": metadata, "spec": {}, "status": {}, **rest}


def pod(name: str, owner: str = "root", conditions: Any = READY) -> Manifest:
    spec = {"nodeName": "n"} if conditions is READY else {}
    return o(name, owner, spec=spec, status={"conditions": conditions})


OBJECTS = {
    "Deployment": [o("web"), o("cart", spec={"replicas": 2})],
    "ReplicaSet": [o("web-1", "web"), o("cart-1", "cart"), o("bare-set", spec={"replicas": 1})],
    "StatefulSet": [o("db", spec={"replicas": 3})],
    "DaemonSet": [o("agent", status={"desiredNumberScheduled": 2})],
    "Job": [
        o("done", status={"conditions": [{"type": "Complete", "status": "True"}]}),
        o("suspended", spec={"suspend": True}),
        o("tick-1", "tick"),
    ],
    "CronJob": [o("tick")],
}
PODS = [
    pod("w", "web-1"),
    pod("c1", "cart-1"),
    pod("c2", "cart-1", REFUSED),
    pod("b", "bare-set"),
    pod("d1", "db"),
    pod("a1", "agent"),
    pod("a2", "agent"),
    pod("single"),
]


def test_workloads_have_the_pods_of_what_they_own() -> None:
    found = neighbours(OBJECTS, PODS, "web")
    assert {(kind, name): (len(each.pods), each.lacking) for each in found for kind, _, name in [each.key]} == {
        ("Deployment", "cart"): (2, 1),
        ("ReplicaSet", "bare-set"): (1, 0),
        ("StatefulSet", "db"): (1, 2),
        ("DaemonSet", "agent"): (2, 0),
        ("Job", "done"): (0, 0),
        ("Job", "suspended"): (0, 0),
        ("CronJob", "tick"): (0, 1),
        ("Pod", "single"): (1, 0),
    }
    assert {each.key[1] for each in found} == {"shop"}


def test_what_was_whole_and_is_not_is_broken_and_its_pod_gives_the_reasons() -> None:
    one = {**OBJECTS, "Deployment": [o("web"), o("cart", spec={"replicas": 1})]}
    before = whole_among(neighbours(one, [*PODS[:2], *PODS[3:]], "web"))
    assert ("Deployment", "shop", "cart") in before
    stuck = pod("aa", "db", [{**REFUSED[0], "message": "0/3 nodes are available: 2 Too many pods."}])
    seen = others(neighbours(OBJECTS, [*PODS[:-1], stuck], "web"), before)
    assert (seen.broken, seen.pending) == (2, 2)  # a pod of cart, and the bare pod that is gone
    assert seen.reasons == {"Insufficient cpu": 2}


@pytest.mark.parametrize(
    ("message", "nodes", "refused"),
    [
        (MESSAGE, 2, 0),
        ("0/3 nodes are available: 3 node(s) had untolerated taint(s).", 2, 2),
        (
            "0/4 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 3 Insufficient cpu. no new "
            "claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
            3,
            0,
        ),
        ("0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match pod anti-affinity rules.", 2, 1),
        (
            "0/2 nodes are available: 1 node(s) had untolerated taint {a: b}, 1 Too many pods. preemption: 0/2 nodes "
            "are available: 2 Preemption is not helpful for scheduling.",
            2,
            1,
        ),
        ("0/1 nodes are available: 1 Insufficient nvidia.com/gpu, 1 Insufficient example.com/a.", 1, 1),
        ("no nodes available to schedule pods", 2, 0),
        ("", 2, 0),
    ],
)
def test_nodes_that_refuse_for_another_reason_than_room_are_counted(message: str, nodes: int, refused: int) -> None:
    assert refused_otherwise(message, nodes) == refused


@pytest.fixture
def problem(scenario: Callable[..., Scenario], deployment: Callable[..., Manifest]) -> Scenario:
    """Three nodes of 4 CPU: where the pods of web ask for 3, there is no room for those of cart."""
    return scenario([deployment(3, "1", "512Mi"), deployment(3, "2", "512Mi", name="cart")], [])


def test_a_neighbour_that_loses_its_room_is_seen_as_on_the_embedded_cluster(
    cluster: Callable[..., SimKubeCluster], problem: Scenario
) -> None:
    simkube, embedded = cluster(settle_s=2), EmbeddedCluster()
    for asked in (None, Resources(3_000, 512 * MIB, 3), Resources(1_000, GIB, 3)):
        assert simkube.observe(problem, asked).broken == embedded.observe(problem, asked).broken
        assert [said.partition(":")[0] for said in simkube.why(problem, asked)] == [
            said.partition(":")[0] for said in embedded.why(problem, asked)
        ]
    simkube.close()


def test_what_was_whole_is_looked_up_if_the_episode_did_not_begin_as_recorded(
    cluster: Callable[..., SimKubeCluster], problem: Scenario
) -> None:
    asked = Resources(3_000, 512 * MIB, 3)
    simkube = cluster(settle_s=2)
    assert simkube.observe(problem, asked).broken == EmbeddedCluster().observe(problem, asked).broken > 0
    simkube.close()
