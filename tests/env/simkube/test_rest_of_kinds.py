"""When StatefulSets, DaemonSets and ReplicaSets have come to rest, and what is observed of them."""

from __future__ import annotations

from typing import Any

import pytest

from env.engine.manifests.edited_container import edited_containers
from env.quantity import GIB
from env.simkube.pods import resources_of
from env.simkube.rest_of_kinds import is_rolled_out, why_not_at_rest
from env.workload import Resources

Manifest = dict[str, Any]

READY = {"spec": {"nodeName": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
REFUSED = {
    "spec": {},
    "status": {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
}
TEMPLATE = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}]}}


def own(spec: Manifest, seen: int = 1, **status: int) -> Manifest:
    metadata = {"generation": 1, "name": "web"}
    return {
        "metadata": metadata,
        "spec": {**spec, "template": TEMPLATE},
        "status": {"observedGeneration": seen, **status},
    }


STATEFUL = own({"replicas": 3}, replicas=1, readyReplicas=0, updatedReplicas=1)
DAEMON = own(
    {}, desiredNumberScheduled=3, currentNumberScheduled=3, numberReady=2, updatedNumberScheduled=3
)  # as on three nodes, of which one is too small


@pytest.mark.parametrize(
    ("kind", "workload", "pods", "reason"),
    [
        ("StatefulSet", STATEFUL, [REFUSED], None),
        ("StatefulSet", STATEFUL, [READY], "1 pod Ready, the StatefulSet counts 0"),
        ("StatefulSet", STATEFUL, [READY, REFUSED], "2 pods, the StatefulSet counts 1"),
        ("DaemonSet", DAEMON, [READY, READY, REFUSED], None),
        ("DaemonSet", DAEMON, [READY, READY], "2 pods, the DaemonSet counts 3"),
        ("DaemonSet", own({}, seen=0), [], "the DaemonSet controller has seen generation 0 of 1"),
        ("ReplicaSet", own({"replicas": 1}, replicas=1, readyReplicas=1), [READY], None),
    ],
)
def test_controllers_have_seen_what_pods_there_are(
    kind: str, workload: Manifest, pods: list[Manifest], reason: str | None
) -> None:
    assert why_not_at_rest(kind, workload, [], pods) == reason


def test_a_workload_is_rolled_out_once_all_pods_are_new_and_ready() -> None:
    done = {"desiredNumberScheduled": 2, "currentNumberScheduled": 2, "numberReady": 2}
    assert is_rolled_out("DaemonSet", own({}, **done, updatedNumberScheduled=2), [READY, READY])
    assert not is_rolled_out("DaemonSet", own({}, **done, updatedNumberScheduled=1), [READY, READY])
    assert not is_rolled_out("DaemonSet", DAEMON, [READY, READY, REFUSED])
    assert not is_rolled_out("StatefulSet", STATEFUL, [REFUSED])
    assert is_rolled_out("ReplicaSet", own({"replicas": 1}, replicas=1, readyReplicas=1), [READY])


def test_a_daemonset_asks_for_as_many_pods_as_its_controller_wants() -> None:
    edited = edited_containers(TEMPLATE)
    assert resources_of(DAEMON, edited) == Resources(2000, GIB, 3)
    assert resources_of(STATEFUL, edited) == Resources(2000, GIB, 3)
