"""Language models, scripted ones, on fleets: what they score, and that no answer breaks, ends or doubles anything."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.llm.conversation import Reply, Request, Stop, ToolCall
from agents.llm.fleet_answer import read_fleet_answer
from agents.llm.fleet_prompt import FLEET_PROMPT_HASH, Replayed, fleet_prompt, service_names
from agents.llm.model import Model
from agents.llm.providers.scripted import SCRIPTS, Scripted, usage_of
from agents.llm.providers.scripted_fleet import NONSENSE
from agents.ppo.agent import PPO
from agents.ppo.settings import PPOSettings
from agents.spaces import fleet as fleet_spaces
from env.errors import ConfigError, UsageError
from env.fleet.variants import VARIANTS
from runner.benchmark.attempt import Contestant, Rules
from runner.benchmark.budget import Budget
from runner.benchmark.families import FAMILIES
from runner.benchmark.fleet.players import FLEET_PLAYERS, MODEL, check_fleet_model, fleet_player
from runner.benchmark.fleet.rows import FleetRow
from runner.benchmark.fleet.scenarios import TYPES, FleetScenario, fleet_registry
from runner.benchmark.fleet.shown import shown_on, tools_on
from runner.benchmark.folder import BenchmarkFolder, RunConfig
from runner.benchmark.players import LLM
from runner.benchmark.rows import Outcome
from runner.benchmark.run import play_missing, report_of, write_report
from runner.benchmark.scenarios import STREAM, chosen, registry_hash
from runner.evaluation.fleet_suite import fleet_suite, tuning_problems

from .conftest import SETTINGS, price

SMALL = ("small-3-3", "small-3-4")
"""The best known of these is above their bound, and their start above the best known."""
AT_BOUND = "small-4-4"
"""Whose best known is its bound."""
REPLAYS = 4
Open = Callable[[FleetScenario], Model]


def scenarios(names: Sequence[str] = SMALL) -> list[FleetScenario]:
    return chosen(fleet_registry(), names, None)


def new_folder(names: Sequence[str] = SMALL, attempts: int = 1) -> BenchmarkFolder:
    rows = scenarios(names)
    config = RunConfig(
        provider="scripted",
        model="test",
        env="fleet",
        scenarios=[row.name for row in rows],
        stream=STREAM,
        scenarios_sha256=registry_hash(rows),
        attempts=attempts,
        steps=REPLAYS,
        max_tool_rounds=8,
        max_output_tokens=1_000,
        seed=0,
        cluster="embedded",
        prompt_sha256=FLEET_PROMPT_HASH,
    )
    return BenchmarkFolder.create(config, ["sim-arena", "benchmark"])


def play(folder: BenchmarkFolder, model: str | Open = "heuristic", names: Sequence[str] = SMALL) -> None:
    attempts = folder.config().attempts
    opened = (lambda scenario: Scripted("test", SCRIPTS[model])) if isinstance(model, str) else model
    contestant = Contestant(opened, "scripted", "test", SETTINGS, price, "2026-01-01", Budget())
    play_missing(folder, scenarios(names), contestant, Rules(attempts, REPLAYS, 0), 1)


def by_model(folder: BenchmarkFolder) -> list[FleetRow]:
    return [row for row in folder.rows() if isinstance(row, FleetRow) and row.agent == LLM]


def saying(text: str | Callable[[Request], str]) -> Open:
    """A model that answers so, whatever it is asked."""

    def say(request: Request) -> Reply:
        said = text if isinstance(text, str) else text(request)
        return Reply(said, (), usage_of(request, said), "", Stop.END)

    return lambda scenario: Scripted("test", say)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_published_scenarios_never_change() -> None:
    docs = Path(__file__).parents[3] / "docs" / "llm-benchmark.md"
    found = registry_hash(fleet_registry())
    assert found in docs.read_text()
    assert found == "6528ea066cfb8bcd0ed06f67aeebf05b85371984599d4c720599643eea31869d"


def test_no_scenario_is_of_the_suite_or_of_what_rules_are_tuned_on() -> None:
    there = {problem.tobytes() for name in TYPES for problem in fleet_suite(VARIANTS[name])}
    there |= {problem.tobytes() for name in TYPES for problem in tuning_problems(VARIANTS[name])}
    own = {row.problems[0].tobytes() for row in fleet_registry()}
    assert len(own) == len(fleet_registry()) == len({row.sha256 for row in fleet_registry()})
    assert not own & there


def test_the_best_known_is_within_its_bound_and_replicas_reach_it() -> None:
    for row in fleet_registry():
        assert row.bound <= row.best_known
        waiting = shown_on(row.problem, row.solution, row.best_known)
        assert (sum(waiting.waiting), waiting.others) == (0, 0)
        assert row.services == len(row.solution)


def test_a_model_that_knows_the_best_needs_as_few_and_the_others_play_beside_it() -> None:
    names = (*SMALL, AT_BOUND)
    folder = new_folder(names)
    play(folder, FAMILIES["fleet"].solver, names)
    found = report_of(folder)["agents"]
    assert list(found) == [LLM, *FLEET_PLAYERS]
    assert found[LLM]["metrics"]["above_best_known"]["value"] == 0.0
    assert found[LLM]["metrics"]["pass_at_1"]["value"] == 1.0
    assert found["noop"]["metrics"]["above_best_known"]["value"] > 0.0
    assert found["planner"]["metrics"]["nodes"]["value"] <= found["noop"]["metrics"]["nodes"]["value"]
    for row in by_model(folder):
        assert row.steps[0].replicas == scenarios([row.scenario])[0].problem.start[: row.services].tolist()
        assert len(row.steps) == (2 if row.scenario == AT_BOUND else REPLAYS), "nothing is left to be found"


@pytest.mark.parametrize("model", ["nonsense", "silent"])
def test_a_model_that_cannot_be_read_has_what_doing_nothing_has(model: str) -> None:
    folder = new_folder()
    play(folder, model)
    for row in by_model(folder):
        assert row.totals.invalid_actions + row.totals.blocked_actions == len(row.steps) - 1 > 0
        assert {step.nodes for step in row.steps} == {row.steps[0].nodes}
    found = report_of(folder)["agents"]
    assert found[LLM]["metrics"]["nodes"] == found["noop"]["metrics"]["nodes"]


@pytest.mark.parametrize("text", NONSENSE)
def test_nothing_is_made_of_nonsense(text: str) -> None:
    (scenario,) = scenarios(SMALL[:1])
    asked = read_fleet_answer(text, service_names(scenario.problem)).replicas
    assert asked is None or max(asked.values()) > 30 or min(asked.values()) < 1


def test_replicas_that_are_not_allowed_are_refused_and_the_model_is_told() -> None:
    seen: list[str] = []

    def greedy(request: Request) -> str:
        seen.append(request.turns[0].text)
        return json.dumps({"replicas": {"service-0": 31}})

    folder = new_folder(SMALL[:1])
    play(folder, saying(greedy), SMALL[:1])
    (row,) = by_model(folder)
    assert (row.totals.invalid_actions, row.totals.blocked_actions) == (0, REPLAYS - 1)
    assert "your answer was refused (service-0 may have" in seen[1]


def test_a_lazy_model_that_changes_nothing_is_read_and_gains_nothing() -> None:
    folder = new_folder(SMALL[:1])
    play(folder, saying('{"reasoning": "fine as it is", "replicas": {}}'), SMALL[:1])
    (row,) = by_model(folder)
    assert (row.totals.invalid_actions, row.totals.blocked_actions, row.outcome) == (0, 0, Outcome.FAILED)
    assert len({tuple(step.replicas) for step in row.steps}) == 1


def test_a_model_that_calls_tools_out_of_turn_and_without_end_is_cut_off() -> None:
    """It calls what there is not, what changes things, and a tool when its answer is due."""
    names = ("set_replicas", "get_nodes", "delete_node")

    def call(request: Request) -> Reply:
        made = [ToolCall(f"call-{number}", name, {"service": "x"}) for number, name in enumerate(names)]
        return Reply("", tuple(made), usage_of(request, ""), "", Stop.TOOLS)

    folder = new_folder(SMALL[:1])
    play(folder, lambda scenario: Scripted("test", call), SMALL[:1])
    (row,) = by_model(folder)
    asked = row.steps[1:]
    assert all(step.invalid and step.tool_rounds == 8 and step.tool_calls == step.tool_errors == 24 for step in asked)
    assert row.nodes == row.steps[0].nodes


def test_the_tools_show_the_cluster_that_the_prompt_speaks_of() -> None:
    """Replayed in the engine: as many nodes, and as many pods of each service wait."""
    (scenario,) = scenarios(SMALL[:1])
    problem, start = scenario.problem, tuple(scenario.problem.start[: scenario.services].tolist())
    shown = shown_on(problem, start, scenario.best_known)
    assert sum(shown.waiting) > 0
    tools = tools_on(problem, start, scenario.best_known)
    assert tools.call(ToolCall("1", "get_nodes", {})).text.startswith(f"{scenario.best_known} nodes")
    for name, replicas, waiting in zip(service_names(problem), start, shown.waiting, strict=True):
        found = tools.call(ToolCall("2", "describe_deployment", {"namespace": "default", "deploy": name}))
        ready = replicas - waiting
        assert f"{replicas} desired, {replicas} current, {replicas} updated, {ready} ready" in found.text
    unknown = tools.call(ToolCall("3", "describe_deployment", {"namespace": "default", "deploy": "service-99"}))
    assert unknown.is_error


def test_a_model_can_look_at_everything_before_it_answers() -> None:
    folder = new_folder(SMALL[:1])
    play(folder, "looks", SMALL[:1])
    (row,) = by_model(folder)
    assert {(step.tool_calls, step.tool_errors) for step in row.steps[1:]} == {(5, 1)}, "what waits has no log"


def test_the_prompt_tells_what_was_measured_and_nothing_else_of_the_problem() -> None:
    (scenario,) = scenarios(SMALL[:1])
    problem = scenario.problems.copy().view(np.recarray)[0]
    start = tuple(problem.start[: scenario.services].tolist())
    past, shown = [Replayed(start, 9)], shown_on(problem, start, 5)
    told = fleet_prompt(problem, past, 8, shown)
    moved = problem.copy()
    assert start[1] > 1
    moved.base_cpu_m[1] += 10
    moved.load_cpu_m[1] -= 10 * start[1]  # the same use at the start, another one elsewhere
    assert fleet_prompt(moved, past, 8, shown) == told
    other = Replayed((start[0], start[1] + 1, *start[2:]), 9)
    assert fleet_prompt(moved, [*past, other], 8, shown) != fleet_prompt(problem, [*past, other], 8, shown)


def test_equal_runs_have_equal_reports_and_pictures() -> None:
    documents, pictures = [], []
    for _ in range(2):
        folder = new_folder(attempts=2)
        play(folder)
        write_report(folder)
        documents.append({name: value for name, value in report_of(folder).items() if name != "times"})
        pictures.append({path.name: path.read_bytes() for path in folder.path.glob("*.png")})
    assert documents[0] == documents[1]
    assert pictures[0] == pictures[1]
    assert set(pictures[0]) == {"nodes_by_replay.png", "cost_against_success.png"}


def test_a_run_that_was_killed_goes_on_to_the_same_report() -> None:
    whole, folder = new_folder(), new_folder()
    play(whole)
    asked = sum(row.cost.requests for row in by_model(whole) if row.cost)
    script = Path(__file__).with_name("killed.py")
    line = [sys.executable, str(script), str(folder.path), "3", *SMALL]
    assert subprocess.run(line, check=False, timeout=300).returncode == -signal.SIGKILL
    play(folder)
    first, second = report_of(whole), report_of(folder)
    totals = second["agents"][LLM]["totals"]
    assert (totals["requests"], totals["lost"]) == (asked + 1, 1)
    assert second["agents"][LLM]["metrics"]["nodes"] == first["agents"][LLM]["metrics"]["nodes"]
    assert second["facts"] == first["facts"]
    assert {**second["agents"], LLM: None} == {**first["agents"], LLM: None}


def test_a_trained_model_plays_with_as_many_replays_as_the_others(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    PPO(seed=0, settings=PPOSettings(hidden=(8,)), spaces=fleet_spaces("small")).save(path)
    (scenario,) = scenarios(SMALL[:1])
    row = fleet_player(MODEL, path)(scenario, 1, Rules(1, REPLAYS, 0))
    assert (row.agent, len(row.steps)) == ("ppo", REPLAYS)
    assert row.steps[0].replicas == scenario.problem.start[: scenario.services].tolist()
    with pytest.raises(ConfigError, match="--filter-type small or large"):
        check_fleet_model(path, fleet_registry())


def test_rows_of_another_environment_are_refused(tmp_path: Path) -> None:
    folder = new_folder()
    play(folder)
    config: dict[str, Any] = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps({**config, "env": "cluster"}))
    with pytest.raises(UsageError, match="no row of a benchmark"):
        folder.rows()
    (folder.path / "run.json").write_text(json.dumps({**config, "env": "fleets"}))
    with pytest.raises(ConfigError, match="did you mean 'fleet'"):
        folder.rows()
