"""Kubelets answer last: what competes for a node meanwhile, and how long deleted pods hold it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from env.engine.control_plane import ControlPlane
from env.engine.manifests.objects import read_object
from env.workload import ObjectRef

Make = Callable[..., Any]

FULL = (
    "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
    "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
)


@pytest.fixture
def small(cluster: Make, node: Make) -> Make:
    """Makes a cluster of one node with 2 CPU."""
    return lambda: cluster(node("a", cpu="2"))


# --- objects of one moment compete ----------------------------------------------------------------------------------


def test_a_stateful_set_makes_its_second_pod_when_the_next_object_is_there(small: Make, manifest: Make) -> None:
    made = small().apply(manifest("StatefulSet", "db", 2), manifest("Deployment", "web", 1))
    assert (made.state("db"), made.state("web")) == ((1, 1, 2), (1, 0, 1))


def test_a_parallel_one_does_not_wait(small: Make, manifest: Make) -> None:
    parallel = manifest("StatefulSet", "db", 2, spec={"podManagementPolicy": "Parallel"})
    made = small().apply(parallel, manifest("Deployment", "web", 1))
    assert (made.state("db"), made.state("web")) == ((2, 0, 2), (0, 1, 1))


def test_jobs_hold_their_nodes_until_kubelets_answer(small: Make, manifest: Make) -> None:
    jobs = [manifest("Job", name, cpu="2", restartPolicy="Never") for name in ("one", "two")]
    made = small().apply(*jobs, manifest("Deployment", "web", 1)).rest()
    assert (made.phases("one"), made.phases("two"), made.state()) == ({"Succeeded": 1}, {"Succeeded": 1}, (1, 0, 1))
    assert made.messages() == [FULL]


def test_a_pod_that_waits_comes_before_the_next_pod_of_a_job(small: Make, manifest: Make) -> None:
    job = manifest("Job", "job", cpu="1500m", spec={"completions": 3}, restartPolicy="Never")
    made = small().apply(job, manifest("Pod", "pod", cpu="1500m")).rest()
    assert (made.phases("job"), made.phases("pod")) == ({"Succeeded": 1, "Pending": 1}, {"Running": 1})


def test_the_next_pod_of_a_stateful_set_comes_before_that_of_a_job(small: Make, manifest: Make) -> None:
    job = manifest("Job", "job", spec={"completions": 2}, restartPolicy="Never")
    made = small().apply(job, manifest("StatefulSet", "db", 2)).rest()
    assert (made.phases("job"), made.state("db")) == ({"Succeeded": 1, "Pending": 1}, (2, 0, 2))


def test_the_scheduler_tries_again_after_each_pod_that_ends(cluster: Make, node: Make, manifest: Make) -> None:
    jobs = [manifest("Job", f"job-{i}", cpu="2", memory="4Gi", restartPolicy="Never") for i in range(4)]
    made = cluster(node("a"), node("b")).apply(*jobs, manifest("Deployment", replicas=1, cpu="2", memory="8Gi"))
    said = [message.partition(". ")[0] for message in made.messages()]
    assert said == [
        "0/2 nodes are available: 1 Insufficient cpu, 2 Insufficient memory",
        "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory",
        "0/2 nodes are available: 2 Insufficient memory",
    ]
    assert made.state() == (1, 0, 1)


@pytest.mark.parametrize(
    ("first", "placed"),
    [("DaemonSet", {"a": 1, "": 1}), ("ReplicaSet", {"a": 1, "": 1}), ("Deployment", {"a": 1, "b": 1})],
)
def test_the_next_object_comes_before_the_second_batch_of_a_set_on_its_own(
    first: str, placed: Any, cluster: Make, node: Make, manifest: Make
) -> None:
    asked = [
        manifest(kind, kind.lower(), 2 if kind != "DaemonSet" else None, cpu="3") for kind in (first, "Deployment")
    ]
    asked[1]["metadata"]["name"] = "next"
    assert cluster(node("a"), node("b")).apply(*asked).placed(first.lower()) == placed


# --- deleted pods ---------------------------------------------------------------------------------------------------


def applied(plane: ControlPlane, *manifests: Any) -> None:
    for each in manifests:
        given = read_object(each, {})
        assert given is not None
        plane.apply(given)


def test_a_deleted_pod_holds_its_node_until_its_kubelet_has_answered(small: Make, manifest: Make) -> None:
    made = small().apply(manifest("Deployment", replicas=1, cpu="2"))
    made.plane.delete("Deployment", ObjectRef("default", "web"))
    applied(made.plane, manifest("Deployment", "next", 1, cpu="2"))
    assert made.placed("next") == {"": 1}
    made.plane.settle()
    assert (made.placed("next"), made.messages()) == ({"a": 1}, [FULL])


@pytest.mark.parametrize("fields", [{"terminationGracePeriodSeconds": 0}, {"nodeSelector": {"no": "where"}}])
def test_one_without_a_grace_period_or_a_node_is_gone_at_once(fields: Any, small: Make, manifest: Make) -> None:
    made = small().apply(manifest("ReplicaSet", replicas=1, **fields))
    (pod,) = made.pods()
    made.plane.delete("ReplicaSet", ObjectRef("default", "web"))
    assert pod.deleted


def test_a_replica_set_replaces_a_pod_that_is_being_deleted(small: Make, manifest: Make) -> None:
    made = small().apply(manifest("ReplicaSet", replicas=1))
    (old,) = made.pods()
    made.plane.api.terminate([old])
    made.plane._act()
    assert (old.leaving, old.deleted, made.state()) == (True, False, (0, 1, 1))
    assert made.placed() == {"a": 1}
    made.plane.settle()
    assert (old.deleted, made.state()) == (True, (1, 0, 1))


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_one_whose_pods_have_a_fixed_place_waits_until_it_is_gone(kind: str, small: Make, manifest: Make) -> None:
    made = small().apply(manifest(kind))
    (old,) = made.pods()
    made.plane.api.terminate([old])
    made.plane._act()
    assert made.pods() == [old]
    made.plane.settle()
    assert (old.deleted, made.state()) == (True, (1, 0, 1))


def test_recreate_waits_until_the_old_pods_are_gone(small: Make, manifest: Make) -> None:
    recreate = {"strategy": {"type": "Recreate"}}
    made = small().apply(manifest(replicas=1, spec=recreate))
    applied(made.plane, manifest(replicas=1, cpu="2", spec=recreate))
    assert made.pods() == []
    made.plane.settle()
    assert made.state() == (1, 0, 1)


def test_a_rollout_with_anti_affinity_waits_for_the_pod_that_leaves(cluster: Make, node: Make, manifest: Make) -> None:
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
    made = cluster(*(node(name) for name in "abcd"))
    made.apply(manifest(replicas=3, affinity=apart)).apply(manifest(replicas=3, cpu="2", affinity=apart))
    assert made.state() == (3, 0, 3)
    assert {pod.template.cpu_m for pod in made.pods()} == {2000}
    assert [message.partition(". ")[0] for message in made.messages()] == [
        "0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules"
    ]


def test_kubelets_may_take_time(node: Make, manifest: Make) -> None:
    plane = ControlPlane([node("a", cpu="2")], kubelet_s=0.5)
    applied(plane, manifest("StatefulSet", "db", 2))
    ready = []
    for half_seconds in range(4):
        plane.advance(half_seconds / 2)
        (workload,) = plane.workloads.values()
        ready.append(sum(pod.ready for pod in workload.pods()))
    assert ready == [0, 1, 2, 2]


def test_a_pod_that_has_preempted_others_waits_until_the_last_of_them_is_gone(
    small: Make, manifest: Make, priority: Make
) -> None:
    high = manifest("Deployment", "high", 1, cpu="2", priorityClassName="high")
    made = small().apply(priority("high", 1000), manifest(replicas=2, cpu="1")).apply(high)
    assert (made.state("high"), made.state("web")) == ((1, 0, 1), (0, 2, 2))
    said = [message.partition("preemption: ")[2] for message in made.messages()]
    assert "not eligible due to a terminating pod on the nominated node." in said
