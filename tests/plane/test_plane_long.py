"""What takes long: `make test-cluster-long`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from planes import deployment, run, scenario, simulation_running, start

from env.embedded.cluster import EmbeddedCluster
from env.kube.client import KubeApi
from env.problems.scenario import scenario_from_trace
from env.simkube.cluster import SimKubeCluster
from env.trace.document import load_trace
from infra.proof.control_plane.plane import Plane

DATA = os.environ.get("SIM_ARENA_DATA")

pytestmark = [
    pytest.mark.skipif(os.environ.get("SIM_ARENA_PLANE_LONG") != "1", reason="takes long: make test-cluster-long"),
]
recorded = pytest.mark.skipif(DATA is None, reason="needs recorded traces")


def data(name: str) -> Path:
    assert DATA is not None
    return Path(DATA) / name


@recorded
def test_a_recorded_application_of_27_deployments_ends_as_on_the_embedded_cluster(
    cluster: Callable[..., SimKubeCluster],
) -> None:
    trace = load_trace(data("traces/dsb-scaling.sktrace"))
    wanted = scenario_from_trace(trace, name="dsb-scaling", deploy="nginx-thrift")
    found = cluster(speed=20).observe(wanted, None)
    assert found == EmbeddedCluster().observe(wanted, None)


def test_a_worker_that_is_killed_during_a_step_is_replaced(
    plane: Plane, api: KubeApi, free: None, bucket_name: str, tmp_path: Path
) -> None:
    trace = tmp_path / "web.sktrace"
    trace.write_bytes(scenario([deployment(4, "6")], target=4).trace.to_bytes())
    bucket = ["--bucket", bucket_name]
    work = ["--trace", str(trace), "--agent", "heuristic", "--episodes", "1", "--steps", "2"]
    submitted = run(plane.kubeconfig, "submit", *bucket, *work, name="dispatch")
    assert submitted.returncode == 0, submitted.stderr
    where = ["--cluster", "simkube", "--trace-dir", f"{plane.data}:{plane.data}", "--simkube", "any_nodes=true"]
    quick = ["--simkube", "replay_slack_s=30", "--simkube", "settle_timeout_s=30", "--lease-ttl", "10"]
    killed = start(plane.kubeconfig, *bucket, "--run-once", *where, *quick, name="worker")
    try:
        simulation_running(api)
    finally:
        killed.kill()
        killed.wait()
    nothing_to_do = 3  # until the killed one's lease is over
    for _ in range(60):
        done = run(plane.kubeconfig, *bucket, *where, *quick, "--run-once", name="worker")
        if done.returncode != nothing_to_do:
            break
    assert done.returncode == 0, done.stderr
