"""The same episode on the embedded cluster and on a real control plane."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from planes import deployment, one_a_node, run, scenario

from env.embedded.cluster import EmbeddedCluster
from env.problems.generate import generate_scenario
from env.problems.nodes import NodePool
from env.simkube.cluster import SimKubeCluster
from env.workload import Resources
from infra.proof.control_plane.plane import Plane


@pytest.mark.parametrize(("problem", "seed"), [("cpu", 7), ("combined", 7)])
def test_an_episode_equals_the_embedded_one_step_by_step(
    plane: Plane, nodes: Callable[[NodePool], None], problem: str, seed: int
) -> None:
    (pool,) = generate_scenario(problem, seed).nodes.pools
    nodes(pool)
    arguments = ["episode", "--problem", problem, "--seed", str(seed), "--steps", "2", "--json"]
    embedded = run(plane.kubeconfig, *arguments)
    where = ["--cluster", "simkube", "--trace-dir", f"{plane.data}:{plane.data}", "--simkube", "speed=20"]
    real = run(plane.kubeconfig, *arguments, *where)
    assert real.stderr.count("ready") > 1, real.stderr
    assert real.returncode == embedded.returncode
    expected, found = json.loads(embedded.stdout), json.loads(real.stdout)
    for each in (expected, found, *expected["records"], *found["records"]):
        each.pop("why", None)  # the scheduler's text counts the drivers' node, too
    assert found == expected


def test_a_rollout_that_waits_is_observed_at_its_end(cluster: Callable[..., SimKubeCluster]) -> None:
    first = deployment(3, "500m", minReadySeconds=15)
    wanted = scenario([first], [deployment(3, "600m", minReadySeconds=15)], apart_s=2)
    assert cluster().observe(wanted, None) == EmbeddedCluster().observe(wanted, None)


def test_pods_that_may_not_share_a_node_are_spread(cluster: Callable[..., SimKubeCluster]) -> None:
    wanted = scenario([deployment(5, template=one_a_node())], target=5)
    found = cluster().observe(wanted, None)
    assert (found.ready, found.pending, found.refused_otherwise) == (3, 2, 3)
    assert found == EmbeddedCluster().observe(wanted, None)


def test_only_virtual_nodes_are_counted_among_those_that_refuse_a_pod(cluster: Callable[..., SimKubeCluster]) -> None:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["virtual-1", "virtual-2"]}
    required = {"nodeSelectorTerms": [{"matchExpressions": [here]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    found = cluster().observe(scenario([deployment(3, "9", template={"affinity": affinity})]), None)
    assert (found.ready, found.pending) == (2, 1)
    assert (found.insufficient_cpu, found.refused_otherwise) == (2, 1)


def test_pods_that_are_oom_killed_end_again_and_again_until_they_get_memory(
    cluster: Callable[..., SimKubeCluster],
) -> None:
    wanted = scenario([deployment(memory="256Mi", demand={"memory": "300Mi"})])
    simkube = cluster(settle_s=15)
    found = simkube.observe(wanted, None)
    assert (found.ready, found.oom_killed) == (0, 3)
    for pod in simkube.objects(wanted, None).pods("default"):
        (status,) = pod["status"]["containerStatuses"]
        assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert status["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert status["restartCount"] > 0
    assert simkube.observe(wanted, Resources(500, 512 * 1024**2, 3)).ready == 3


def test_pods_that_are_short_of_cpu_run_and_are_never_ready_until_they_get_it(
    cluster: Callable[..., SimKubeCluster],
) -> None:
    wanted = scenario([deployment(cpu="200m", demand={"cpu": "400m"})])
    simkube = cluster()
    found = simkube.observe(wanted, None)
    assert (found.ready, found.cpu_starved) == (0, 3)
    for pod in simkube.objects(wanted, None).pods("default"):
        (status,) = pod["status"]["containerStatuses"]
        assert (pod["status"]["phase"], status["ready"], "running" in status["state"]) == ("Running", False, True)
    assert simkube.observe(wanted, Resources(500, 512 * 1024**2, 3)).ready == 3
