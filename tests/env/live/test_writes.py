"""What a doctor changes on a real cluster: only what is wrong, allowed, accepted by the API server, and confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fake_api import FakeApi
from live_objects import Ward, crashing, running

from env.doctor.actions import WRITES
from env.doctor.actions import DoctorAction as A
from env.errors import ClusterError
from env.live.cluster import LiveCluster, LiveStep
from env.live.plan import Change

Open = Callable[..., LiveCluster]
ALL = {"allowed": frozenset(WRITES), "confirm": lambda action, changes: True}


def writes(fake: FakeApi) -> list[tuple[str, str]]:
    return [(method, path) for method, path in fake.requests if method != "GET"]


def outcomes(step: LiveStep) -> list[tuple[str, str]]:
    return [(each.change.said.partition(";")[0], each.outcome) for each in step.written]


def names(fake: FakeApi, plural: str) -> list[str]:
    return [o["metadata"]["name"] for o in fake.all(plural)]


def test_without_permission_a_write_is_proposed_with_its_command_and_not_offered_again(
    fake: FakeApi, ward: Ward, examined: Open
) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    assert cluster.mask[A.UNCORDON_NODE]
    step = cluster.step(A.UNCORDON_NODE)
    assert outcomes(step) == [("uncordon node node-2", "proposed")]
    assert step.written[0].change.command == ("kubectl", "uncordon", "node-2")
    assert not cluster.mask[A.UNCORDON_NODE]
    assert writes(fake) == []


def test_a_write_is_tried_by_the_api_server_then_confirmed_then_done(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    asked: list[tuple[A, Sequence[Change]]] = []

    def confirm(action: A, changes: Sequence[Change]) -> bool:
        asked.append((action, changes))
        assert (fake.get("nodes", "node-2") or {})["spec"]["unschedulable"]  # the dry run changed nothing
        return True

    cluster = examined(allowed=frozenset({A.UNCORDON_NODE}), confirm=confirm)
    assert outcomes(cluster.step(A.UNCORDON_NODE)) == [("uncordon node node-2", "done")]
    assert [path for _, path in writes(fake)] == ["/api/v1/nodes/node-2?dryRun=All", "/api/v1/nodes/node-2"]
    assert [(action, len(changes)) for action, changes in asked] == [(A.UNCORDON_NODE, 1)]
    assert cluster.is_over


def test_what_is_not_confirmed_is_not_done(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined(allowed=frozenset(WRITES), confirm=lambda action, changes: False)
    assert outcomes(cluster.step(A.UNCORDON_NODE)) == [("uncordon node node-2", "declined")]
    assert (fake.get("nodes", "node-2") or {})["spec"]["unschedulable"]


def test_a_dry_run_asks_nobody_and_changes_nothing(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)

    def confirm(action: A, changes: Sequence[Change]) -> bool:
        raise AssertionError("asked")

    cluster = examined(allowed=frozenset(WRITES), dry_run=True, confirm=confirm)
    assert outcomes(cluster.step(A.UNCORDON_NODE)) == [("uncordon node node-2", "would be done")]
    assert [path for _, path in writes(fake)] == ["/api/v1/nodes/node-2?dryRun=All"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_refusal_is_told_and_does_not_end_the_run(fake: FakeApi, ward: Ward, examined: Open, times: int) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined(**ALL)
    fake.fail(403, method="PATCH", path="dryRun" if times == 1 else r"node-2$")
    (written,) = cluster.step(A.UNCORDON_NODE).written
    assert (written.outcome, "403 Forbidden" in written.why) == ("refused", True)
    cluster.step(A.GET_NODES)


def test_failed_pods_are_deleted_if_something_makes_others_and_once_only(
    fake: FakeApi, ward: Ward, examined: Open
) -> None:
    ward.deployment("web", crashing(), running())
    ward.pod("alone", crashing())
    cluster = examined(**ALL)
    step = cluster.step(A.RESTART_FAILED_PODS)
    assert outcomes(step) == [("delete pod default/web-5d4f8c7b9-00000", "done")]
    assert "default/alone has no controller that would make another" in step.because
    assert names(fake, "pods") == ["alone", "web-5d4f8c7b9-00001"]
    ward.deployment("web", crashing(), running())
    cluster.step(A.GET_PODS)
    assert not cluster.mask[A.RESTART_FAILED_PODS]


def test_a_pod_that_was_replaced_meanwhile_is_not_deleted(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", crashing())

    def replaced(action: A, changes: Sequence[Change]) -> bool:
        ward.deployment("web", running())
        return True

    cluster = examined(allowed=frozenset(WRITES), confirm=replaced)
    (written,) = cluster.step(A.RESTART_FAILED_PODS).written
    assert (written.outcome, "precondition" in written.why) == ("refused", True)


def test_a_drain_cordons_and_evicts_so_that_disruption_budgets_hold(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", ready=False)
    ward.deployment("web", running("node-2"), running("node-1"))
    ward.deployment("db", running("node-2"))
    ward.pod(
        "agent", running("node-2"), owners=[{"kind": "DaemonSet", "name": "agent", "uid": "u", "controller": True}]
    )
    budget: dict[str, Any] = {"spec": {"selector": {"matchLabels": {"app": "db"}}}, "status": {"disruptionsAllowed": 0}}
    ward._put("policy/v1", "PodDisruptionBudget", "db", "default", **budget)
    cluster = examined(**ALL)
    step = cluster.step(A.DRAIN_NODE)
    assert sorted(outcomes(step)) == [
        ("cordon node node-2", "done"),
        ("evict pod default/db-5d4f8c7b9-00000", "refused"),
        ("evict pod default/web-5d4f8c7b9-00000", "done"),
    ]
    assert "disruption budget" in next(each.why for each in step.written if each.outcome == "refused")
    assert names(fake, "pods") == ["agent", "db-5d4f8c7b9-00000", "web-5d4f8c7b9-00001"]
    assert not any(method == "DELETE" for method, _ in writes(fake))


def test_a_node_that_cannot_be_cordoned_is_not_drained(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", ready=False)
    ward.deployment("web", running("node-2"))
    fake.fail(403, method="PATCH")
    assert outcomes(examined(**ALL).step(A.DRAIN_NODE)) == [("cordon node node-2", "refused")]
    assert names(fake, "pods") == ["web-5d4f8c7b9-00000"]


def test_a_healthy_node_is_never_drained(ward: Ward, examined: Open) -> None:
    ward.deployment("web", running(), crashing())
    cluster = examined(**ALL)
    assert not cluster.mask[A.DRAIN_NODE]
    assert cluster.step(A.DRAIN_NODE).because == "no node that is NotReady or cordoned has pods to move"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"volumes": [{"name": "d", "emptyDir": {}}]}, "would lose the data of its emptyDir"),
        ({}, "has no controller that would make another"),
    ],
)
def test_a_drain_that_would_lose_something_is_refused(
    ward: Ward, examined: Open, change: dict[str, Any], why: str
) -> None:
    ward.node("node-2", cordoned=True)
    pod = running("node-2")
    pod["spec"] |= change
    owner = {"kind": "ReplicaSet", "name": "x-1", "uid": "u", "controller": True}
    ward.pod("one", pod, owners=[owner] if change else [])
    step = examined(**ALL).step(A.DRAIN_NODE)
    assert (step.written, why in step.because) == ((), True)


def test_kube_system_is_left_alone_unless_it_is_named(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("dns", crashing(), namespace="kube-system")
    step = examined(**ALL).step(A.RESTART_FAILED_PODS)
    assert (step.written, "is in a namespace that is not to be changed" in step.because) == ((), True)
    step = examined("kube-system", **ALL).step(A.RESTART_FAILED_PODS)
    assert outcomes(step) == [("delete pod kube-system/dns-5d4f8c7b9-00000", "done")]


@pytest.mark.parametrize(
    ("action", "use", "replicas", "after"),
    [
        (A.SCALE_UP_DEPLOYMENT, "300m", 2, 4),
        (A.SCALE_UP_DEPLOYMENT, "110m", 2, 3),
        (A.SCALE_DOWN_DEPLOYMENT, "5m", 9, 5),
    ],
)
def test_a_deployment_is_scaled_as_in_the_simulation(
    fake: FakeApi, ward: Ward, examined: Open, action: A, use: str, replicas: int, after: int
) -> None:
    ward.deployment("web", *[running()] * replicas)
    ward.measure({"node-1": ("1", "1Gi")}, {f"web-5d4f8c7b9-{i:05}": (use, "1Mi") for i in range(replicas)})
    step = examined(**ALL).step(action)
    assert [each.outcome for each in step.written] == ["done"]
    assert (fake.get("deployments", "web", "default") or {})["spec"]["replicas"] == after
    assert step.written[0].change.command[-3:] == (
        "deployment/web", f"--replicas={after}", f"--current-replicas={replicas}"
    )  # fmt: skip


def test_a_deployment_that_was_scaled_meanwhile_is_left(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.deployment("web", running(), running())
    ward.measure({"node-1": ("1", "1Gi")}, {f"web-5d4f8c7b9-{i:05}": ("200m", "1Mi") for i in range(2)})

    def scaled(action: A, changes: Sequence[Change]) -> bool:
        ward.deployment("web", running(), running(), replicas=7)
        return True

    (written,) = examined(allowed=frozenset(WRITES), confirm=scaled).step(A.SCALE_UP_DEPLOYMENT).written
    assert (written.outcome, written.why) == ("refused", "it is gone or has other than 2 replicas by now")


def test_without_metrics_nothing_is_scaled(ward: Ward, examined: Open) -> None:
    ward.deployment("web", crashing())
    cluster = examined(**ALL)
    assert cluster.step(A.SCALE_UP_DEPLOYMENT).because == "what pods use is not known"
    assert not cluster.mask[A.SCALE_UP_DEPLOYMENT]


def test_a_wait_ends_the_run_once_all_is_known_and_all_was_tried(ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    cluster.step(A.WAIT)
    assert not cluster.is_over
    cluster.step(A.GET_NODES)
    cluster.step(A.WAIT)
    assert not cluster.is_over  # it could be uncordoned
    cluster.step(A.UNCORDON_NODE)
    cluster.step(A.WAIT)
    assert cluster.is_over


def test_changes_are_told_one_by_one_also_where_the_cluster_cannot_be_read_afterwards(
    fake: FakeApi, ward: Ward, examined: Open
) -> None:
    ward.node("node-2", cordoned=True)
    told: list[tuple[A, str]] = []
    cluster = examined(**ALL, tell=lambda action, written: told.append((action, str(written.outcome))))
    fake.fail(500, method="GET")
    with pytest.raises(ClusterError):
        cluster.step(A.UNCORDON_NODE)
    assert told == [(A.UNCORDON_NODE, "done")]


def test_a_write_that_is_not_answered_is_told_as_not_known(fake: FakeApi, ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    fake.fail(method="PATCH", path="node-2$", cut=True)
    (written,) = examined(**ALL).step(A.UNCORDON_NODE).written
    assert (written.outcome, "no answer" in written.why) == ("not known", True)
