"""`sim-arena plan` of the current context, over HTTP: what is read, what the plan is, and what it lacks rights for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from town import Town, container, running

CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Four nodes of 4 CPU and one of the control plane; four workloads of two pods of 500m, and a DaemonSet of 100m."""
    with FakeApi() as api:
        monkeypatch.setenv("KUBECONFIG", str(api.write_kubeconfig(tmp_path / "kubeconfig")))
        town = Town(api, nodes=4)
        town.node("master", taints=[CONTROL_PLANE])
        for number in range(1, 5):
            town.deployment(f"web-{number}", running(f"node-{number}"), running(f"node-{number % 4 + 1}"))
        budget = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web-1"}}}
        town.put("PodDisruptionBudget", "web-1", spec=budget)
        _daemon_set(town)
        yield town


def _daemon_set(town: Town) -> None:
    small = [container("100m", "64Mi")]
    template = {"metadata": {"labels": {"app": "logs"}}, "spec": {"containers": small}}
    town.put("DaemonSet", "logs", spec={"selector": {"matchLabels": {"app": "logs"}}, "template": template})
    for number in range(1, 5):
        pod = running(f"node-{number}")
        pod["spec"]["containers"] = small
        town.pod(f"logs-{number}", pod, owner="DaemonSet/logs", labels={"app": "logs"})


def test_the_fewest_nodes_for_what_runs_there_are_found_by_reading_alone(cli: Any, town: Town) -> None:
    told = cli("plan", "--json")
    found = json.loads(told.out)
    assert told.code == 0
    assert (found["nodes_now"], found["nodes_plan"], found["bound"]) == (4, 2, 2)  # a node holds 7 of 8 pods
    assert found["workloads"] == "4 workloads with 8 pods, and 1 DaemonSet"
    assert found["move"]["is_done"]
    assert len(found["move"]["drained"]) == 2
    assert {method for method, _ in town.api.requests} == {"GET"}


def test_which_cluster_is_read_is_said_and_nodes_of_the_control_plane_stay(cli: Any, town: Town) -> None:
    told = cli("plan")
    assert told.err.startswith("context fake (http://127.0.0.1:")
    assert "2 nodes instead of 4" in told.out
    assert "2 nodes drained node by node, 4 pods evicted; every PodDisruptionBudget is kept" in told.out
    assert "1 node, no part of the plan" in told.out


def test_what_only_nodes_of_the_control_plane_take_stays_there(cli: Any, town: Town) -> None:
    town.node("head", labels={"role": "head"}, taints=[CONTROL_PLANE])
    labels = {"app": "manager"}
    pod = {"containers": [container()], "nodeSelector": {"role": "head"}, "tolerations": [{"operator": "Exists"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    town.put("Deployment", "manager", spec={"selector": {"matchLabels": labels}, "template": template})
    told = cli("plan")
    assert told.code == 0
    assert "2 nodes, no part of the plan, nor what only they take: Deployment shop/manager" in told.out


def test_what_may_not_be_read_is_named_and_budgets_that_are_not_known_are_not_said_to_be_kept(
    cli: Any, town: Town
) -> None:
    town.api.fail(403, path="/poddisruptionbudgets|/cronjobs", times=2)
    told = cli("plan")
    assert told.code == 0
    assert "PodDisruptionBudgets are not known, and all is Ready" in told.out
    assert "CronJob *: not read: GET /apis/batch/v1/cronjobs: 403" in told.out


def test_there_is_no_plan_without_room_for_pods_of_a_kind_that_may_not_be_read(cli: Any, town: Town) -> None:
    town.api.fail(403, path="/statefulsets|/deployments", times=2)
    told = cli("plan")
    assert told.code == 1
    assert "plan  " not in told.out
    assert "a plan needs all that runs, and StatefulSet, Deployment may not be read (GET /apis/apps" in " ".join(
        told.err.split()
    )


def test_nodes_that_may_not_be_read_are_asked_for(cli: Any, town: Town) -> None:
    town.api.fail(403, path="/nodes", times=2)
    assert "has no nodes that can be read; give them with --nodes" in cli("plan").err
    assert "2 nodes instead of 4" in cli("plan", "--nodes", "4x4:8Gi").out


def test_a_cluster_of_a_daemon_set_alone_needs_one_node(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeApi() as api:
        monkeypatch.setenv("KUBECONFIG", str(api.write_kubeconfig(tmp_path / "kubeconfig")))
        _daemon_set(Town(api, nodes=4))
        assert "1 node instead of 4" in cli("plan").out
