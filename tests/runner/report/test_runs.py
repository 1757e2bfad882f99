"""The page of trainings: verdict, curves, tables, settings that differ, and how to make them again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import pytest

from env.errors import UsageError
from runner.report.page import Chart, Commands, Facts, Page, Table
from runner.report.run_data import read_run
from runner.report.runs import runs_page

from .conftest import SHA, MakeRun

P = TypeVar("P", Chart, Table, Facts, Commands)


def page_of(*folders: Path) -> Page:
    return runs_page([read_run(folder) for folder in folders], "Made by a test.")


def parts(page: Page, kind: type[P]) -> dict[str, P]:
    return {part.title: part for section in page.sections for part in section.parts if isinstance(part, kind)}


def test_the_verdict_of_a_run_is_its_last_evaluation_beside_the_optimum(make_run: MakeRun) -> None:
    assert page_of(make_run()).verdict == (
        "dqn solves 98.0\u202f% of 200 validation problems in 3.50 steps on average "
        "(the fewest possible are 3.00) after 300 episodes."
    )


@pytest.mark.parametrize(
    ("env", "says", "title"),
    [
        ("season", "is cheaper than with VPA on 98.0 % of 200 workloads", "Cheaper than with VPA"),
        ("fleet", "comes to as few nodes as hill climbing on 98.0 % of 200 fleets", "As few nodes as hill climbing"),
    ],
)
def test_what_counts_as_solved_is_told_where_nothing_is(make_run: MakeRun, env: str, says: str, title: str) -> None:
    page = page_of(make_run(env=env))
    assert says in page.verdict
    assert title in parts(page, Chart)
    evaluated = parts(page, Table)["Greedy, on problems that training never draws"]
    assert title.lower() in [column.name.lower() for column in evaluated.columns]


def test_runs_of_several_environments_have_no_common_name_for_it(make_run: MakeRun) -> None:
    assert "Solved" in parts(page_of(make_run("one", env="fleet"), make_run("two", env="season")), Chart)


def test_an_earlier_evaluation_that_was_better_is_told(make_run: MakeRun) -> None:
    verdict = page_of(make_run(solved=0.5)).verdict
    assert verdict.endswith("after 300 episodes; its best evaluation, after episode 60, came to 90.0\u202f%.")


def test_a_run_that_has_not_ended_says_so(make_run: MakeRun) -> None:
    assert page_of(make_run(ended=False)).verdict.startswith("Not finished: dqn solves")


def test_curves_have_the_training_with_intervals_greedy_evaluations_and_baselines(make_run: MakeRun) -> None:
    charts = parts(page_of(make_run()), Chart)
    assert list(charts) == ["Return", "Solved", "Steps of an episode", "Loss"]
    training, greedy, *baselines = charts["Solved"].lines
    assert training.low is not None
    assert greedy.low is not None
    assert greedy.x == [60, 120, 180, 240, 300]
    assert greedy.y[-1] == 98.0
    assert 94.5 < greedy.low[-1] < 96  # Wilson's interval of 196 of 200
    assert [(line.name, line.style, line.y) for line in baselines] == [
        ("random", "dashed", [30.0, 30.0]),
        ("optimum", "dashed", [100.0, 100.0]),
    ]
    assert [line.name for line in charts["Loss"].lines] == ["training"]


def test_learning_that_is_early_gets_a_logarithmic_axis(make_run: MakeRun) -> None:
    assert parts(page_of(make_run(episodes=900)), Chart)["Return"].log_x


def test_tables_have_steps_over_the_optimum_and_kinds_of_problems(make_run: MakeRun) -> None:
    tables = parts(page_of(make_run()), Table)
    evaluated = tables["Greedy, on problems that training never draws"]
    at = [column.name for column in evaluated.columns].index("steps over optimum")
    assert [row[at] for row in evaluated.rows] == [0.5, 71.0, 0.0]
    by_kind = tables["In training, the last 1,000 episodes by kind of problem"]
    assert [row[:2] for row in by_kind.rows] == [["cpu", 150], ["memory", 150]]


def test_several_runs_show_what_differs_in_their_settings_and_the_rest_once(make_run: MakeRun) -> None:
    page = page_of(make_run("one", seed=1), make_run("two", seed=2, solved=0.9))
    assert page.verdict.startswith("one comes out best of 2 trainings: it solves 98.0")
    assert parts(page, Table)["What differs"].rows == [["seed", "1", "2"]]
    assert ("settings.gamma", "0.95") in parts(page, Facts)["The same in all"].pairs
    assert [line.name for line in parts(page, Chart)["Solved"].lines] == ["one", "two", "random", "optimum"]


def test_baselines_stand_once_below_runs_that_have_the_same_ones(make_run: MakeRun) -> None:
    table = parts(page_of(make_run("one"), make_run("two")), Table)["Greedy, on problems that training never draws"]
    assert [row[:2] for row in table.rows] == [
        ["one", "dqn, episode 300"],
        ["two", "dqn, episode 300"],
        ["all", "random"],
        ["all", "optimum"],
    ]


def test_commands_and_hashes_to_make_it_again_are_there(make_run: MakeRun) -> None:
    page = page_of(make_run())
    assert parts(page, Commands)["Commands"].lines == ["sim-arena train --seed 0"]
    assert parts(page, Table)["Hashes"].rows == [["weights", SHA], ["state", SHA]]
    assert ("packages.numpy", "2.4.6") in parts(page, Facts)["Made with"].pairs


def test_a_run_that_was_only_begun_has_a_page(make_run: MakeRun) -> None:
    folder = make_run(ended=False)
    (folder / "metrics.jsonl").unlink()
    assert page_of(folder).verdict == "Nothing was evaluated: a-run has trained for 0 of 300 episodes."


@pytest.mark.parametrize("row", [{"n": 0}, {"solved_rate": 7.0}, {"n": 1e300}, {"mean_steps": 10**400}])
def test_an_evaluation_that_cannot_be_is_refused(make_run: MakeRun, row: dict[str, float]) -> None:
    folder = make_run()
    good = {"kind": "evaluation", "episode": 301, "n": 2, "solved_rate": 1.0, "mean_steps": 1.0, "mean_return": 1.0}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({**good, **row}) + "\n")
    with pytest.raises(UsageError, match=r"metrics\.jsonl"):
        page_of(folder)


def test_odd_values_in_records_are_not_known(make_run: MakeRun) -> None:
    folder = make_run(episodes=60)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind":"episode","episode":61,"reward":"x","steps":1e999,"solved":null,"loss":[],"problem":5}\n')
    assert "Return" in parts(page_of(folder), Chart)
