"""Scenarios of files: traces and manifests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from env.errors import ConfigError, SimArenaError
from env.picture import OTHER, WAITING
from env.trace.document import Manifest, Trace

ID = "env:SimArena/Cluster-v0"
MANIFEST = """
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: {kind}}}}}
  template:
    metadata: {{labels: {{app: {kind}}}}}
    spec:
      containers: [{{name: web, image: nginx, resources: {{requests: {{cpu: "20", memory: 1Gi}}}}}}]
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text("---".join(MANIFEST.format(kind=kind) for kind in ("Deployment", "DaemonSet")))
    return path


@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
def test_each_workload_of_manifests_is_a_scenario(make: Callable[..., Any], manifests: Path) -> None:
    env = make(ID, filename=manifests)
    targets = [np.ravel(env.reset(seed=0, options={"scenario": number})[1]["target"])[0] for number in range(2)]
    assert sorted(targets) == [1, 3]  # a Deployment's default, and a DaemonSet's pod on each of three nodes


@pytest.mark.parametrize("number", [0, 1])
def test_the_picture_of_each_kind_of_workload_tells_its_pods_from_others(number: int, manifests: Path) -> None:
    env = gymnasium.make(ID, filename=manifests, render_mode="rgb_array")
    _, info = env.reset(seed=0, options={"scenario": number})
    frame: Any = env.render()
    waiting, others = ((frame == colour).all(axis=2).sum() for colour in (WAITING, OTHER))
    assert waiting == 13 * 13 * info["observation"].pending
    assert others == 13 * 13 * (4 - info["observation"].pending)


def test_a_trace_is_a_scenario(
    tmp_path: Path, trace: Callable[..., Trace], deployment: Callable[..., Manifest]
) -> None:
    (tmp_path / "web.sktrace").write_bytes(trace([deployment(cpu="17")]).to_bytes())
    for given in (tmp_path, [str(tmp_path / "web.sktrace")]):
        _, info = gymnasium.make(ID, trace=given).reset(seed=0)
        assert info["scenario"].endswith("web.sktrace")
        assert info["observation"].pending == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trace": "web.yaml"}, "web.yaml: cannot be read"),
        ({"filename": "nowhere"}, "nowhere: cannot be read"),
        ({"trace": []}, "trace: must hold at least one workload"),
        ({"trace": 3}, "trace 3: must be a path, or several"),
        ({"filename": ""}, "filename '': must be a path, or several"),
        ({"trace": "a", "filename": "b"}, "trace and filename: give one of them"),
    ],
)
def test_files_that_hold_no_scenario_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SimArenaError, match=message):
        gymnasium.make(ID, **settings)
    with pytest.raises(SimArenaError, match=message):
        gymnasium.make_vec(ID, **settings)


def test_a_kind_of_problems_and_a_file_do_not_go_together(manifests: Path) -> None:
    with pytest.raises(ConfigError, match="scenarios are given"):
        gymnasium.make(ID, filename=manifests, problem="cpu")
