"""The page of a language model's benchmark, made of the rows in its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.errors import ConfigError
from runner.benchmark.fleet.rows import FleetRow, FleetStep
from runner.benchmark.folder import CONFIG, ROWS, RunConfig
from runner.benchmark.rows import Cost, Outcome, Row, StepRow, Totals, append_rows
from runner.report.benchmark import benchmark_page
from runner.report.html import render
from runner.report.page import Bars, Chart, Table


def row(scenario: str, attempt: int, *, solved: bool = True, agent: str = "llm", kind: str = "cpu") -> Row:
    """One attempt of one step."""
    step = StepRow(
        action=0,
        invalid=False,
        changed=True,
        blocked=False,
        reward=1.0,
        ready=1,
        pending=0,
        total=1,
        cpu="1",
        memory="1Gi",
        replicas=1,
    )
    model = {"provider": "scripted", "model": "test", "prompt_sha256": "a", "max_tool_rounds": 8}
    return Row(
        scenario=scenario,
        scenario_sha256="0" * 64,
        problem_type=kind,
        difficulty="easy",
        least_actions=1,
        twin=None,
        demands=None,
        agent=agent,
        attempt=attempt,
        attempts=2,
        seed=0,
        max_steps=10,
        outcome=Outcome.SOLVED if solved else Outcome.FAILED,
        steps=[step],
        optimum_steps=1,
        episode_return=1.0,
        totals=Totals.of([step]),
        cost=Cost(tokens_in=100, tokens_out=10, dollars=0.5, requests=1) if agent == "llm" else None,
        **(model if agent == "llm" else {}),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = RunConfig(
        provider="scripted",
        model="test",
        scenarios=["cpu-1", "memory-1"],
        stream=0,
        scenarios_sha256="b",
        attempts=2,
        steps=10,
        max_tool_rounds=8,
        max_output_tokens=100,
        seed=0,
        cluster="embedded",
        prompt_sha256="a",
    )
    (tmp_path / CONFIG).write_text(config.model_dump_json())
    return tmp_path


def test_the_page_has_verdict_types_tokens_and_scenarios(folder: Path) -> None:
    rows = [row("cpu-1", 1), row("cpu-1", 2), row("memory-1", 1, kind="memory"), row("memory-1", 2, solved=False)]
    baseline = [row(name, 1, agent="random", solved=False) for name in ("cpu-1",)]
    append_rows(folder / ROWS, [*rows, *baseline])
    page = benchmark_page(folder, "Made by a test.")
    assert page.title == "Benchmark of scripted test"
    assert page.verdict.startswith("scripted test solves 7")
    assert page.verdict.endswith("of 2 attempts at each of 2 scenarios, in 1.00 times the fewest steps possible.")
    bars = next(part for section in page.sections for part in section.parts if isinstance(part, Bars))
    assert list(bars.groups) == ["cpu", "memory"]
    assert list(bars.series) == ["scripted test", "random"]
    tables = {part.title: part for section in page.sections for part in section.parts if isinstance(part, Table)}
    used = {str(each[0]): each[-1] for each in tables["Tokens, requests and dollars"].rows}
    assert (used["tokens in"], used["dollars"]) == (400, 2.0)
    assert [each[0] for each in tables["What the model made of each"].rows] == ["cpu-1", "memory-1"]


def test_what_is_missing_is_told_in_the_verdict(folder: Path) -> None:
    append_rows(folder / ROWS, [row("cpu-1", 1)])
    assert benchmark_page(folder, "").verdict.endswith("1 attempt still missing.")


def test_a_benchmark_without_an_attempt_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no attempt has ended yet"):
        benchmark_page(folder, "")


def fleet_row(scenario: str, agent: str, *nodes: int, best_known: int = 4) -> FleetRow:
    """An attempt with so many nodes after each replay."""
    steps = [FleetStep(replicas=[3, 3, 3], nodes=each) for each in nodes]
    model = {"provider": "scripted", "model": "test", "prompt_sha256": "a", "max_tool_rounds": 8}
    return FleetRow(
        scenario=scenario,
        scenario_sha256="0" * 64,
        problem_type="small",
        services=3,
        best_known=best_known,
        bound=4,
        agent=agent,
        attempt=1,
        attempts=2,
        seed=0,
        max_steps=3,
        outcome=Outcome.SOLVED if min(nodes) <= best_known else Outcome.FAILED,
        steps=steps,
        totals=Totals.of(steps),
        cost=Cost(tokens_in=100, requests=2) if agent == "llm" else None,
        **(model if agent == "llm" else {}),
    )


def test_the_page_of_fleets_has_nodes_by_replay_and_what_is_known(folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**config, "env": "fleet"}))
    rows = [fleet_row("a", "llm", 6, 8, 5), fleet_row("b", "llm", 5, 4), fleet_row("a", "noop", 6)]
    append_rows(folder / ROWS, rows)
    page = benchmark_page(folder, "")
    assert page.verdict.startswith("scripted test needs as few nodes as the best known in 50.0")
    assert page.verdict.endswith("2 attempts still missing.")
    (chart,) = [part for section in page.sections for part in section.parts if isinstance(part, Chart)]
    assert {line.name: (list(line.y), line.style) for line in chart.lines} == {
        "scripted test": ([37.5, 25.0, 12.5], "line"),
        "noop": ([50.0, 50.0, 50.0], "dashed"),
    }
    tables = {part.title: part for section in page.sections for part in section.parts if isinstance(part, Table)}
    assert tables["What the model made of each"].rows[0][:-1] == ["a", "small", 3, 4, 4, 1, 5.0, 0]
    (model, nodes, *_), (noop, *_) = tables["All scenarios"].rows
    assert (model, nodes, noop) == ("scripted test", 4.5, "noop")
    assert "Nodes above the best known, by replay" in render(page)
