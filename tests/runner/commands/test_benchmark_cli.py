"""`sim-arena benchmark` as a user runs it: exit codes, what it leaves, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from runner.benchmark.folder import BenchmarkFolder, safe_name
from runner.benchmark.rows import Outcome

from ...agents.llm.providers.openai_wire import completion, error
from ...agents.llm.providers.wire import Answer, Wire
from ..conftest import one_line

Cli = Callable[..., Any]
QUICK = ("benchmark", "--provider", "scripted", "--scenario", "cpu-1", "--scenario", "no-fault-cpu", "--attempts", "2")

FLEET = ("--provider", "scripted", "--env", "fleet", "--scenario", "small-3-3")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A server that speaks as OpenAI's does, which the provider `openai` talks to."""
    with Wire() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234")
        yield server


def results() -> Path:
    (found,) = Path("benchmark/results").iterdir()
    return found


def test_a_run_leaves_everything_in_its_folder(cli: Cli) -> None:
    done = cli(*QUICK)
    assert done.code == 0
    assert "scripted heuristic" in done.out
    folder = results()
    assert folder.name.endswith("_scripted_heuristic")
    assert {path.name for path in folder.iterdir()} == {
        *("run.json", "command.txt", "rows.jsonl", "transcripts", "report.json", "report.md"),
        *("success_by_type.png", "steps_against_optimum.png", "cost_against_success.png"),
    }
    assert (folder / "command.txt").read_text() == f"sim-arena {' '.join(QUICK)}\n"
    document = json.loads((folder / "report.json").read_text())
    assert document["agents"]["llm"]["totals"]["solved"] == 4


def test_json_is_the_report(cli: Cli) -> None:
    document = json.loads(cli(*QUICK, "--json").out)
    assert document == {"folder": str(results()), **json.loads((results() / "report.json").read_text())}


def test_the_scripted_optimum_is_told_the_solutions(cli: Cli) -> None:
    run = cli("benchmark", "--provider", "scripted", "--model", "optimum", "--attempts", "1", "--json")
    document = json.loads(run.out)
    assert document["agents"]["llm"]["metrics"]["pass_at_1"]["value"] == 1.0


def test_a_run_on_a_fleet_leaves_a_report_and_goes_on_with_what_it_was_begun_with(cli: Cli) -> None:
    run = cli("benchmark", *FLEET, "--model", "optimum", "--attempts", "1", "--json")
    assert run.code == 0
    document = json.loads(run.out)
    assert (document["facts"]["env"], document["facts"]["max_steps"]) == ("fleet", 8)
    assert document["agents"]["llm"]["metrics"]["above_best_known"]["value"] == 0.0
    assert {path.name for path in results().glob("*.png")} == {"nodes_by_replay.png", "cost_against_success.png"}
    assert "| replays at most | 8 |" in (results() / "report.md").read_text()
    assert cli("benchmark", "--resume", str(results())).code == 3
    refused = cli("benchmark", "--resume", str(results()), "--env", "fleet")
    assert (refused.code, "--env: cannot be had together with --resume" in one_line(refused.err)) == (2, True)
    assert cli("report", str(results()), "--to", "page.html").code == 0
    assert "above the best known" in Path("page.html").read_text()


def test_a_finished_run_has_nothing_to_do_and_its_report_is_written_again(cli: Cli) -> None:
    cli(*QUICK)
    folder = results()
    before = (folder / "report.json").read_bytes()
    (folder / "report.json").unlink()
    again = cli("benchmark", "--resume", str(folder))
    assert again.code == 3
    assert "nothing is missing" in again.err
    assert (folder / "report.json").read_bytes() == before
    assert len((folder / "command.txt").read_text().splitlines()) == 2


