"""Nodes that cannot take pods: an error that says so, before a replay and after it, and never pods without room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_api import FakeApi
from world import World, node

from env.errors import ClusterError
from env.kube.client import KubeApi
from env.kube.paths import path_of
from env.problems.scenario import Scenario
from env.simkube import paths
from env.simkube.cluster import SimKubeCluster

Manifest = dict[str, Any]
Break = Callable[[FakeApi, KubeApi], None]
VIRTUAL_2 = path_of(paths.NODES, "virtual-2")
QUICK = {"start_timeout_s": 20, "settle_timeout_s": 30, "settle_s": 5}


def stopped(fake: FakeApi, kube: KubeApi) -> None:
    """KWOK does not run: the node controller gives up on its nodes."""
    conditions = [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]
    kube.patch(f"{VIRTUAL_2}/status", {"status": {"conditions": conditions}})


def cordoned(fake: FakeApi, kube: KubeApi) -> None:
    kube.patch(VIRTUAL_2, {"spec": {"unschedulable": True}})


def tainted(fake: FakeApi, kube: KubeApi) -> None:
    taints = [*node("virtual-2")["spec"]["taints"], {"key": "gpu", "effect": "NoExecute"}]
    kube.patch(VIRTUAL_2, {"spec": {"taints": taints}})


def gone(fake: FakeApi, kube: KubeApi) -> None:
    kube.delete(VIRTUAL_2)


def new(fake: FakeApi, kube: KubeApi) -> None:
    fake.put({**(fake.get("nodes", "virtual-1") or {}), "metadata": node("virtual-4")["metadata"]})


def occupied(fake: FakeApi, kube: KubeApi) -> None:
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
    fake.put({**pod, "spec": {"nodeName": "virtual-2"}, "status": {"phase": "Running"}})


BROKEN = [
    pytest.param(stopped, r"not within \d+ s; last seen: node virtual-2 is not Ready; is KWOK running\?", id="stopped"),
    pytest.param(cordoned, r"node virtual-2 is cordoned; kubectl uncordon virtual-2", id="cordoned"),
    pytest.param(tainted, r"node virtual-2 has a taint gpu: .*; kubectl taint node virtual-2 gpu-", id="tainted"),
    pytest.param(occupied, r"node virtual-2 is occupied by pod shop/web, not of the simulation", id="occupied"),
]
CHANGED = [
    pytest.param(gone, r"the virtual nodes changed during the replay: node virtual-2 is gone", id="gone"),
    pytest.param(new, r"the virtual nodes changed during the replay: node virtual-4 is new", id="new"),
]


@pytest.mark.parametrize(("break_", "message"), BROKEN)
def test_no_replay_begins_on_nodes_that_cannot_take_its_pods(
    fake: FakeApi,
    kube: KubeApi,
    cluster: Callable[..., SimKubeCluster],
    scenario: Callable[..., Scenario],
    deployment: Callable[..., Manifest],
    break_: Break,
    message: str,
) -> None:
    simkube = cluster(**QUICK)
    break_(fake, kube)
    with pytest.raises(ClusterError, match=message):
        simkube.observe(scenario([deployment()], []), None)
    assert ("POST", paths.SIMULATIONS) not in fake.requests
    simkube.close()


@pytest.mark.parametrize("replicas", [pytest.param(3, id="all pods Ready"), pytest.param(20, id="some refused")])
@pytest.mark.parametrize(("break_", "message"), [*BROKEN, *CHANGED])
def test_nothing_is_observed_on_nodes_that_broke_during_the_replay(
    fake: FakeApi,
    kube: KubeApi,
    world: World,
    cluster: Callable[..., SimKubeCluster],
    scenario: Callable[..., Scenario],
    deployment: Callable[..., Manifest],
    break_: Break,
    message: str,
    replicas: int,
) -> None:
    turn = world.turn

    def turn_and_break() -> None:
        turn()
        if fake.all("replicasets") and not broken:
            break_(fake, kube)
            broken.append(True)

    broken: list[bool] = []
    world.turn = turn_and_break  # type: ignore[method-assign]
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=message):
        simkube.observe(scenario([deployment(replicas, "2")], []), None)
    assert broken
    simkube.close()


def test_a_node_that_is_not_ready_for_a_moment_is_waited_for(
    kube: KubeApi,
    fake: FakeApi,
    world: World,
    cluster: Callable[..., SimKubeCluster],
    scenario: Callable[..., Scenario],
    deployment: Callable[..., Manifest],
) -> None:
    ready = (fake.get("nodes", "virtual-2") or {})["status"]
    stopped(fake, kube)
    turn = world.turn

    def turn_and_mend() -> None:
        turn()
        if world.turns == 3:
            kube.patch(f"{VIRTUAL_2}/status", {"status": ready})

    world.turn = turn_and_mend  # type: ignore[method-assign]
    simkube = cluster(**QUICK)
    assert simkube.observe(scenario([deployment()], []), None).ready == 3
    simkube.close()
