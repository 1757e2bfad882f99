"""What a real control plane decides about ten scenarios, and what the engine does."""

from __future__ import annotations

import json
from itertools import islice, permutations
from pathlib import Path
from typing import Any

from planes import run

from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.scenarios import generate_scenarios
from infra.proof.control_plane.plane import Plane

COUNT, KINDS = 10, ("single", "multi", "scale", "podcap", "quantities")
SEED = 22
"""Which controller is first to create the pods of a step's objects is a race: it must decide nothing here."""


def counts(outcomes: list[dict[str, Any]]) -> list[dict[str, tuple[int, int]]]:
    return [{name: (each["ready"], each["pending"]) for name, each in one["workloads"].items()} for one in outcomes]


def test_the_order_of_a_steps_objects_decides_nothing_in_the_ten_scenarios() -> None:
    for scenario in generate_scenarios(COUNT, SEED, KINDS):
        nodes = [node.model_dump(exclude_none=True) for node in scenario.nodes]
        orders = zip(*(islice(permutations(step), 24) for step in scenario.steps), strict=False)
        found = [counts(simulated_outcomes(nodes, [list(step) for step in each])) for each in orders]
        assert all(each == found[0] for each in found), scenario.id


def test_ten_recorded_scenarios_are_what_the_engine_decides(
    plane: Plane, free: None, no_other_node: None, tmp_path: Path
) -> None:
    file = tmp_path / "truth.jsonl"
    which = [word for kind in KINDS for word in ("--kind", kind)] + ["--count", str(COUNT), "--seed", str(SEED)]
    done = run(plane.kubeconfig, "truth", "record", "--to", str(file), *which)
    assert done.returncode == 0, done.stderr
    assert len(file.read_text().splitlines()) >= COUNT
    judged = run(plane.kubeconfig, "fidelity", str(file), "--json")
    report = json.loads(judged.stdout)
    assert (report["all"]["n"] >= COUNT, report["all"]["counts_percent"]) == (True, 100.0), report["disagreements"]