def test_a_budget_that_is_spent_ends_with_1_and_a_larger_one_goes_on(cli: Cli) -> None:
    stopped = cli(*QUICK, "--attempts", "9", "--max-output-tokens", "1000", "--max-tokens", "11000")
    assert stopped.code == 1
    assert "the budget is spent" in stopped.err
    assert "attempts are missing" in stopped.err
    assert f"to go on: sim-arena benchmark --resume {results()}" in stopped.err
    assert cli("benchmark", "--resume", str(results()), "--max-tokens", "100000").code == 0


def test_a_provider_that_is_away_ends_with_1(cli: Cli, wire: Wire) -> None:
    """It asks for a wait that is longer than the budget of retries."""
    wire.answers = [error(503, "overloaded", "later", retry_after="86400")]
    away = cli("benchmark", "--provider", "openai", "--scenario", "cpu-1", "--attempts", "1")
    assert away.code == 1
    assert "1 ended with an infrastructure error" in away.err
    (row,) = [row for row in BenchmarkFolder(results()).rows() if row.agent == "llm"]
    assert row.outcome is Outcome.INFRASTRUCTURE_ERROR


def test_a_key_that_is_refused_ends_the_run_at_once_with_one_line(cli: Cli, wire: Wire) -> None:
    wire.answers = [error(401, "invalid_api_key", "Incorrect API key provided: sk-secret-1234")]
    refused = cli("benchmark", "--provider", "openai", "--attempts", "3")
    assert refused.code == 2
    assert len(wire.received) == 1
    assert "sk-secret" not in one_line(refused.err)
    left = [path.read_text() for path in results().rglob("*.*") if path.suffix in (".json", ".jsonl", ".md", ".txt")]
    assert left
    assert not any("sk-secret" in text for text in left)


def test_ctrl_c_ends_with_130_and_what_was_replied_is_not_asked_again(cli: Cli, wire: Wire) -> None:
    """By the real SDK, over HTTP: three actions solve it, the signal comes with the second reply."""
    reply = completion('{"reasoning": "more", "action_index": 1}')
    wire.answers = [reply, interrupting(reply)]
    stopped = cli("benchmark", "--provider", "openai", "--model", "local/m:1", "--scenario", "cpu-3", "--attempts", "1")
    assert stopped.code == 130
    assert len(wire.received) == 2
    assert results().name.endswith("_openai_local-m-1")
    wire.answers = [reply, error(401, "", "no more is to be asked")]
    assert cli("benchmark", "--resume", str(results())).code == 0
    assert len(wire.received) == 3
    (row,) = [row for row in BenchmarkFolder(results()).rows() if row.agent == "llm"]
    assert row.outcome is Outcome.SOLVED
    assert row.cost is not None
    assert (row.cost.requests, row.cost.lost, row.cost.tokens_in, row.cost.dollars) == (3, 0, 3 * 117, None)
    assert row.models_answered == ["gpt-6.1-terra-2026-10-26"]


