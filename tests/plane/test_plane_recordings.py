"""What a real control plane decides about ten scenarios, and what the engine does."""

from __future__ import annotations

import json
from pathlib import Path

from planes import run

from infra.proof.control_plane.plane import Plane


def test_ten_recorded_scenarios_are_what_the_engine_decides(
    plane: Plane, free: None, no_other_node: None, tmp_path: Path
) -> None:
    file = tmp_path / "truth.jsonl"
    kinds = [word for kind in ("single", "multi", "scale", "podcap", "quantities") for word in ("--kind", kind)]
    done = run(plane.kubeconfig, "truth", "record", "--to", str(file), "--count", "10", *kinds)
    assert done.returncode == 0, done.stderr
    assert len(file.read_text().splitlines()) >= 10
    judged = run(plane.kubeconfig, "fidelity", str(file), "--json")
    report = json.loads(judged.stdout)
    assert (report["all"]["n"] >= 10, report["all"]["counts_percent"]) == (True, 100.0), report["disagreements"]
