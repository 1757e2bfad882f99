"""The engine against what a real Kubernetes 1.36 control plane decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from env.fidelity.comparison import comparisons
from env.fidelity.engine_outcomes import simulated_outcomes
from env.fidelity.figures import Tally, single_draws
from env.fidelity.truth import RecordedOutcome, RecordedScenario, read_truth


def agreement(path: Path) -> Tally:
    if not path.exists():
        pytest.skip(f"no {path.name} in SIM_ARENA_DATA")

    def simulate(scenario: RecordedScenario, draw: int | None) -> list[RecordedOutcome]:
        nodes = [node.model_dump(exclude_unset=True) for node in scenario.nodes]
        return [RecordedOutcome.model_validate(each) for each in simulated_outcomes(nodes, scenario.steps, draw)]

    return single_draws(row for scenario in read_truth(path) for row in comparisons([scenario], simulate))


@pytest.mark.parametrize(("aspect", "goal"), [("counts", 99), ("spread", 97), ("messages", 95)])
def test_agrees_with_scenarios_of_all_kinds(aspect: str, goal: float, data: Path) -> None:
    found = agreement(data / "scheduler-truth/dev.jsonl").percent(aspect)
    assert found is not None
    assert found >= goal


def test_agrees_with_a_whole_recorded_trace_on_how_many_pods_run(data: Path) -> None:
    found = agreement(data / "scheduler-truth/recorded.jsonl").percent("counts")
    assert found is not None
    assert found >= 99


def test_agrees_on_gpus_ephemeral_storage_huge_pages_and_beta_labels() -> None:
    found = agreement(Path(__file__).parents[3] / "docs/samples/truth.jsonl")
    assert [found.percent(aspect) for aspect in ("counts", "spread", "messages")] == [100, 100, 100]