def interrupting(answer: Answer) -> Answer:
    """The same answer; before it is sent, this process gets SIGINT, and has taken notice of it."""
    body = json.dumps(answer.body).encode()
    mine = signal.getsignal(signal.SIGINT)

    def interrupt(handler: BaseHTTPRequestHandler) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not mine:
            threading.Event().wait(0.01)
        handler.wfile.write(body)

    return Answer(body=b"", headers={"content-type": "application/json"}, length=len(body), rest=interrupt)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--provider"),
        (["--provider", "gemni"], "did you mean 'gemini'"),
        (["--provider", "gemini"], "GEMINI_API_KEY"),
        (["--provider", "scripted", "--model", "heuristc"], "heuristic"),
        (["--provider", "scripted", "--scenario", "cpu-11"], "did you mean"),
        (["--provider", "scripted", "--max-cost-usd", "2"], "no price is known of scripted heuristic"),
        (["--provider", "scripted", "--max-tool-rounds", "101"], "max_tool_rounds"),
        (["--provider", "scripted", "--model", "m" * 201], "at most 200 printable characters"),
        (["--provider", "scripted", "--cluster", "simkube", "--jobs", "2"], "one simulation at a time"),
        (["--resume", "absent"], "no results of sim-arena benchmark"),
        (["--env", "season", "--list-scenarios"], "--env season: has no scenarios; choose from cluster, fleet"),
        (["--provider", "scripted", "--agent", "m.pt"], "--agent m.pt: is of --env fleet"),
        (
            ["--provider", "scripted", "--env", "fleet", "--cluster", "simkube"],
            "--cluster simkube: is of --env cluster",
        ),
        (["--provider", "scripted", "--env", "fleet", "--filter-type", "rooms"], "--filter-type rooms: unknown"),
        ([*FLEET, "--agent", "m.pt"], "--agent m.pt: no file of a model"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_no_folder(cli: Cli, options: list[str], said: str) -> None:
    wrong = cli("benchmark", *options)
    assert wrong.code == 2
    assert said in one_line(wrong.err)
    assert not Path("benchmark").exists()


def test_what_a_run_was_begun_with_cannot_be_changed(cli: Cli) -> None:
    cli(*QUICK)
    for option in (("--model", "looks"), ("--attempts", "3"), ("--seed", "0"), ("--scenario", "cpu-1")):
        refused = cli("benchmark", "--resume", str(results()), *option)
        assert (refused.code, option[0] in one_line(refused.err)) == (2, True)


@pytest.mark.parametrize("name", ["prompt_sha256", "scenarios_sha256"])
def test_a_run_of_another_prompt_or_other_scenarios_does_not_go_on(cli: Cli, name: str) -> None:
    cli(*QUICK)
    path = results() / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: "other"}))
    assert "begin a new run" in one_line(cli("benchmark", "--resume", str(results())).err)


@pytest.mark.parametrize("text", ["{}", "[1]", "nonsense", '{"schema_version": 2}'])
def test_a_damaged_folder_is_refused(cli: Cli, text: str) -> None:
    cli(*QUICK)
    (results() / "run.json").write_text(text)
    refused = cli("benchmark", "--resume", str(results()))
    assert refused.code == 2
    assert "run.json" in one_line(refused.err)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('"model":"other"', '"model":"heuristic"'),
        ('"seed":1', '"seed":0'),
        ('"scenario":"cpu-3"', '"scenario":"cpu-1"'),
    ],
)
def test_rows_of_another_run_are_refused_before_anything_is_played(cli: Cli, theirs: str, ours: str) -> None:
    cli(*QUICK)
    rows = results() / "rows.jsonl"
    rows.write_text("".join(line.replace(ours, theirs) for line in rows.read_text().splitlines(True)[:-1]))
    for transcript in (results() / "transcripts").iterdir():
        transcript.unlink()
    refused = cli("benchmark", "--resume", str(results()))
    assert refused.code == 2
    assert "is of another run than run.json; move the file away" in one_line(refused.err)
    assert list((results() / "transcripts").iterdir()) == []


def test_rows_that_are_moved_away_are_made_again_from_the_transcripts(cli: Cli) -> None:
    cli(*QUICK)
    rows, report = results() / "rows.jsonl", (results() / "report.json").read_bytes()
    rows.write_text(rows.read_text().replace("{", "[", 1))
    assert "line 1: no row of a benchmark" in one_line(cli("benchmark", "--resume", str(results())).err)
    rows.unlink()
    assert cli("benchmark", "--resume", str(results())).code == 0
    assert (results() / "report.json").read_bytes() == report


def test_a_folder_at_work_is_refused(cli: Cli) -> None:
    cli(*QUICK)
    with BenchmarkFolder(results()).locked():
        assert "another sim-arena benchmark" in one_line(cli("benchmark", "--resume", str(results())).err)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"),
        ("models/Qwen3:8b q4", "models-Qwen3-8b-q4"),
        ("../../etc", "etc"),
        ("…", "model"),
        ("..", "model"),
    ],
)
def test_a_models_name_is_made_safe_for_a_path(name: str, safe: str) -> None:
    assert safe_name(name) == safe
