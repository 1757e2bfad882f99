from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from planes import run

from env.kube.client import KubeApi
from env.kube.paths import path_of
from infra.proof.control_plane.plane import Plane

STAGE = path_of("/apis/kwok.x-k8s.io/v1alpha1/stages", "sim-arena-pod-oom-killed")


def checks(plane: Plane, *arguments: str) -> dict[str, dict[str, Any]]:
    done = run(plane.kubeconfig, "doctor", "--json", "--trace-dir", f"{plane.data}:{plane.data}", *arguments)
    found: dict[str, dict[str, Any]] = {each.pop("check"): each for each in json.loads(done.stdout)["checks"]}
    assert done.returncode == int(any(each["level"] == "fail" for each in found.values()))
    return found


@pytest.fixture
def worker_cordoned(plane: Plane) -> Iterator[None]:
    plane.kubectl("cordon", "virtual-2")
    yield
    plane.kubectl("uncordon", "virtual-2")


def test_a_plane_is_ready(plane: Plane, free: None) -> None:
    assert {name: each["level"] for name, each in checks(plane).items() if each["level"] != "ok"} == {}


@pytest.fixture
def stage_missing(api: KubeApi) -> Iterator[None]:
    stage = api.get(STAGE)
    assert stage is not None
    api.delete(STAGE)
    yield
    if api.get(STAGE) is None:
        del stage["metadata"]["resourceVersion"]
        api.create("/apis/kwok.x-k8s.io/v1alpha1/stages", stage)


def test_a_stage_that_is_missing_is_named_and_made(plane: Plane, api: KubeApi, free: None, stage_missing: None) -> None:
    assert "sim-arena-pod-oom-killed" in checks(plane)["KWOK's Stages"]["said"]
    assert checks(plane, "--fix")["KWOK's Stages"]["level"] == "ok"
    assert api.get(STAGE) is not None


def test_a_cordoned_node_is_named_with_the_command_that_uncordons_it(
    plane: Plane, free: None, worker_cordoned: None
) -> None:
    line = checks(plane)["virtual nodes"]
    assert line["level"] == "fail"
    assert "kubectl uncordon virtual-2" in json.dumps(line)
