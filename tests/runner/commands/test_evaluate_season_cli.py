"""`sim-arena evaluate --suite season`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.kinds import make_agent
from agents.spaces import season
from env.season.series import generated
from env.season.variants import VARIANTS


@pytest.fixture(autouse=True)
def few_workloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of four workloads, and rules that are tuned on two."""
    monkeypatch.setattr("runner.evaluation.season_suite.OF_SUITE", 4)
    monkeypatch.setattr("runner.evaluation.season_suite.TUNED_ON", 2)


@pytest.fixture
def model(tmp_path: Path) -> str:
    make_agent("ppo", seed=0, spaces=season()).save(tmp_path / "model.pt")
    return str(tmp_path / "model.pt")


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Three series of five samples a window, in some unit."""
    peaks = generated(VARIANTS["memory"], range(3), "flat")[0].peaks.repeat(5, axis=1) / 1000
    rows = [f"pod-{i},{60 * at},{use}" for i, series in enumerate(peaks) for at, use in enumerate(series)]
    path = tmp_path / "use.csv"
    path.write_text("\n".join(["pod,seconds,use", *rows]) + "\n")
    return str(path)


def test_models_rules_and_bounds_play_the_suite(cli: Any, model: str) -> None:
    result = cli("evaluate", "--suite", "season", "--kind", "flat", "--agent", model, "--json")
    assert result.code == 0
    document = json.loads(result.out)
    agents = [row["agent"] for row in document["evaluation"] if row["kind"] == "all"]
    assert agents[:4] == [model, "noop", "VPA", "KRR"]
    assert agents[-3:] == ["inferring", "informed", "clairvoyant"]
    assert document["best_tuned_rule"] in agents
    assert [document["gap_closed"][bound][bound] for bound in agents[-3:]] == [1.0, 1.0, 1.0]
    assert {document[name] for name in ("suite", "version", "variant", "kappa", "kind")} >= {"season", 2, "memory", 4.0}
    assert len(document["sha256"]) == 64


def test_the_trained_model_plays_where_nobody_is_named(cli: Any, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.default_model.season_model_path", lambda: Path(model))
    named = ("evaluate", "--suite", "season", "--kind", "flat", "--json")
    rows = [
        json.loads(cli(*named, *more).out)["evaluation"][0]["agent"]
        for more in ((), ("--no-baselines",), ("--baselines",))
    ]
    assert rows == ["default model", "default model", "noop"]


def test_a_table_says_how_everybody_does_of_each_kind(cli: Any, model: str) -> None:
    out = cli("evaluate", "--suite", "season", "--no-baselines", "--agent", model, "--kappa", "12").out
    assert "above informed %" in out
    assert "kappa      12.000" in out
    assert "VPA" not in out
    assert "of the gap" not in out


@pytest.mark.parametrize("of", ["suite", "series"])
def test_a_picture_shows_workloads_and_costs(cli: Any, tmp_path: Path, file: str, of: str) -> None:
    given = ("--suite", "season", "--kind", "flat") if of == "suite" else ("--series", file)
    picture = tmp_path / "season.png"
    assert cli("evaluate", *given, "--baselines", "--to", str(picture)).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_series_of_a_file_are_played_beside_the_best_rule_in_hindsight(cli: Any, file: str) -> None:
    document = json.loads(cli("evaluate", "--series", file, "--json").out)
    agents = [row["agent"] for row in document["evaluation"]]
    assert any(agent.startswith("best in hindsight: ") for agent in agents)
    assert (document["yardstick"], document["workloads"], document["skipped"]) == ("clairvoyant", 3, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suite", "season", "--scenarios", "5"), "--scenarios: is not of --suite season"),
        (("--suite", "season", "--problem", "cpu"), "--problem: is not of --suite season"),
        (("--suite", "rooms", "--series", "x.csv"), "--suite rooms: cannot be had together with --series"),
        (("--suite", "season", "--agent", "heuristic"), "--agent heuristic: no such file"),
        (("--suite", "season", "--variant", "disk"), "variant 'disk': unknown"),
        (("--suite", "season", "--kind", "dally"), "kind 'dally': unknown; did you mean 'daily'"),
        (("--series", "none.csv"), "series file none.csv: cannot be read"),
        (("--kappa", "3"), "--kappa: is of --suite season"),
    ],
)
def test_what_does_not_fit_is_refused(cli: Any, arguments: tuple[str, ...], message: str) -> None:
    result = cli("evaluate", *arguments)
    assert result.code == 2
    assert message in result.err
