"""`sim-arena evaluate`: what it plays by default, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.kinds import POLICY_NAMES, make_agent
from env.problems.scenario import fingerprint
from runner.evaluation.suite import standard

FEW = ("--scenarios", "6", "--steps", "20")


def test_it_measures_every_agent_on_every_problem(cli: Any) -> None:
    result = cli("evaluate", "--agent", "heuristic", "--agent", "noop", *FEW, "--json")
    document = json.loads(result.out)
    assert result.code == 0
    assert document["agents"]["heuristic"][-1]["solved_rate"] == 1.0
    assert document["agents"]["heuristic"][-1]["median_steps_ratio_interval"] == [1.0, 1.0]
    assert document["agents"]["noop"][-1]["solved_rate"] < 1.0
    assert document["suite"] is None
    assert document["confidence"] == 0.95


def test_it_prints_a_table_with_intervals(cli: Any) -> None:
    out = cli("evaluate", "--agent", "heuristic", "--problem", "cpu", "--scenarios", "2").out
    assert "100.0 (34.2–100.0)" in out
    assert "1.00 (1.00–1.00)" in out


def test_the_standard_suite_is_what_is_played_unless_told_otherwise(cli: Any) -> None:
    named = cli("evaluate", "--agent", "heuristic", "--suite", "standard", "--json").out
    assert cli("evaluate", "--agent", "heuristic", "--json").out == named
    document = json.loads(named)
    assert (document["suite"], document["scenarios"]) == ("standard", 1000)
    assert document["sha256"] == fingerprint(standard())
    assert [row["problem"] for row in document["agents"]["heuristic"]] == [
        "combined", "cpu", "memory", "over-allocation", "replica-deficit", "all",
    ]  # fmt: skip


def test_a_folder_of_traces_is_measured_the_same_way(cli: Any, trace: Path) -> None:
    document = json.loads(
        cli("evaluate", "--agent", "heuristic", "--agent", "optimum", "--trace", str(trace.parent), "--json").out
    )
    assert (document["scenarios"], document["suite"]) == (1, None)
    assert document["agents"]["heuristic"] == document["agents"]["optimum"]


def test_agents_are_names_or_checkpoints(cli: Any, tmp_path: Path) -> None:
    make_agent("greedy", seed=0).save(tmp_path / "table.json")
    arguments = ("--agent", "table.json", "--agent", "noop", "--agent", "optimum", *FEW, "--json")
    assert list(json.loads(cli("evaluate", *arguments).out)["agents"]) == ["table.json", "noop", "optimum"]


def test_the_baselines_are_all_policies_and_the_optimum(cli: Any) -> None:
    document = json.loads(cli("evaluate", "--baselines", *FEW, "--json").out)
    assert list(document["agents"]) == [*POLICY_NAMES, "optimum"]


def test_a_name_that_has_weights_of_its_own_comes_with_the_baselines_if_asked(cli: Any) -> None:
    document = json.loads(cli("evaluate", "--agent", "greedy", "--baselines", *FEW, "--json").out)
    assert list(document["agents"]) == ["greedy", *POLICY_NAMES, "optimum"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--agent", "random", "--trace", "empty"], "holds no .msgpack"),
        (["--agent", "random", "--suite", "standrad"], "did you mean 'standard'"),
        (["--agent", "random", "--suite", "standard", "--scenarios", "3"], "--scenarios 3"),
        (["--agent", "random", "--suite", "standard", "--problem", "cpu"], "--problem cpu"),
        (["--agent", "random", "--suite", "standard", "--trace", "here"], "--suite standard"),
        (["--agent", "random", "--problem", "cpu", "--trace", "here"], "--problem cpu"),
        (["--agent", "nowhere.pt"], "nowhere.pt"),
        (["--agent", "dnq"], "did you mean 'dqn'"),
        (["--agent", "random", "--target", "3"], "--target: needs --trace"),
        (["--agent", "random", "--reward", "shapd"], "did you mean 'shaped'"),
    ],
)
def test_a_mistake_is_one_line(cli: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    result = cli("evaluate", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_the_suite_of_rooms_is_played_by_its_name_and_kept_for_the_next_time(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = cli("evaluate", "--agent", "noop", "--suite", "rooms", "--json").out
    document = json.loads(first)
    assert (document["suite"], document["scenarios"]) == ("rooms", 360)
    assert document["agents"]["noop"][-1]["broken_rate"] is not None
    (kept,) = (tmp_path / "cache").rglob("*.replays")
    assert cli("evaluate", "--agent", "noop", "--suite", "rooms", "--json").out == first
    assert list((tmp_path / "cache").rglob("*.replays")) == [kept]
