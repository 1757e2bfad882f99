"""Tables on narrow terminals and in pipes."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from env.words import count
from protocol.commands.status import JobSummary
from protocol.commands.tables import jobs_table
from runner.commands.fitted import FittedTable
from runner.commands.tables import words

JOB = "job-" + "x" * 59


def shown(table: FittedTable, console: Console) -> str:
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())


def jobs() -> FittedTable:
    row = JobSummary(JOB, "failed", 3, "i-0123456789abcdef0", "", 12, -1.25, "the trace has no Deployment " + "y" * 90)
    return jobs_table([row])


@pytest.mark.parametrize("width", [66, 80, 200])
def test_a_terminal_shows_the_names_of_rows_whole(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, soft_wrap=True)
    assert JOB in shown(jobs(), console)


def test_a_pipe_shows_everything_on_one_line_a_row() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=80, soft_wrap=True)
    header, row = shown(jobs(), console).splitlines()
    assert header.startswith("job")
    assert JOB in row
    assert row.rstrip().endswith("the trace has no Deployment " + "y" * 90)


def test_facts_are_words() -> None:
    assert words({"all_done": True, "gone": None, "shares": [0.5, 2]}) == "all done yes, gone -, shares 0.500, 2"


def test_names_of_files_stay_as_they_are() -> None:
    assert words({"files": {"a_b.png": "results/a_b.png"}}) == "files a_b.png results/a_b.png"


def test_one_thing_is_singular() -> None:
    assert [count(number, "job") for number in (0, 1, 2000)] == ["0 jobs", "1 job", "2,000 jobs"]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (30, ["agent   return", "random  1.2345 (1.2 to 1.3)"]),
        (20, ["agent   return", "random  1.23 ± 0.05"]),
        (12, ["agent   r", "random  1.2"]),
        (10, ["random", "  return:", "  1.2"]),
    ],
)
def test_figures_lose_precision_before_the_window_ends(width: int, lines: list[str]) -> None:
    table = FittedTable("agent", ("return", "return", "r"))
    table.add_row("random", ("1.2345 (1.2 to 1.3)", "1.23 ± 0.05", "1.2"))
    console = Console(file=io.StringIO(), force_terminal=True, width=width, soft_wrap=True)
    assert [line.rstrip() for line in shown(table, console).splitlines()] == lines


def test_a_row_that_is_a_block_of_lines_has_the_most_precise_figures_that_fit_a_line() -> None:
    """Intervals are not lost because there are many columns."""
    titles = [f"metric {number}" for number in range(9)]
    table = FittedTable("agent", *titles)
    table.add_row("random", *(("1.2345 (1.2 to 1.3)", "1.2") for _ in titles))
    console = Console(file=io.StringIO(), force_terminal=True, width=40, soft_wrap=True)
    assert [line.strip() for line in shown(table, console).splitlines()] == [
        "random",
        *(f"{title}: 1.2345 (1.2 to 1.3)" for title in titles),
    ]


def test_text_is_wrapped_at_spaces() -> None:
    table = FittedTable("job", "why")
    table.add_row("job-1", "the trace has no Deployment of this name")
    console = Console(file=io.StringIO(), force_terminal=True, width=36, soft_wrap=True)
    lines = [line.rstrip() for line in shown(table, console).splitlines()]
    assert lines == ["job    why", "job-1  the trace has no Deployment", "       of this name"]
