"""The report: made of rows alone, in any order, and safe to show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.errors import ConfigError
from runner.benchmark.markdown import TIMES, markdown
from runner.benchmark.plots import draw
from runner.benchmark.report import report
from runner.benchmark.rows import Cost, Outcome, Row, append_rows, read_rows

from .conftest import row, step


def some_rows() -> list[Row]:
    return [
        row("cpu-1", 1, agent="noop", provider=None, model=None, cost=None),
        row("cpu-1", 2, agent="noop", provider=None, model=None, cost=None),
        row("cpu-1", 1),
        row("memory-1", 1, Outcome.FAILED, problem_type="memory", steps=[step(invalid=True)] * 3),
        row("memory-1", 2, Outcome.INFRASTRUCTURE_ERROR, problem_type="memory", error="| <b>away</b>\n# no"),
    ]


def test_it_follows_from_the_rows_in_any_order_and_from_the_file_as_well(tmp_path: Path) -> None:
    rows = some_rows()
    append_rows(tmp_path / "rows.jsonl", rows[::-1])
    assert report(rows) == report(rows[::-1]) == report(read_rows(tmp_path / "rows.jsonl", Row))
    assert json.loads(json.dumps(report(rows), allow_nan=False)) == report(rows)


def test_it_says_what_is_missing_and_what_was_away() -> None:
    found = report(some_rows())
    assert found["missing"] == [{"scenario": "cpu-1", "attempts": [2]}]
    assert [each["scenario"] for each in found["infrastructure_errors"]] == ["memory-1"]
    assert found["agents"]["llm"]["totals"]["attempts"] == 3
    text = markdown(found)
    assert "- cpu-1: attempts 2 are missing" in text


def test_what_others_wrote_is_no_markup_and_no_line_of_its_own() -> None:
    text = markdown(report(some_rows()))
    assert "\\| \\<b\\>away\\</b\\> # no" in text
    assert "\n# no" not in text


def test_before_the_model_has_a_row_everything_is_missing() -> None:
    found = report(some_rows()[:2])
    assert found["missing"] == [{"scenario": "cpu-1", "attempts": [1, 2]}]
    assert "No attempt of the model has ended." in markdown(found)


def test_times_stand_in_one_section_alone() -> None:
    """Rows that differ in nothing else have equal reports but for that."""
    slow = [each.model_copy(update={"cost": Cost(**{**dict(each.cost), "seconds": 9.0})}) if each.cost else each
            for each in some_rows()]  # fmt: skip
    first, second = report(some_rows()), report(slow)
    assert first.pop("times") != second.pop("times")
    assert first == second
    texts = [markdown(report(rows)).partition(TIMES) for rows in (some_rows(), slow)]
    assert texts[0][0] == texts[1][0]
    assert texts[0][2] != texts[1][2]


@pytest.mark.parametrize("facts", [{"seed": 1}, {"max_steps": 5}, {"model": "other"}, {"scenario_sha256": "other"}])
def test_rows_of_different_runs_make_no_report(facts: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="different benchmarks"):
        report([row("cpu-1", 1), row("cpu-1", 2, **facts)])


def test_a_scenario_that_needs_more_steps_than_there_are_is_named() -> None:
    found = report([row("cpu-8", 1, Outcome.FAILED, optimum_steps=8, max_steps=5)])
    assert "| more steps needed than there are | cpu-8 |" in markdown(found)


def test_a_price_that_is_not_known_is_said_to_be_unknown() -> None:
    text = markdown(report([row("cpu-1", 1, cost=Cost(tokens_in=5))]))
    assert "| dollars | - | unknown |" in text
    assert "does not mean it is free" in text


@pytest.mark.parametrize(("attempts", "named"), [(1, 0), (2, 1)])
def test_a_single_attempt_has_no_columns_of_several(attempts: int, named: int) -> None:
    head = markdown(report([row("cpu-1", 1, attempts=attempts)])).partition("| agent |")[2].partition("\n")[0]
    assert (head.count("pass@1 %"), head.count("pass^")) == (1, named)


def test_lost_requests_are_told_with_the_most_that_they_can_have_cost() -> None:
    cost = Cost(requests=3, lost=2, lost_tokens=9_000, lost_dollars=0.5)
    assert "2 requests of these may be billed" in markdown(report([row("cpu-1", 1, cost=cost)]))


def test_what_attempts_without_a_row_have_cost_is_told_apart() -> None:
    costs = [Cost(requests=2, tokens_in=900, tokens_out=10, dollars=0.25, lost=1, lost_dollars=0.5), Cost(dollars=0.5)]
    found = report([row()], costs)
    assert {name: found["unfinished"][name] for name in ("attempts", "requests", "tokens_in", "dollars")} == {
        "attempts": 2, "requests": 2, "tokens_in": 900, "dollars": 0.75
    }  # fmt: skip
    assert found["agents"]["llm"] == report([row()])["agents"]["llm"]
    assert "Beside the sums: 2 attempts begun and not ended, with 2 requests, 900 tokens in" in markdown(found)
    assert "Beside the sums" not in markdown(report([row()]))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_are_drawn_of_any_rows(count: int, tmp_path: Path) -> None:
    rows = [each.model_copy(update={"model": "$\\frac$ <m>"}) if each.model else each for each in some_rows()[:count]]
    draw(tmp_path, report(rows), rows)
    assert len(list(tmp_path.glob("*.png"))) == 3
