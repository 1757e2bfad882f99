"""The API server takes what `sim-arena suggest` prints; SimKube finds nothing wrong with the traces that we write."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planes import deployment, one_a_node, scenario

from agents.kinds import make_agent
from env.problems.draw import PROBLEMS
from env.problems.generate import generate_scenario
from env.problems.scenario import Scenario, edited_trace
from env.simkube.traces import replayed_trace
from env.trace.document import Manifest, upgrade_trace
from env.workload import Resources, workload_ref
from infra.proof.control_plane.network import inside
from infra.proof.control_plane.plane import Plane
from runner.suggest.kustomization import Change, files, write
from runner.suggest.patch import last_manifest, patch_command
from runner.suggest.suggestion import SuggestionEnd, suggest

DATA = os.environ.get("SIM_ARENA_DATA")
RECORDED = sorted((Path(DATA) / "traces").rglob("*.*")) if DATA else []


def with_limits(manifest: Manifest, **limits: str) -> Manifest:
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] = limits
    return manifest


def cases() -> Iterator[Any]:
    for problem in PROBLEMS:
        for seed in range(3):
            yield pytest.param(generate_scenario(problem, seed), id=f"{problem}-{seed}")
    side = [{"name": "log", "image": "log:1", "resources": {"requests": {"cpu": "100m"}}}]
    shapes = {
        "guaranteed": with_limits(deployment(cpu="17", memory="33Gi"), cpu="17", memory="33Gi"),
        "starved": with_limits(deployment(cpu="200m", demand={"cpu": "700m"}), cpu="300m"),
        "oom-killed": with_limits(deployment(memory="256Mi", demand={"memory": "2Gi"}), memory="256Mi"),
        "init-container": deployment(cpu="17", template={"initContainers": side}),
        "too-few": deployment(1),
    }
    for name, manifest in shapes.items():
        yield pytest.param(scenario([manifest]), id=name)


@pytest.mark.parametrize("wanted", list(cases()))
def test_the_api_server_takes_a_patch(plane: Plane, wanted: Scenario) -> None:
    found = suggest(wanted, make_agent("heuristic", seed=0), 100)
    if found.ending is SuggestionEnd.HEALTHY:
        pytest.skip("nothing to mend in this one")
    assert found.patch is not None
    before, used = (
        last_manifest(wanted.trace, wanted),
        last_manifest(edited_trace(wanted, found.after.resources), wanted),
    )
    before["spec"]["paused"] = True  # so that it gets no pods
    plane.kubectl("apply", "-f", "-", given=json.dumps(before))
    try:
        command = f"{patch_command(wanted.workload, found.patch)} --dry-run=server -o json"
        line = inside(plane.name, "sh", "-c", command)
        done = subprocess.run(line, env=plane.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        after = json.loads(done.stdout)
        plane.kubectl("apply", "--dry-run=server", "-f", "-", given=json.dumps({**used, "status": {}}))
    finally:
        plane.kubectl("delete", "-f", "-", given=json.dumps(before))
    asked = [
        {c["name"]: c.get("resources") for c in each["spec"]["template"]["spec"]["containers"]}
        for each in (after, used)
    ]
    assert asked[0] == asked[1]
    assert after["spec"]["replicas"] == found.after.resources.replicas


def written() -> Iterator[Any]:
    """Traces as they are generated, upgraded, edited, and handed to a driver."""
    for problem in PROBLEMS:
        made = generate_scenario(problem, 3)
        yield pytest.param(made.trace.to_bytes(), id=f"generated-{problem}")
        yield pytest.param(edited_trace(made, Resources(500, 2**30, 2)).to_bytes(), id=f"edited-{problem}")
        yield pytest.param(replayed_trace(made, None).to_bytes(), id=f"replayed-{problem}")
    yield pytest.param(
        replayed_trace(scenario([deployment(template=one_a_node())]), None).to_bytes(), id="replayed-web"
    )
    for path in RECORDED:
        upgraded = upgrade_trace(path.read_bytes(), path.name)
        yield pytest.param(upgraded.to_bytes(), id=f"upgraded-{path.name}")


@pytest.mark.parametrize("trace", list(written()))
def test_simkube_finds_nothing_wrong_with_a_trace_that_we_write(plane: Plane, trace: bytes, tmp_path: Path) -> None:
    file = tmp_path / "web.sktrace"
    file.write_bytes(trace)
    done = subprocess.run([plane.programs / "bin" / "skctl", "validate", "check", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    findings = [line for line in done.stdout.splitlines() if " (E" in line]  # it exits with 0 also where it finds some
    assert findings == []


def test_a_folder_of_fields_is_merged_into_what_runs(plane: Plane, tmp_path: Path) -> None:
    given = deployment(cpu="17")
    given["spec"]["paused"] = True  # so that it gets no pods
    given["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "SIZE", "value": "1e3"}]
    ref, name = workload_ref(given), given["spec"]["template"]["spec"]["containers"][0]["name"]
    assert ref is not None
    container = {"name": name, "resources": {"requests": {"cpu": "16"}}}
    write(tmp_path, files([Change(ref, {"spec": {"template": {"spec": {"containers": [container]}}}})], {}))
    plane.kubectl("apply", "-f", "-", given=json.dumps(given))
    try:
        options = ("--server-side", "--force-conflicts", "--dry-run=server", "-o", "json")
        merged = json.loads(plane.kubectl("apply", "-k", str(tmp_path), *options))
    finally:
        plane.kubectl("delete", "-f", "-", given=json.dumps(given))
    (after,) = merged["spec"]["template"]["spec"]["containers"]
    assert after["resources"]["requests"]["cpu"] == "16"
    assert after["env"] == [{"name": "SIZE", "value": "1e3"}]
