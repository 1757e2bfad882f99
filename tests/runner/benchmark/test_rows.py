"""Rows: written whole, read back strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.benchmark.lines import LONGEST_LINE, RowError, cut_torn_line
from runner.benchmark.rows import Outcome, Row, append_rows, read_rows

from .conftest import row, step


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.jsonl"


def test_rows_are_read_back_as_they_were_written(path: Path) -> None:
    rows = [
        row("a"),
        row("a", 2, Outcome.INFRASTRUCTURE_ERROR, error="away", steps=[]),
        row("b", agent="dqn", cost=None),
    ]
    append_rows(path, rows[:1])
    append_rows(path, rows[1:])
    assert read_rows(path, Row) == rows
    assert read_rows(path.with_name("none.jsonl"), Row) == []


def test_a_last_line_that_a_crash_cut_is_left_out(path: Path) -> None:
    append_rows(path, [row("a"), row("b")])
    whole = path.read_bytes()
    for cut in (1, 40):
        path.write_bytes(whole[:-cut])
        assert [each.scenario for each in read_rows(path, Row)] == ["a"]


def test_the_next_row_after_a_torn_line_begins_at_the_left(path: Path) -> None:
    append_rows(path, [row("a"), row("b")])
    path.write_bytes(path.read_bytes()[:-9])
    cut_torn_line(path)
    append_rows(path, [row("c")])
    assert [each.scenario for each in read_rows(path, Row)] == ["a", "c"]


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        "nonsense",
        row("b").model_dump_json().replace('"schema_version":1', '"schema_version":2'),
        row("b").model_dump_json().replace('"seed":0', '"seed":"0"'),
        row("b").model_dump_json().replace('"seed":0', '"seed":0,"more":1'),
        row("b").model_dump_json().replace('"invalid":false', '"invalid":true'),
        row("b").model_dump_json().replace('"outcome":"solved"', '"outcome":"won"'),
        row("b").model_dump_json().replace('"attempt":1', '"attempt":3'),
    ],
)
def test_a_line_that_is_no_row_is_refused_with_its_number(path: Path, line: str) -> None:
    append_rows(path, [row("a")])
    with path.open("a") as file:
        file.write(f"{line}\n")
    append_rows(path, [row("c")])
    with pytest.raises(RowError, match="line 2: no row"):
        read_rows(path, Row)


def test_a_line_without_an_end_is_refused_within_bounds(path: Path) -> None:
    path.write_bytes(b"[" * (LONGEST_LINE + 1) + b"\n")
    with pytest.raises(RowError, match="longer"):
        read_rows(path, Row)


def test_a_later_row_of_an_attempt_replaces_an_earlier_one(path: Path) -> None:
    away = row("a", 1, Outcome.INFRASTRUCTURE_ERROR, error="away")
    append_rows(path, [away, row("b"), row("a", 1)])
    assert [(each.scenario, each.outcome) for each in read_rows(path, Row)] == [
        ("a", Outcome.SOLVED),
        ("b", Outcome.SOLVED),
    ]


def test_a_row_whose_totals_are_not_those_of_its_steps_is_none() -> None:
    document = row("a", steps=[step(invalid=True)]).model_dump()
    document["totals"]["invalid_actions"] = 0
    with pytest.raises(ValueError, match="totals"):
        Row.model_validate(document)
