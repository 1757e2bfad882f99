"""What a plane without SimKube decides, recorded and compared with the engine: `make test-cluster-long`.

Recordings make nodes of their own. Those of SimKube would take DaemonSets that tolerate everything, and their kubelet
stands in for no other program.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from planes import run

from env.kube.client import KubeApi
from env.kube.paths import path_of
from env.simkube import paths
from infra.proof.control_plane.plane import Plane

DATA = os.environ.get("SIM_ARENA_DATA")

pytestmark = [
    pytest.mark.skipif(os.environ.get("SIM_ARENA_PLANE_LONG") != "1", reason="takes long: make test-cluster-long"),
]
recorded = pytest.mark.skipif(DATA is None, reason="needs recorded scenarios")


@pytest.fixture
def bare(api: KubeApi) -> None:
    """A plane that was started with `--bare`."""
    if api.get(path_of(paths.NAMESPACES, paths.CONTROLLER_NAMESPACE)) is not None:
        pytest.skip("needs a plane without SimKube: make test-cluster-long")


def agreement(plane: Plane, file: Path) -> dict[str, Any]:
    judged: dict[str, Any] = json.loads(run(plane.kubeconfig, "fidelity", str(file), "--json").stdout)
    return judged


def test_200_fresh_scenarios_are_what_the_engine_decides(plane: Plane, bare: None, tmp_path: Path) -> None:
    file = tmp_path / "truth.jsonl"
    seed = int.from_bytes(os.urandom(3))
    done = run(plane.kubeconfig, "truth", "record", "--to", str(file), "--count", "200", "--seed", str(seed))
    assert done.returncode == 0, done.stderr
    found = agreement(plane, file)
    assert found["missed"] == [], (seed, found["disagreements"])


@recorded
def test_workloads_of_public_projects_are_decided_as_when_they_were_recorded(
    plane: Plane, bare: None, tmp_path: Path
) -> None:
    file, before = tmp_path / "truth.jsonl", Path(str(DATA)) / "scheduler-truth/manifests.jsonl"
    done = run(plane.kubeconfig, "truth", "record", "--to", str(file), "--scenarios", str(before), "--json")
    assert done.stdout, done.stderr
    # That a CronJob is due within the next minutes is so at every hour.
    assert {each for each in json.loads(done.stdout)["unrecorded"].values() if "CronJob" not in each} == set()
    assert abs(agreement(plane, file)["all"]["counts_percent"] - agreement(plane, before)["all"]["counts_percent"]) < 5
