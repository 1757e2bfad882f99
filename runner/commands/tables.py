"""Tables for people."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from env.printable import one_line
from runner.commands.console import out
from runner.commands.fitted import FittedTable

if TYPE_CHECKING:
    from env.embedded.left_out import LeftOut
    from env.workload import Resources
    from runner.evaluation.intervals import Estimate
    from runner.evaluation.measure import Measures


_LONGEST = 100_000  # characters of one fact, which may be a list
# Titles, and how they are written where they may be wrapped.
_MEDIAN = ("median steps/optimum", "median steps / optimum")
_MEAN = ("mean steps/optimum", "mean steps / optimum")
_OVER_ALLOCATION = ("over-allocation %", "over- allocation %")
_BROKEN = ("neighbours broken %", "neighbours broken %")


def show(table: FittedTable) -> None:
    """Print a table on stdout."""
    out.print(table)


def show_facts(values: Mapping[str, Any]) -> None:
    """Print names and values on stdout, one a line; on a terminal long values are wrapped at spaces."""
    width = max(map(len, values), default=0)
    for name, value in values.items():
        label = f"{one_line(_name(name)):{width}}  "
        first, *rest = _lines(label, one_line(words(value), _LONGEST), out.width if out.is_terminal else None)
        out.print(Text.assemble((first[: len(label)], "bold"), first[len(label) :]), highlight=False, soft_wrap=True)
        for line in rest:
            out.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(label: str, text: str, window: int | None) -> list[str]:
    """A label and a text beside it, or below it where one of its words is too long for that."""
    if window is None or len(label) + len(text) <= window:
        return [label + text]
    beside = len(label) + max(map(len, text.split())) <= window
    indent = " " * (len(label) if beside else 2)
    wrap = textwrap.TextWrapper(
        window, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    first, *rest = wrap.wrap(text)
    return [label + first[len(label) :], *rest] if beside else [label.rstrip(), first, *rest]


def show_why(every: Sequence[str]) -> None:
    """Print on stdout what keeps pods from being Ready, a line each."""
    for each in every:
        show_facts({"why": each})


def show_left_out(every: Sequence[LeftOut]) -> None:
    """Print what a verdict does not cover on stdout, a line each."""
    for each in every:
        out.print(f"[bold]not simulated[/]  {escape(str(each))}", highlight=False, soft_wrap=True)


def left_out_document(each: LeftOut) -> dict[str, str]:
    """The same as JSON holds it."""
    return {"kind": each.kind, "name": each.name, "consequence": each.consequence}


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
            return ", ".join(f"{_name(name)} {words(each)}" for name, each in value.items()) or "-"
        case list() | tuple():
            return ", ".join(map(words, value)) or "-"
    return str(value)


def asked(resources: Resources) -> dict[str, Any]:
    """What a Deployment asks for, in Kubernetes' own units."""
    from env.quantity import format_cpu, format_memory

    cpu, memory = format_cpu(resources.cpu_m), format_memory(resources.memory_bytes)
    return {"replicas": resources.replicas, "cpu": cpu, "memory": memory}


def _name(name: str) -> str:
    """The name of a field as words; any other name, as that of a file, as it is."""
    return name.replace("_", " ") if name.isidentifier() else name


