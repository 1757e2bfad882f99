"""Tables on narrow terminals and in pipes."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from rich.table import Table

from env.words import count
from protocol.commands.status import JobSummary
from protocol.commands.tables import jobs_table
from runner.commands.tables import fit, words

JOB = "job-" + "x" * 59


def shown(table: Table, console: Console) -> str:
    console.print(fit(table, console))
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())


def jobs() -> Table:
    row = JobSummary(JOB, "failed", 3, "i-0123456789abcdef0", "", 12, -1.25, "the trace has no Deployment " + "y" * 90)
    return jobs_table([row])


@pytest.mark.parametrize("width", [60, 80, 200])
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


def test_one_thing_is_singular() -> None:
    assert [count(number, "job") for number in (0, 1, 2000)] == ["0 jobs", "1 job", "2,000 jobs"]
