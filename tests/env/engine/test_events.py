"""Events, in the API server's words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from env.engine.control_plane import ControlPlane
from env.engine.manifests.objects import read_object

Make = Callable[..., Any]

GENERATED = r"[bcdfghjklmnpqrstvwxz2456789]{5}"
UID = r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def only(cluster: Any, reason: str) -> Any:
    (event,) = [event for event in cluster.plane.events if event.reason == reason]
    return event


def test_a_pod_is_created_and_scheduled(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), now_s=7.0).apply(manifest("ReplicaSet"))
    created, scheduled = only(made, "SuccessfulCreate"), only(made, "Scheduled")
    name = made.pods()[0].name
    assert re.fullmatch(f"web-{GENERATED}", name)
    assert (created.kind, created.namespace, created.name) == ("ReplicaSet", "default", "web")
    assert (created.message, created.source) == (f"Created pod: {name}", "replicaset-controller")
    assert (scheduled.kind, scheduled.name, scheduled.time_s) == ("Pod", name, 7.0)
    assert scheduled.message == f"Successfully assigned default/{name} to a"
    assert (scheduled.warning, scheduled.source, scheduled.count) == (False, "default-scheduler", 1)


@pytest.mark.parametrize(
    ("kind", "created", "source"),
    [
        ("StatefulSet", "Create Pod web-0 in StatefulSet web successful", "statefulset-controller"),
        ("DaemonSet", f"Created pod: web-{GENERATED}", "daemonset-controller"),
        ("Job", f"Created pod: web-{GENERATED}", "job-controller"),
    ],
)
def test_each_controller_has_its_own_words(
    kind: str, created: str, source: str, cluster: Make, node: Make, manifest: Make
) -> None:
    event = only(cluster(node("a")).apply(manifest(kind)), "SuccessfulCreate")
    assert re.fullmatch(created, event.message)
    assert (event.kind, event.source) == (kind, source)


def test_a_rollout_scales_replica_sets_up_and_down(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(replicas=2)).apply(manifest(replicas=2, image="web:2"))
    told = made.told("ScalingReplicaSet")
    old, new = (re.search(r"web-[0-9a-f]{10}", told[i]).group() for i in (0, 1))  # type: ignore[union-attr]
    assert told == [
        f"Scaled up replica set {old} from 0 to 2",
        f"Scaled up replica set {new} from 0 to 1",
        f"Scaled down replica set {old} from 2 to 1",
        f"Scaled up replica set {new} from 1 to 2",
        f"Scaled down replica set {old} from 1 to 0",
    ]
    assert {event.source for event in made.plane.events if event.kind == "Deployment"} == {"deployment-controller"}
    assert all(text.startswith("Deleted pod: web-") for text in made.told("SuccessfulDelete"))


def test_garbage_collection_says_nothing(cluster: Make, node: Make, manifest: Make) -> None:
    assert cluster(node("a")).apply(manifest()).delete("Deployment", "web").told("SuccessfulDelete") == []


def test_a_pod_that_fits_nowhere_is_warned_about(cluster: Make, node: Make, manifest: Make) -> None:
    event = only(cluster(node("a")).apply(manifest("Pod", cpu="5")), "FailedScheduling")
    assert (event.kind, event.name, event.warning, event.source) == ("Pod", "web", True, "default-scheduler")


def test_equal_events_are_counted(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest("Pod", cpu="5", affinity=None), manifest("Pod", "free")).wait(5)
    event = only(made.delete("Pod", "free"), "FailedScheduling")
    assert (event.count, event.time_s) == (2, 5.0)


def test_a_container_that_is_killed_again_and_again_fills_two_events(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a"), now_s=100.0).apply(manifest("Pod", memory="1Gi", uses={"memory": "2Gi"}))
    for seconds, restarts, last_s in ((0, 1, 100), (75, 4, 170), (100_000, 338, 100_010)):
        made.wait(seconds)
        killed, backing_off = only(made, "OOMKilled"), only(made, "BackOff")
        assert (killed.count, backing_off.count, backing_off.time_s) == (restarts + 1, restarts, last_s)
    assert re.fullmatch(rf"Back-off restarting failed container c in pod web_default\({UID}\)", backing_off.message)
    assert re.fullmatch(rf"Container c in pod web_default\({UID}\) exceeded its memory", killed.message)
    assert (killed.warning, killed.source, backing_off.warning, backing_off.source) == (True, "kubelet") * 2


def test_what_was_killed_is_remembered_when_its_pod_is_gone(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(memory="1Gi", uses={"memory": "2Gi"})).wait(10)
    assert only(made.delete("Deployment", "web").wait(1000), "BackOff").count == 2


def test_events_come_in_order_of_time(cluster: Make, node: Make, manifest: Make) -> None:
    made = cluster(node("a")).apply(manifest(memory="1Gi", uses={"memory": "2Gi"})).wait(100)
    times = [event.time_s for event in made.apply(manifest(name="other")).plane.events]
    assert times == sorted(times)


def test_nothing_is_recorded_unless_events_are_asked_for(node: Make, manifest: Make) -> None:
    plane = ControlPlane([node("a")])
    plane.apply(read_object(manifest("Pod", memory="1Gi", uses={"memory": "2Gi"}), {}))
    plane.advance(1000)
    assert plane.events == []
