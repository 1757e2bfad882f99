"""A trace that asks for what an agent came to: what `--to` of `step` and `episode` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from env.problems.scenario import Scenario
    from runner.episode import StepRecord


def save_trace(path: Path, scenario: Scenario, record: StepRecord) -> None:
    """Write the scenario's trace with the resources that the step of `record` led to."""
    from agents.saved.files import write_atomic
    from env.problems.scenario import edited_trace
    from env.quantity import parse_cpu, parse_memory
    from env.workload import Resources

    asked = record["after"]["resources"]
    resources = Resources(parse_cpu(asked["cpu"]), parse_memory(asked["memory"]), asked["replicas"])
    write_atomic(path, edited_trace(scenario, resources).to_bytes())
