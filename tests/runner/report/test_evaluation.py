"""The page of an evaluation: any of the documents that `sim-arena evaluate --json` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from env.errors import ConfigError
from runner.report.evaluation import evaluation_page
from runner.report.page import Bars, Commands, Page, Table


def page_of(tmp_path: Path, document: object) -> Page:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(document))
    return evaluation_page(path, "Made by a test.")


def row(problem: str, solved: float, **more: Any) -> dict[str, Any]:
    return {"problem": problem, "n": 50, "solved_rate": solved, "solved_rate_interval": [solved - 0.1, solved], **more}


CLUSTER = {
    "suite": "standard",
    "sha256": "ab" * 32,
    "steps": 100,
    "reward": "shaped",
    "agents": {
        "default model": [row("cpu", 1.0, mean_steps_ratio=1.0), row("memory", 0.9), row("all", 0.95)],
        "optimum": [row("cpu", 1.0, mean_steps_ratio=1.0), row("memory", 1.0), row("all", 1.0)],
    },
}


EVALUATE = "sim-arena evaluate --suite standard --steps 100 --reward shaped"


def test_the_verdict_is_the_first_ones_share_and_names_who_is_better(tmp_path: Path) -> None:
    assert page_of(tmp_path, CLUSTER).verdict == (
        "default model: solved 95.0 (85.0 to 95.0) % on 50 problems; of 2 who play, better: optimum."
    )


def test_kinds_of_problems_are_bars_with_intervals(tmp_path: Path) -> None:
    _, by_kind, again = page_of(tmp_path, CLUSTER).sections
    solved, steps = (part for part in by_kind.parts if isinstance(part, Bars))
    assert solved.groups == ["cpu", "memory"]
    assert solved.series["default model"] == [100.0, 90.0]
    assert solved.intervals["optimum"] == ([90.0, 90.0], [100.0, 100.0])
    assert steps.title == "Steps over optimum by kind of problem"
    assert again.parts[0] == Commands("Command", [f"{EVALUATE} --json"])


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (
            {"evaluation": [{"agent": "VPA", "kind": "all", "n": 9, "cost": {"value": 1.5, "low": 1.4, "high": 1.6}}]},
            "VPA: cost of a window 1.50 (1.40 to 1.60) windows at the typical peak on 9 problems.",
        ),
        (
            {
                "suite": "fleet",
                "evaluation": [
                    {"agent": "a rule", "replays": None, "n": 5, "nodes": {"value": 6.0}, "best": {"value": 0.2}},
                    {"agent": "planner", "replays": 9, "n": 5, "nodes": {"value": 5.5}, "best": {"value": 0.8}},
                ],
            },
            "a rule: nodes 6 on average on 5 problems; of 2 who play, better: planner.",
        ),
        (
            {
                "environment": "SimArena/Doctor-v0",
                "evaluation": [{"agent": "a", "problems": "held out", "episodes": 4, "solved_rate": {"value": 0.5}}],
            },
            "a: solved 50.0 % on 4 problems.",
        ),
    ],
)
def test_seasons_fleets_and_doctors_have_pages_too(tmp_path: Path, document: object, verdict: str) -> None:
    page = page_of(tmp_path, document)
    assert page.verdict == verdict
    assert isinstance(page.sections[0].parts[0], Table)


@pytest.mark.parametrize(
    "document", [{}, [], {"agents": {"a": 5}}, {"agents": {"a": [{"n": 1e999}]}}, {"evaluation": [3]}, "text"]
)
def test_what_is_no_evaluation_is_refused(tmp_path: Path, document: object) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.json"):
        page_of(tmp_path, document)