def steps(records: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Step records, one a row: what was seen and what was done."""
    table = FittedTable("step", "asks for", "ready", "not ready", "action", "reward")
    for record in records:
        seen, asked, outcome = record["obs"], record["resources"], record["outcome"]
        blocked = f" (blocked: {outcome['reason']})" if outcome["blocked"] else ""
        table.add_row(
            str(record["step"]),
            _asked(asked),
            f"{seen['ready']} of {record['target']}",
            _not_ready(seen),
            escape(record["action"]["name"] + blocked),
            (f"{record['reward']:+.2f}", f"{record['reward']:+.1f}"),
        )
    return table


def end(after: Mapping[str, Any], target: int) -> str:
    """What a workload asked for and how many of its pods were ready after the last step, in words."""
    not_ready = _not_ready(after["obs"])
    return f"{_asked(after['resources'])}; {after['obs']['ready']} of {target} ready" + (not_ready and f", {not_ready}")


def _asked(resources: Mapping[str, Any]) -> str:
    return "{replicas} x {cpu}, {memory}".format(**resources)


def _not_ready(seen: Mapping[str, int]) -> str:
    """How many pods are not Ready, by the reason."""
    reasons = ("pending", "oom_killed", "cpu_starved")
    own = [f"{seen[name]} {name.replace('_', '-')}" for name in reasons if seen[name]]
    return ", ".join([*own, *([f"{seen['broken']} of others"] if seen["broken"] else [])])


def measures(agents: Mapping[str, Sequence[Measures]]) -> FittedTable:
    """What was measured: a block for each problem, in it the agents under one another.

    Where clusters are shared, a column says how often neighbours are broken at the end.
    """
    from runner.evaluation.evaluate import TOTAL

    shares = any(row.shared for rows in agents.values() for row in rows)
    titles = ("n", "solved %", _MEDIAN, _MEAN, _OVER_ALLOCATION, *((_BROKEN,) if shares else ()), "return")
    table = FittedTable("problem and agent", *titles)
    problems = list(dict.fromkeys(row.problem for rows in agents.values() for row in rows))
    for problem in [*(name for name in problems if name != TOTAL), TOTAL]:
        table.add_row(f"[bold]{escape(problem)}[/]")
        for agent, row in ((agent, row) for agent, rows in agents.items() for row in rows if row.problem == problem):
            table.add_row(
                f"  {escape(agent)}",
                str(row.n),
                _forms(_interval, row.solved_rate, 1, 100),
                _forms(_interval, row.median_steps_ratio, 2),
                _forms(_spread, row.mean_steps_ratio, 2),
                _forms(_spread, row.over_allocation, 1, 100),
                *((_forms(_interval, row.broken_rate, 1, 100),) if shares else ()),
                _forms(_spread, row.mean_return, 2),
            )
    return table


def _forms(
    form: Callable[[Estimate, int, int], str], estimate: Estimate | None, digits: int, scale: int = 1
) -> tuple[str, ...]:
    """A value with its interval, the same with a digit less, and the value alone."""
    if estimate is None:
        return ("-",)
    return (*(form(estimate, each, scale) for each in (digits, digits - 1)), f"{scale * estimate.value:.{digits - 1}f}")


def _interval(estimate: Estimate, digits: int, scale: int) -> str:
    """A value and the ends of its interval."""
    text = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ({scale * estimate.low:.{digits}f}–{scale * estimate.high:.{digits}f})"


def _spread(estimate: Estimate, digits: int, scale: int) -> str:
    """A value, and half of what its interval spans."""
    text = f"{scale * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} ± {scale * (estimate.high - estimate.low) / 2:.{digits}f}"


def estimate(found: Mapping[str, Any] | None, digits: int, scale: int) -> tuple[str, ...]:
    """A figure of a report, with the ends of its interval where there is room."""
    from runner.evaluation.intervals import Estimate

    known = None if found is None else Estimate(found["value"], found["low"], found["high"])
    return _forms(_interval, known, digits, scale)


def evaluation(rows: Sequence[Mapping[str, Any]]) -> FittedTable:
    """The evaluation table of a model's file: a row for each agent and kind of problems."""
    table = FittedTable("problems", "agent", "episodes", "solved %", "return", "steps")
    for row in rows:
        table.add_row(
            escape(row["problems"]),
            escape(row["agent"]),
            str(row["episodes"]),
            estimate(row["solved_rate"], 1, 100),
            estimate(row["mean_return"], 2, 1),
            estimate(row["mean_steps"], 2, 1),
        )
    return table


def generated(rows: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Generated problems: where they are, what they are, and how few actions solve them."""
    table = FittedTable("path", "problem", "seed", "target", "nodes", "least actions")
    for row in rows:
        table.add_row(*("-" if value is None else escape(str(value)) for value in row.values()))
    return table


def solution(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A solved scenario's facts for `show_facts`: equal actions counted, requests as one text."""
    counted = ", ".join(f"{count} x {name}" for name, count in Counter(facts["actions"]).items())
    asked = {key: _asked(facts[key]) for key in ("start", "end")}
    return {**facts, "actions": counted or None, **asked}


def rates(title: str, rows: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Rates with their median and spread, after what tells them apart."""
    facts = [name for name in rows[0] if name not in ("median", "low", "high")]
    table = FittedTable(*facts, title, "lowest", "highest")
    for row in rows:
        figures = (f"{row[name]:,.0f}" for name in ("median", "low", "high"))
        table.add_row(*(escape(str(row[name])) for name in facts), *figures)
    return table


def deployments(rows: Sequence[Mapping[str, Any]]) -> FittedTable:
    """Deployments and what they ask for at the end of a trace."""
    table = FittedTable("namespace", "deployment", "replicas", "cpu", "memory")
    for row in rows:
        table.add_row(*("deleted" if value is None else escape(str(value)) for value in row.values()))
    return table


_MOST_NAMES = 3


def skipped(rows: Sequence[tuple[str, Sequence[str], str]]) -> FittedTable:
    """What was read and is not replayed: kind, names, and why."""
    table = FittedTable("not replayed", "name", "why")
    for kind, names, why in rows:
        more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        table.add_row(escape(kind), escape(", ".join(names[:_MOST_NAMES]) + more), escape(why))
    return table
