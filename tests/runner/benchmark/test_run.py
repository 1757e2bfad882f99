"""Whole runs with scripted models: what they score, and that no end loses or doubles anything."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.llm.conversation import Reply, Request, Usage
from agents.llm.model import ContextExceeded, Model, ProviderAway, ProviderRefused
from agents.llm.providers.scripted import Scripted, heuristic, of_name, read_prompt
from env.errors import ConfigError
from env.interrupt import Stopped
from runner.benchmark.budget import Amounts, Budget, BudgetSpent
from runner.benchmark.folder import BenchmarkFolder
from runner.benchmark.markdown import TIMES, markdown
from runner.benchmark.players import BASELINES, LLM
from runner.benchmark.report import report
from runner.benchmark.rows import Outcome
from runner.benchmark.run import MOST_AWAY, StaysAway, already_spent, report_of, write_report
from runner.benchmark.scenarios import BenchmarkScenario
from runner.benchmark.transcript import Transcript

from ..test_episode import FailingCluster
from .conftest import SMALL, Bench, rows_of


def optimum(scenario: BenchmarkScenario) -> Model:
    return Scripted.of_actions(scenario.solution)


def counting(seen: list[Request], script: Callable[[Request], Reply] = heuristic) -> Callable[[Any], Model]:
    """A model that keeps what it was asked."""

    def ask(request: Request) -> Reply:
        seen.append(request)
        return script(request)

    return lambda scenario: Scripted("test", ask)


def compared(document: dict[str, Any]) -> dict[str, Any]:
    """A report without what a clock measured."""
    return {name: value for name, value in document.items() if name != "times"}


def test_a_model_that_plays_the_optimum_solves_all_of_it(bench: Bench) -> None:
    bench.names = tuple(row.name for row in rows_of(()))
    found = bench.report(optimum)["agents"]
    assert found[LLM]["totals"]["solved"] == found[LLM]["totals"]["attempts"] == 2 * len(bench.names) == 2 * 43
    for name in ("pass_at_1", "pass_at_k", "pass_all_k", "steps_over_optimum"):
        assert found[LLM]["metrics"][name]["value"] == 1.0
    assert found[LLM]["metrics"]["mean_return"] == found["optimum"]["metrics"]["mean_return"]
    assert found[LLM]["hostile"]["obeyed"]["value"] == 0.0


@pytest.mark.parametrize("model", ["nonsense", "silent"])
def test_a_model_that_cannot_be_read_solves_nothing_and_every_answer_is_invalid(bench: Bench, model: str) -> None:
    """Not even where doing nothing is right: it did not say so."""
    totals = bench.report(model)["agents"][LLM]["totals"]
    assert totals["solved"] == 0
    assert totals["failed"] == totals["attempts"] == 2 * len(SMALL)
    assert totals["invalid_actions"] == totals["actions"] > 0


def test_the_other_agents_play_the_same_scenarios_as_often(bench: Bench) -> None:
    found = bench.report()["agents"]
    assert list(found) == [LLM, *BASELINES]
    assert {agent["totals"]["attempts"] for agent in found.values()} == {2 * len(SMALL)}
    assert found["optimum"]["metrics"]["pass_at_1"]["value"] == 1.0
    assert found["noop"]["by_type"]["no-fault"]["pass_at_1"]["value"] == 1.0
    assert found["noop"]["by_type"]["cpu"]["pass_at_1"]["value"] == 0.0


def test_a_model_that_obeys_hostile_text_is_seen(bench: Bench) -> None:
    bench.names = ("memory-1", "hostile-log")
    meddler = {"hostile-log": [3, 6, 2]}  # up, down again, and then the solution

    found = bench.report(lambda row: Scripted.of_actions(meddler.get(row.name, row.solution)))["agents"][LLM]
    assert found["hostile"]["obeyed"]["value"] == 1.0
    assert found["hostile"]["chosen_without_text"]["value"] == 0.0
    assert found["hostile"]["solved"]["value"] == 1.0


def test_where_nothing_is_wrong_a_change_is_a_failure_even_if_all_pods_stay_ready(bench: Bench) -> None:
    bench.names = ("no-fault-cpu",)
    (control,) = rows_of(bench.names)
    folder = bench.folder()
    bench.play(folder, lambda scenario: Scripted.of_actions([1, 4]))
    ended = [row for row in folder.rows() if row.agent == LLM]
    assert control.is_control
    assert {row.outcome for row in ended} == {Outcome.FAILED}


def test_equal_runs_have_equal_reports_but_for_times(bench: Bench) -> None:
    folders = [bench.folder() for _ in range(2)]
    for folder in folders:
        bench.play(folder, "looks")
        write_report(folder)
    first, second = (report(folder.rows()) for folder in folders)
    assert compared(first) == compared(second)
    texts = [(folder.path / "report.md").read_text().partition(TIMES)[0] for folder in folders]
    assert texts[0] == texts[1] == markdown(first).partition(TIMES)[0]
    pictures = [{path.name: path.read_bytes() for path in folder.path.glob("*.png")} for folder in folders]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 3


def test_two_jobs_make_the_report_of_one(bench: Bench) -> None:
    assert compared(bench.report(jobs=2)) == compared(bench.report(jobs=1))


@pytest.mark.parametrize("request_number", [1, 6, 11])
def test_a_run_that_was_killed_goes_on_to_the_same_report(bench: Bench, request_number: int) -> None:
    """What is new is the request in flight, paid and lost; no reply is asked for twice."""
    seen: list[Request] = []
    whole = bench.report(counting(seen))
    folder = bench.folder()
    script = Path(__file__).with_name("killed.py")
    line = [sys.executable, str(script), str(folder.path), str(request_number), *SMALL]
    assert subprocess.run(line, check=False, timeout=300).returncode == -signal.SIGKILL
    again: list[Request] = []
    bench.play(folder, counting(again))
    assert len(again) == len(seen) - (request_number - 1)
    resumed = report(folder.rows())
    totals = resumed["agents"][LLM]["totals"]
    assert (totals.pop("requests"), totals.pop("lost")) == (len(seen) + 1, 1)
    assert totals.pop("lost_tokens") > 0
    assert totals.pop("lost_dollars") > 0
    for name in ("requests", "lost", "lost_tokens", "lost_dollars"):
        whole["agents"][LLM]["totals"].pop(name)
    assert compared(resumed) == compared(whole)


def test_a_run_that_was_stopped_goes_on_and_pays_nothing_twice(bench: Bench) -> None:
    seen: list[Request] = []
    whole = bench.report(counting(seen))
    folder, again = bench.folder(), list[Request]()
    with pytest.raises(Stopped):
        bench.play(folder, counting(again), should_stop=lambda: len(again) >= 3)  # within memory-3
    assert len(again) == 3
    bench.play(folder, counting(again))
    assert len(again) == len(seen)
    assert compared(report(folder.rows())) == compared(whole)


def test_a_run_that_is_done_asks_nothing_more(bench: Bench) -> None:
    folder, seen = bench.folder(), list[Request]()
    bench.play(folder)
    rows = folder.rows_file.read_bytes()
    bench.play(folder, counting(seen))
    assert seen == []
    assert folder.rows_file.read_bytes() == rows


def test_rows_follow_from_the_transcripts_without_a_request(bench: Bench) -> None:
    folder, seen = bench.folder(), list[Request]()
    bench.play(folder, "looks")
    rows = folder.rows()
    folder.rows_file.unlink()
    bench.play(folder, counting(seen))
    assert seen == []
    assert folder.rows() == rows


def test_a_cluster_that_is_away_is_an_infrastructure_error_too(bench: Bench) -> None:
    """The other agents are played in this process, and go on."""
    found = bench.report(cluster=FailingCluster(3))
    totals = {name: agent["totals"]["infrastructure_errors"] for name, agent in found["agents"].items()}
    assert totals.pop(LLM) == len(found["infrastructure_errors"]) > 0
    assert set(totals.values()) == {0}


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_budget_stops_before_it_is_exceeded_and_says_what_is_missing(bench: Bench, jobs: int) -> None:
    folder, most = bench.folder(), Budget(most_tokens=12_000)
    with pytest.raises(BudgetSpent, match="of 12000 tokens"):
        bench.play(folder, budget=most, jobs=jobs)
    spent = already_spent(folder, rows_of(), bench.attempts)
    assert 0 < spent.tokens <= 12_000
    found = report(folder.rows())
    missing = sum(len(each["attempts"]) for each in found["missing"])
    assert 0 < missing == 2 * len(SMALL) - found["agents"].get(LLM, {}).get("totals", {}).get("attempts", 0)


def test_a_run_whose_budget_is_raised_goes_on_to_the_same_report(bench: Bench) -> None:
    whole, folder = bench.report(), bench.folder()
    for _ in range(100):
        spent = already_spent(folder, rows_of(), bench.attempts)
        try:
            bench.play(folder, budget=Budget(most_dollars=spent.dollars + 0.02, spent=spent))
            break
        except BudgetSpent:
            continue
    assert compared(report(folder.rows())) == compared(whole)


def test_a_budget_of_nothing_sends_nothing(bench: Bench) -> None:
    seen: list[Request] = []
    with pytest.raises(BudgetSpent):
        bench.play(bench.folder(), counting(seen), budget=Budget(most_dollars=0.0))
    assert seen == []


def test_a_provider_that_is_away_is_counted_apart_and_asked_again_later(bench: Bench) -> None:
    folder = bench.folder()
    bench.play(folder, "fails-after-1")
    found = report(folder.rows())
    totals = found["agents"][LLM]["totals"]
    assert totals["infrastructure_errors"] == len(found["infrastructure_errors"]) == 2  # memory-3 needs three requests
    assert totals["failed"] == 0
    assert found["agents"][LLM]["metrics"]["pass_at_1"]["value"] == 1.0
    assert found["agents"][LLM]["metrics"]["pass_at_1"]["scenarios"] == len(SMALL) - 1
    assert "ended with an infrastructure error: scripted model" in markdown(found)
    bench.play(folder, "fails-after-1")
    bench.play(folder, "fails-after-1")
    found = report(folder.rows())
    assert found["infrastructure_errors"] == []
    assert found["agents"][LLM]["totals"]["solved"] == 2 * len(SMALL)
    assert found["agents"][LLM]["totals"]["lost"] == 4, "each of two attempts failed twice"
    assert found["agents"][LLM]["metrics"]["steps_over_optimum"]["value"] == 1.0


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_provider_that_stays_away_ends_the_run(bench: Bench, jobs: int) -> None:
    """Else each of a hundred attempts would wait for minutes."""
    bench.attempts, folder = 5, bench.folder()
    with pytest.raises(StaysAway, match="8 attempts one after the other could not be played: "):
        bench.play(folder, "fails-after-0", jobs=jobs)
    assert sum(row.agent == LLM for row in folder.rows()) == MOST_AWAY
    bench.play(folder)
    assert all(row.counts for row in folder.rows())


def test_a_provider_that_refuses_ends_the_run_at_once(bench: Bench) -> None:
    seen: list[Request] = []

    def refuse(request: Request) -> Reply:
        raise ProviderRefused("no such model")

    with pytest.raises(ProviderRefused):
        bench.play(bench.folder(), counting(seen, refuse))
    assert len(seen) == 1


def test_a_conversation_that_outgrows_the_context_is_a_failed_attempt_and_the_run_goes_on(bench: Bench) -> None:
    """Else one long attempt would end the run, at each resume again."""
    bench.names, folder = ("cpu-1", "memory-3"), bench.folder()

    def short(request: Request) -> Reply:
        if read_prompt(request).step > 1:
            raise ContextExceeded("too long")
        return heuristic(request)

    bench.play(folder, lambda scenario: Scripted("test", short))
    ended = {(row.scenario, row.outcome, row.error) for row in folder.rows() if row.agent == LLM}
    assert ended == {("cpu-1", Outcome.SOLVED, ""), ("memory-3", Outcome.FAILED, "too long")}


def test_a_context_that_not_even_the_first_request_fits_ends_the_run(bench: Bench) -> None:
    def none(request: Request) -> Reply:
        raise ContextExceeded("too long")

    with pytest.raises(ProviderRefused, match="too long"):
        bench.play(bench.folder(), lambda scenario: Scripted("test", none))


def test_requests_that_failed_are_in_the_transcript_and_in_the_row(bench: Bench) -> None:
    bench.names, bench.attempts = ("cpu-1",), 1
    folder = bench.folder()

    def away(request: Request) -> Reply:
        raise ProviderAway("429")

    bench.play(folder, lambda scenario: Scripted("test", away))
    (row,) = [row for row in folder.rows() if row.agent == LLM]
    assert row.outcome is Outcome.INFRASTRUCTURE_ERROR
    assert row.error.startswith("429")
    assert row.cost == Transcript(folder.transcript("cpu-1", 1)).cost
    assert (row.cost.requests, row.cost.lost) == (1, 0)


def test_every_attempt_has_one_row_and_one_transcript(bench: Bench) -> None:
    folder = bench.folder()
    bench.play(folder, jobs=2)
    keys = Counter(row.key for row in folder.rows() if row.agent == LLM)
    assert set(keys.values()) == {1}
    assert len(keys) == len(list(folder.path.glob("transcripts/*.jsonl"))) == 2 * len(SMALL)


def test_prompts_of_equal_attempts_are_equal(bench: Bench) -> None:
    """So that a run that goes on meets its own replies again."""
    seen: list[Request] = []
    bench.names, bench.attempts = ("memory-3",), 2
    bench.report(counting(seen, of_name("looks")._script))
    half = len(seen) // 2
    assert seen[:half] == seen[half:]


def test_the_budget_counts_what_was_lost(bench: Bench) -> None:
    folder = bench.folder()
    bench.names, bench.attempts = ("cpu-1",), 1
    bench.play(folder, "fails-after-0")
    lost = Transcript(folder.transcript("cpu-1", 1)).cost
    assert already_spent(folder, rows_of(("cpu-1",)), 1) == Amounts(lost.lost_tokens, lost.lost_dollars or 0.0)


def test_a_reply_that_reports_no_tokens_counts_as_the_most_that_it_can_have_cost(bench: Bench) -> None:
    """Or a budget would never end a run of a server that leaves them out."""
    folder, most = bench.folder(), Budget(most_tokens=12_000)

    def unreported(request: Request) -> Reply:
        return replace(heuristic(request), usage=Usage())

    with pytest.raises(BudgetSpent, match="of 12000 tokens"):
        bench.play(folder, lambda scenario: Scripted("test", unreported), budget=most)
    assert 0 < most.spent.tokens <= 12_000
    assert already_spent(folder, rows_of(), bench.attempts).tokens == most.spent.tokens
    totals = report(folder.rows())["agents"][LLM]["totals"]
    assert (totals["tokens_in"], totals["dollars"]) == (0, None), "which is not that it is free"


def test_what_a_run_without_rows_of_some_attempts_has_cost_is_in_its_report(bench: Bench) -> None:
    folder = bench.folder()
    bench.play(folder)
    (folder.path / "rows.jsonl").write_text(
        "".join(f"{row.model_dump_json()}\n" for row in folder.rows() if row.agent != LLM)
    )
    spent = already_spent(folder, rows_of(), bench.attempts)
    found = report_of(folder)
    assert (found["unfinished"]["attempts"], LLM in found["agents"]) == (2 * len(SMALL), False)
    assert found["unfinished"]["tokens_in"] + found["unfinished"]["tokens_out"] == spent.tokens > 0
    bench.play(folder)
    whole = report_of(folder)
    assert (whole["unfinished"]["attempts"], whole["unfinished"]["dollars"]) == (0, None)


def test_a_folder_is_worked_in_by_one_process_at_a_time(bench: Bench) -> None:
    folder = bench.folder()
    other = BenchmarkFolder(folder.path).locked()
    with folder.locked(), pytest.raises(ConfigError, match="another sim-arena benchmark"), other:
        pass
