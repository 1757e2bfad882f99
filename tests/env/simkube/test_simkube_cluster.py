"""SimKube behind `env.cluster.Cluster`: what is observed, and what an observation waits for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from world import World

from env.demand import DEMAND_ANNOTATION
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.kube.client import KubeApi
from env.kube.paths import path_of, within
from env.problems.nodes import NodePool, NodePools, equal_nodes
from env.problems.scenario import Scenario
from env.quantity import GIB, MIB
from env.simkube import gates, paths
from env.simkube.cluster import SimKubeCluster
from env.workload import Resources

Manifest = dict[str, Any]
MakeCluster = Callable[..., SimKubeCluster]
MakeScenario = Callable[..., Scenario]
MakeDeployment = Callable[..., Manifest]

QUICK = {"start_timeout_s": 20, "replay_slack_s": 20, "settle_timeout_s": 30, "reset_timeout_s": 30}


@pytest.mark.parametrize(
    ("replicas", "cpu", "memory"),
    [
        pytest.param(3, "500m", "512Mi", id="all ready"),
        pytest.param(7, "2", "512Mi", id="too little CPU for the last"),
        pytest.param(5, "3", "3Gi", id="too little of both for some"),
        pytest.param(2, "1", "9Gi", id="too big for any node"),
        pytest.param(0, "1", "1Gi", id="none asked for"),
    ],
)
def test_an_observation_is_that_of_the_embedded_cluster(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment, replicas: int, cpu: str, memory: str
) -> None:
    problem = scenario([deployment(replicas, cpu, memory)], [])
    simkube = cluster()
    assert simkube.observe(problem, None) == EmbeddedCluster().observe(problem, None)
    simkube.close()


def test_what_an_agent_asks_for_is_what_is_replayed(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    problem = scenario([deployment(7, "2", "512Mi")], [deployment(8, "2", "512Mi")])
    asked = Resources(cpu_m=1_000, memory_bytes=256 * MIB, replicas=4)
    simkube = cluster()
    seen = simkube.observe(problem, asked)
    assert seen == EmbeddedCluster().observe(problem, asked)
    assert (seen.ready, seen.resources) == (4, asked)
    simkube.close()


def test_only_the_duration_of_the_scenario_is_replayed(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    problem = scenario([deployment(2)], [deployment(5)], duration_s=10)
    simkube = cluster()
    assert simkube.observe(problem, None).ready == 2
    simkube.close()


def test_refused_pods_are_given_time_to_find_room(
    cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    world.room_after = 8
    simkube = cluster(settle_s=10)
    assert simkube.observe(scenario([deployment(3)], []), None).ready == 3
    world.room_after = 1_000
    if not world.around.scheduler:
        assert simkube.observe(scenario([deployment(3)], []), None).pending == 3
    simkube.close()


def test_a_workload_that_uses_more_memory_than_it_may_is_seen_oom_killed(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    demand = {DEMAND_ANNOTATION: '{"web": {"cpu": "2", "memory": "1Gi"}}'}
    problem = scenario([deployment(3, "500m", "512Mi", annotations=demand)], [])
    simkube = cluster(settle_s=3)
    seen = simkube.observe(problem, None)
    assert (seen.ready, seen.pending, seen.oom_killed, seen.cpu_starved) == (0, 0, 3, 0)
    seen = simkube.observe(problem, Resources(500, GIB, 3))
    assert (seen.ready, seen.oom_killed, seen.cpu_starved) == (0, 0, 3)
    seen = simkube.observe(problem, Resources(2_000, GIB, 3))
    assert (seen.ready, seen.oom_killed, seen.cpu_starved) == (3, 0, 0)
    simkube.close()


def test_a_cluster_whose_kwok_knows_no_verdicts_is_refused(
    cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    world.kwok_knows_verdicts = False
    demand = {DEMAND_ANNOTATION: '{"web": {"memory": "1Gi"}}'}
    simkube = cluster()
    with pytest.raises(ClusterError, match=r"is Ready, but must be oom-killed: KWOK lacks the Stages of sim-arena"):
        simkube.observe(scenario([deployment(1, annotations=demand)], []), None)
    simkube.close()


def test_nothing_is_left_behind_at_the_end(
    cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment, tmp_path: Path
) -> None:
    problem = scenario([deployment()], [])
    simkube = cluster()
    for asked in (None, Resources(500, 512 * MIB, 2), None):
        simkube.observe(problem, asked)
    simkube.close()
    assert world.rest() == []
    assert list((tmp_path / "node").iterdir()) == []


def test_a_trace_without_the_workload_is_an_error_and_not_an_empty_observation(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=r"no Deployment default/web at the end of the replay"):
        simkube.observe(scenario([deployment(name="other")], []), None)
    simkube.close()


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("driver", r"driver: not within 20 s; last seen: the simulation is Running; pod sk-arena-.*-driver-x7k2p .*"),
        ("running", r"end of the replay: not within 30 s; last seen: the simulation is Running, no namespace virt"),
        ("applied", r"settled pods: not within 30 s; last seen: the Deployment controller has seen generation 0 of 1"),
        ("pods", r"settled pods: not within 30 s; last seen: 3 of 3 pods undecided: pod web-.* not yet tried by the"),
    ],
)
def test_a_wait_ends_at_its_deadline_and_says_what_was_seen(
    cluster: MakeCluster,
    world: World,
    scenario: MakeScenario,
    deployment: MakeDeployment,
    until: str,
    message: str,
) -> None:
    if world.around.controllers or world.around.scheduler:
        pytest.skip("this server's own controllers go on")
    world.until = until
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=message):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()
    assert world.rest() == []


def test_a_driver_that_cannot_start_is_quoted(
    cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    status = {"name": "driver", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    world.driver_status = {"phase": "Pending", "containerStatuses": [{**status, "state": {"waiting": waiting}}]}
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=r"driver: not within 20 s; .*ImagePullBackOff no such image"):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()


def test_a_driver_that_fails_ends_the_wait_at_once_with_its_last_error(
    fake: FakeApi, cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    ended = {"exitCode": 1, "reason": "Error"}
    status = {"name": "driver", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    world.driver_status = {"phase": "Failed", "containerStatuses": [{**status, "state": {"terminated": ended}}]}
    world.driver_log = "INFO reading the trace\n ERROR driver failed\n\nMissing pod spec path for v1.ConfigMap\n"
    simkube = cluster()
    with pytest.raises(
        ClusterError, match=r"Failed before .*: the driver ended with exit code 1 Error: Missing pod spec path for v1.C"
    ):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()
    assert fake.all("pods") == []  # what the error says can be looked up nowhere else


def test_a_driver_whose_log_may_not_be_read_is_quoted_by_its_kubelet(
    fake: FakeApi, cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    status = {"name": "driver", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    for message, said in (
        ("could not parse the trace", "could not parse"),
        ("", r"\(its log cannot be read: GET .* 403"),
    ):
        ended = {"exitCode": 1, "reason": "Error", "message": message}
        world.driver_status = {"phase": "Failed", "containerStatuses": [{**status, "state": {"terminated": ended}}]}
        fake.fail(403, path="/log")
        simkube = cluster()
        with pytest.raises(ClusterError, match=f"the driver ended with exit code 1 Error: {said}"):
            simkube.observe(scenario([deployment()], []), None)
        simkube.close()


def test_what_the_driver_said_last_is_told_when_nothing_is_replayed(
    fake: FakeApi, cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    world.until = "running"
    world.driver_log = "Z INFO retry.rs: Encountered transport error, backing off for 0.1 seconds\n"
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=r"end of the replay: not within .*; the driver's last words: retry.rs: Enc"):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()


def test_another_simulation_is_waited_for_and_named(
    cluster: MakeCluster, kube: KubeApi, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    leases = within(paths.LEASES, paths.CONTROLLER_NAMESPACE)
    lease = {"metadata": {"name": paths.LEASE}, "spec": {"holderIdentity": "theirs"}}
    kube.create(leases, lease)
    simkube = cluster(**QUICK)
    with pytest.raises(ClusterError, match=r"a free cluster: not within 40 s; .* simulation theirs holds the cluster"):
        simkube.observe(scenario([deployment()], []), None)
    kube.delete(path_of(paths.LEASES, paths.LEASE, paths.CONTROLLER_NAMESPACE))
    assert simkube.observe(scenario([deployment()], []), None).ready == 3
    simkube.close()


def test_a_simulation_that_is_deleted_ends_the_wait(
    cluster: MakeCluster, kube: KubeApi, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    world.until = "running"
    turn = world.turn

    def turn_and_delete() -> None:
        turn()
        if world.turns == 5:
            for simulation in kube.list(paths.SIMULATIONS):
                kube.delete(path_of(paths.SIMULATIONS, simulation["metadata"]["name"]))

    world.turn = turn_and_delete  # type: ignore[method-assign]
    simkube = cluster()
    with pytest.raises(ClusterError, match="another client has deleted it"):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()


def test_ctrl_c_takes_the_simulation_away(
    cluster: MakeCluster, world: World, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    turn = world.turn

    def interrupted() -> None:
        turn()
        if world.turns == 2:
            raise KeyboardInterrupt

    world.turn = interrupted  # type: ignore[method-assign]
    simkube = cluster()
    with pytest.raises(KeyboardInterrupt):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()
    assert world.rest() == []


def test_nodes_that_are_not_the_scenarios_are_refused(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment, pool: NodePool
) -> None:
    problem = scenario([deployment()], [], nodes=NodePools((replace(pool, count=5),)))
    simkube = cluster()
    with pytest.raises(ClusterError, match=r"made for 5 virtual nodes of 4 CPU, 8Gi, 110 pods, the cluster has 3 of 4"):
        simkube.observe(problem, None)
    simkube.close()


def test_nodes_that_are_not_the_scenarios_can_be_accepted(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment, pool: NodePool
) -> None:
    simkube = cluster(any_nodes=True)
    assert simkube.observe(scenario([deployment()], [], nodes=NodePools((replace(pool, count=5),))), None).nodes == 3
    simkube.close()


def test_what_of_the_scenarios_nodes_is_not_used_is_said(
    cluster: MakeCluster,
    scenario: MakeScenario,
    deployment: MakeDeployment,
    pool: NodePool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "env.simkube")
    simkube = cluster()
    for labels in ((), (("a", "b"),)):
        caplog.clear()
        simkube.observe(scenario([deployment()], [], nodes=NodePools((replace(pool, labels=labels),))), None)
        assert ("of its nodes only CPU, memory and pods are compared" in caplog.text) is bool(labels)
    simkube.close()


def test_a_scenario_without_nodes_of_its_own_runs_on_the_clusters(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment
) -> None:
    simkube = cluster()
    assert simkube.observe(scenario([deployment()], [], nodes=equal_nodes()), None).node_cpu_m == 4_000
    simkube.close()


@pytest.mark.parametrize(
    ("image", "driver"),
    [
        ("quay.io/appliedcomputing/sk-ctrl:v2.7.0", "quay.io/appliedcomputing/sk-driver:v2.7.0"),
        ("localhost:5000/sk-ctrl:v2.7.0@sha256:abc", "localhost:5000/sk-driver:v2.7.0"),
        ("sk-ctrl@sha256:abc", None),
    ],
)
def test_the_drivers_image_is_of_the_controllers_version(fake: FakeApi, kube: KubeApi, image: str, driver: str) -> None:
    labels = {"app.kubernetes.io/name": "sk-ctrl"}
    metadata = {"name": "sk-ctrl-depl", "namespace": paths.CONTROLLER_NAMESPACE, "labels": labels}
    spec = {"template": {"spec": {"containers": [{"name": "sk-ctrl", "image": image}]}}}
    fake.put({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    if driver:
        assert gates.driver_image(kube) == driver
    else:
        with pytest.raises(ClusterError, match="known by its digest only: name the driver's image"):
            gates.driver_image(kube)


def recording(path: Path, word: str) -> list[str]:
    """A command that appends a line to a file."""
    return [sys.executable, "-c", f"open({str(path)!r}, 'a').write({word + chr(10)!r})"]


def test_hooks_run_before_and_after_each_episode(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    simkube = cluster(before_episode=[recording(log, "before")], after_episode=[recording(log, "after")])
    problem = scenario([deployment()], [])
    for asked in (None, Resources(500, 512 * MIB, 2), None):
        simkube.observe(problem, asked)
    simkube.close()
    assert log.read_text().split() == ["before", "after", "before", "after"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([sys.executable, "-c", "print('no disk'); exit(3)"], "exit code 3: no disk"),
        (["/no/such/command"], "cannot be started: No such file"),
        (["a\0b"], "cannot be started: embedded null byte"),
        ([sys.executable, "-c", "print('\\033[2J'); exit(1)"], r"exit code 1: \[2J$"),
        (["sleep", "60"], "not done within 0 s"),
    ],
)
def test_a_hook_that_fails_is_quoted(
    cluster: MakeCluster, scenario: MakeScenario, deployment: MakeDeployment, command: list[str], message: str
) -> None:
    simkube = cluster(before_episode=[command], hook_timeout_s=0.1 if command[0] == "sleep" else 60)
    with pytest.raises(ClusterError, match=f"before_episode hook .*{message}"):
        simkube.observe(scenario([deployment()], []), None)
    simkube.close()
