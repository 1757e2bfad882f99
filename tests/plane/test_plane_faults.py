"""What goes wrong around a step ends with one line that says so, or is survived; never with a wrong observation."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from planes import SETTINGS, deployment, one_a_node, scenario, simulation_running, start

from env.errors import ClusterError
from env.kube.client import KubeApi
from env.observation import Observation
from env.simkube.cluster import SimKubeCluster
from infra.proof.control_plane.plane import Plane

MakeCluster = Callable[..., SimKubeCluster]


def at(stage: str, act: Callable[[], object]) -> Callable[[str], None]:
    """For `say`: act once, when a step gets to a stage."""
    acted: list[str] = []

    def say(line: str) -> None:
        if stage in line and not acted:
            acted.append(line)
            act()

    return say


def test_kwok_that_stops_during_a_step_ends_it(plane: Plane, cluster: MakeCluster) -> None:
    paused = plane.paused("kwok-controller")
    simkube = cluster(at("waiting for its driver", paused.__enter__), settle_timeout_s=80)
    try:
        with pytest.raises(ClusterError, match=r"KWOK|Ready"):
            simkube.observe(scenario([deployment(5)], target=5), None)
    finally:
        paused.__exit__(None, None, None)


def test_a_node_that_is_cordoned_during_a_step_ends_it(plane: Plane, cluster: MakeCluster) -> None:
    wanted = scenario([deployment(3, template=one_a_node())])
    cordon = at("waiting for its driver", lambda: plane.kubectl("cordon", "virtual-1"))
    try:
        with pytest.raises(ClusterError, match=r"virtual-1.*cordon"):
            cluster(cordon).observe(wanted, None)
    finally:
        plane.kubectl("uncordon", "virtual-1")


def test_a_step_survives_the_death_of_sk_ctrl(plane: Plane, cluster: MakeCluster) -> None:
    kill = at("waiting for its driver", lambda: os.kill(plane.process_id("sk-ctrl"), signal.SIGKILL))
    assert cluster(kill).observe(scenario([deployment()]), None).ready == 3


def test_two_steps_at_once_are_both_right(cluster: MakeCluster) -> None:
    found: dict[int, Observation] = {}

    def step(replicas: int) -> None:
        found[replicas] = cluster().observe(scenario([deployment(replicas)], target=replicas), None)

    threads = [threading.Thread(target=step, args=(replicas,)) for replicas in (2, 4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {replicas: each.ready for replicas, each in found.items()} == {2: 2, 4: 4}


def test_a_step_after_kill_9_waits_until_the_leftover_is_gone(
    plane: Plane, api: KubeApi, cluster: MakeCluster, tmp_path: Path
) -> None:
    wanted = scenario([deployment()])
    trace = tmp_path / "web.sktrace"
    trace.write_bytes(wanted.trace.to_bytes())
    settings = {**SETTINGS, "replay_slack_s": 30, "settle_timeout_s": 30}
    options = [word for name, value in settings.items() for word in ("--simkube", f"{name}={value}".lower())]
    where = ["--cluster", "simkube", "--trace-dir", f"{plane.data}:{plane.data}"]
    killed = start(plane.kubeconfig, "step", "--trace", str(trace), *where, *options)
    try:
        simulation_running(api)
    finally:
        killed.kill()
        killed.wait()
    assert cluster().observe(wanted, None).ready == 3
