"""Tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from runner.commands.console import out

if TYPE_CHECKING:
    from runner.evaluation.intervals import Estimate
    from runner.evaluation.measure import Measures


_NO_TERMINAL_WIDTH = 10_000  # columns


def show(table: Table) -> None:
    """Print a table on stdout, as wide as `fit` makes it."""
    out.print(fit(table))


def fit(table: Table, console: Console = out) -> Table:
    """The same table, as wide as it must be: the names of its rows, its first column, are never cut or wrapped.

    On a terminal other columns are wrapped between words; what is still too wide goes beyond the window's end, and
    is not cut. A pipe has no end that could cut anything.
    """
    names = table.columns[0]
    options = console.options.update(max_width=_NO_TERMINAL_WIDTH)
    names.no_wrap, names.min_width = True, max(Measurement.get(console, options, cell).maximum for cell in names.cells)
    needed = Measurement.get(console, options, table)
    table.width = max(needed.minimum, min(needed.maximum, console.width)) if console.is_terminal else needed.maximum
    return table


def show_facts(values: Mapping[str, Any]) -> None:
    """Print names and values on stdout, one a line, never cut or wrapped."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        out.print(f"[bold]{name.replace('_', ' '):{width}}[/]  {escape(words(value))}", highlight=False)


def words(value: Any) -> str:
    """A fact as people write it: a dash for nothing, yes and no, and names with their values one after the other."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}"
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {words(each)}" for name, each in value.items()) or "-"
        case list() | tuple():
            return ", ".join(map(words, value)) or "-"
    return str(value)


def steps(records: Sequence[Mapping[str, Any]]) -> Table:
    """Step records, one a row: what was seen and what was done."""
    table = Table("step", "asks for", "ready", "not ready", "action", "reward", box=None, pad_edge=False)
    for record in records:
        seen, asked, outcome = record["obs"], record["resources"], record["outcome"]
        blocked = f" (blocked: {outcome['reason']})" if outcome["blocked"] else ""
        table.add_row(
            str(record["step"]),
            f"{asked['replicas']} x {asked['cpu']}, {asked['memory']}",
            f"{seen['ready']} of {record['target']}",
            _not_ready(seen),
            escape(record["action"]["name"] + blocked),
            f"{record['reward']:+.2f}",
        )
    return table


def _not_ready(seen: Mapping[str, int]) -> str:
    """How many pods are not Ready, by the reason."""
    reasons = ("pending", "oom_killed", "cpu_starved")
    return ", ".join(f"{seen[name]} {name.replace('_', '-')}" for name in reasons if seen[name])


def measures(agents: Mapping[str, Sequence[Measures]]) -> Table:
    """What was measured: a block for each problem, in it the agents under one another."""
    from runner.evaluation.evaluate import TOTAL

    table = Table(box=None, pad_edge=False)
    table.add_column("problem\n  agent")
    for title in ("n", "solved %", "steps/optimum\nmedian", "\nmean", "over-\nallocation %", "return"):
        table.add_column(title, no_wrap=True)
    problems = list(dict.fromkeys(row.problem for rows in agents.values() for row in rows))
    for problem in [*(name for name in problems if name != TOTAL), TOTAL]:
        table.add_row(f"[bold]{escape(problem)}[/]")
        for agent, row in ((agent, row) for agent, rows in agents.items() for row in rows if row.problem == problem):
            table.add_row(
                Padding(escape(agent), (0, 0, 0, 2)),
                str(row.n),
                _interval(row.solved_rate, 1, 100),
                _interval(row.median_steps_ratio, 2),
                _spread(row.mean_steps_ratio, 2),
                _spread(row.over_allocation, 1, 100),
                _spread(row.mean_return, 2),
            )
    return table


def _interval(estimate: Estimate | None, digits: int, scale: int = 1) -> str:
    """A value and the ends of its interval."""
    if estimate is None:
        return "-"
    text = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({scale * estimate.low:.{digits}f}–{scale * estimate.high:.{digits}f})"


def _spread(estimate: Estimate | None, digits: int, scale: int = 1) -> str:
    """A value, and half of what its interval spans."""
    if estimate is None:
        return "-"
    text = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ± {scale * (estimate.high - estimate.low) / 2:.{digits}f}"


def generated(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Generated problems: where they are, what they are, and how few actions solve them."""
    table = Table("path", "problem", "seed", "target", "nodes", "least actions", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    return table


def solution(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A solved scenario's facts for `show_facts`: equal actions counted, requests as one text."""
    counted = ", ".join(f"{count} x {name}" for name, count in Counter(facts["actions"]).items())
    asked = {key: "{replicas} x {cpu}, {memory}".format(**facts[key]) for key in ("start", "end")}
    return {**facts, "actions": counted or None, **asked}


def rates(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rates with their median and spread, after what tells them apart."""
    facts = [name for name in rows[0] if name not in ("median", "low", "high")]
    table = Table(*facts, title, "lowest", "highest", box=None, pad_edge=False)
    for row in rows:
        figures = (f"{row[name]:,.0f}" for name in ("median", "low", "high"))
        table.add_row(*(escape(str(row[name])) for name in facts), *figures)
    return table


def deployments(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Deployments and what they ask for at the end of a trace."""
    table = Table("namespace", "deployment", "replicas", "cpu", "memory", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("deleted" if value is None else escape(str(value)) for value in row.values()))
    return table
