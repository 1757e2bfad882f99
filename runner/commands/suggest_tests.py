"""What `sim-arena suggest` shows of backtests: each container's rules, and how they would have gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from env.words import count
from runner.commands import tables
from runner.commands.console import note, out
from runner.commands.fitted import FittedTable

if TYPE_CHECKING:
    from env.trace.document import Trace
    from env.usage.containers import Amounts
    from env.usage.usage import ContainerKey
    from runner.suggest.backtest.walk import Backtest
    from runner.suggest.rows import Row

_MOST_SHOWN = 20  # containers on a terminal; each takes five or six lines


def tests_of(rows: Iterable[Row], tests: Mapping[ContainerKey, Backtest]) -> dict[ContainerKey, Backtest]:
    """The backtests of these workloads, in their order."""
    by_workload: dict[tuple[str, str, str], list[ContainerKey]] = {}
    for key in tests:
        by_workload.setdefault((key.kind, key.namespace, key.workload), []).append(key)
    return {key: tests[key] for row in rows for key in by_workload.get(row.before.key, ())}


def requests_now(trace: Trace) -> dict[ContainerKey, Amounts]:
    """What the containers of a trace request as given."""
    from env.usage.containers import containers, requests_of

    applied = [each for event in trace.events for each in event["applied_objs"]]
    return {key: requests_of(container) for each in applied for key, container in containers(each)}


def show_tests(tests: Mapping[ContainerKey, Backtest], now: Mapping[ContainerKey, Amounts]) -> None:
    """Print a table: a block for each container, in it the rules under one another."""
    if not tests:
        return
    from runner.suggest.backtest.texts import overruled, price, split

    shown = list(tests)[: _MOST_SHOWN if out.is_terminal else len(tests)]
    out.print()
    facts = {"backtest": split(tests), "kappa": price(tests)}
    tables.show_facts({**facts, **({"chosen": said} if (said := overruled(tests)) else {})})
    out.print()
    tables.show(tests_table({key: tests[key] for key in shown}, now))
    if len(shown) < len(tests):
        out.print(
            f"and {count(len(tests) - len(shown), 'container')} more; a pipe and --json have all", highlight=False
        )


def draw_tests(path: Path | None, tests: Mapping[ContainerKey, Backtest], now: Mapping[ContainerKey, Amounts]) -> None:
    """Write the picture, if one is asked for, and say what it shows.

    Raises:
        AgentError: The file cannot be written.
    """
    if path is None:
        return
    if not tests:
        note(f"--picture {path}: not written, as of no container two weeks of use are known")
        return
    from runner.suggest.backtest.picture import draw  # matplotlib, which takes a second

    shown = draw(tests, now, path)
    few = f" of {len(tests)}, of which most memory is typical" if shown < len(tests) else ""
    note(f"wrote {path}: {count(shown, 'container')}{few}")


def tests_table(tests: Mapping[ContainerKey, Backtest], now: Mapping[ContainerKey, Amounts]) -> FittedTable:
    """The table of these containers; `now` is what they request."""
    from rich.markup import escape

    from runner.suggest.backtest.texts import TITLES, heading, rows

    table = FittedTable(*TITLES)
    for key, test in tests.items():
        table.add_row(escape(heading(key, test, now.get(key))))
        (name, *first), *others = rows(test)
        table.add_row(f"[bold]{name}[/]", *first)
        for row in others:
            table.add_row(*row)
    return table
