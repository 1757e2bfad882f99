"""`sim-arena evaluate --suite fleet`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.ppo.agent import PPO
from agents.spaces import fleet


@pytest.fixture(autouse=True)
def few_problems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A suite of four problems, rules that are tuned on two, and a cache of its own."""
    monkeypatch.setattr("runner.evaluation.fleet_suite.OF_SUITE", 4)
    monkeypatch.setattr("runner.evaluation.fleet_suite.TUNED_ON", 2)
    monkeypatch.setattr("runner.evaluation.fleet._ANNEALED", 200)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_everybody_has_a_row_and_nobody_is_below_the_bound(cli: Any) -> None:
    document = json.loads(cli("evaluate", "--suite", "fleet", "--json").out)
    nodes = {row["agent"]: row["nodes"]["value"] for row in document["evaluation"]}
    assert (document["suite"], document["version"], document["variant"], document["problems"]) == (
        "fleet",
        1,
        "small",
        4,
    )
    assert {"as it is", "VPA", "VPA without margin", "random walk, 60", "annealing", "best known"} <= {*nodes}
    assert min(nodes, key=nodes.__getitem__) in ("bound", "best known", "annealing")
    assert nodes["bound"] <= nodes["best known"] == min(v for name, v in nodes.items() if name != "bound")
    assert 0 <= document["proven"] <= 1


def test_a_table_says_what_replays_it_took(cli: Any) -> None:
    out = cli("evaluate", "--suite", "fleet").out
    assert "above best known %" in out
    assert "hill climbing, 1000" in out
    assert "suite" in out


def test_a_model_has_rows_of_its_likeliest_and_of_drawn_actions(cli: Any) -> None:
    PPO(seed=0, spaces=fleet("small")).save(Path("mine.pt"))
    document = json.loads(cli("evaluate", "--env", "fleet", "--agent", "mine.pt", "--json").out)
    replays = {row["agent"]: row["replays"] for row in document["evaluation"] if row["agent"].startswith("mine.pt")}
    assert replays == {"mine.pt, 8": 8, "mine.pt, 60": 60, "mine.pt, drawn, 8": 8, "mine.pt, drawn, 60": 60}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scenarios", "5"), "--scenarios: is not of --suite fleet"),
        (("--problem", "cpu"), "--problem: is not of --suite fleet"),
        (("--kappa", "3"), "--kappa: is not of --suite fleet"),
        (("--variant", "memory"), "variant 'memory': unknown"),
        (("--agent", "heuristic"), "--agent heuristic: no file of a model"),
    ],
)
def test_what_does_not_fit_is_refused(cli: Any, arguments: tuple[str, ...], message: str) -> None:
    result = cli("evaluate", "--suite", "fleet", *arguments)
    assert result.code == 2
    assert message in result.err
