"""What `sim-arena suggest --usage FILE` says without manifests, trace or cluster: requests for the file's workloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from env.errors import UsageError
from env.quantity import format_cpu
from runner.commands import tables
from runner.commands.console import Exit, fail, out, print_json, print_lines
from runner.commands.fitted import FittedTable
from runner.commands.suggest_tests import draw_tests, show_tests

if TYPE_CHECKING:
    from env.usage.owners import Owner
    from env.usage.usage import ContainerKey, ContainerUse, Usage
    from runner.commands.suggest_all import Printed
    from runner.suggest.backtest.walk import Backtest

_HINT = "what they request now is not known; -f PATH, --trace FILE or a cluster says it, and then there are patches"
_TITLES = ("container", "cpu", "memory", "memory is enough by")


def suggest_usage(path: Path, only: Owner | None, kappa: float | None, printed: Printed) -> None:
    """Print what would be enough for the containers of a file.

    Raises:
        ConfigError: The file cannot be read.
        UsageError: What is to be printed needs to know what they request now.
    """
    from env.usage.usage_file import read_usage_file
    from runner.suggest.backtest.tested import backtested, season_policy, with_proposals
    from runner.suggest.backtest.texts import document, markdown
    from runner.suggest.texts import escaped, markdown_table

    if printed.patch_dir or printed.fail_on_not_ready:
        raise UsageError(f"--patch-dir, --fail-on: {_HINT}")
    usage = read_usage_file(path, only=only)
    tested = backtested(usage, season_policy(), kappa)
    usage, tests = with_proposals(usage, tested), dict(sorted(tested.found.items()))
    uses = {key: use for key, use in sorted(usage.uses.items()) if use.is_known}
    if not uses:
        fail(f"{path}: tells the use of no workload that is meant; nothing to do", Exit.NOTHING_TO_DO)
    rows = [_cells(key, use, tests.get(key)) for key, use in uses.items()]
    if printed.as_json:
        print_json(_document(path, usage, uses) | {"backtests": document(tests)})
    elif printed.markdown:
        notes = "\n".join(f"- {escaped(each)}" for each in [*usage.notes, _HINT])
        print_lines(f"### Requests by use\n\n{notes}\n\n{markdown_table(_TITLES, rows)}\n{markdown(tests, {})}")
    else:
        tables.show_facts({"source": str(path)})
        for line in usage.notes:
            out.print(f"use: {line}", markup=False, highlight=False)
        out.print()
        tables.show(_table(rows))
        show_tests(tests, {})
        out.print()
        out.print(_HINT, highlight=False)
    draw_tests(printed.picture, tests, {})


def _table(rows: list[tuple[str, ...]]) -> FittedTable:
    from rich.markup import escape

    table = FittedTable(*_TITLES)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _cells(key: ContainerKey, use: ContainerUse, test: Backtest | None) -> tuple[str, ...]:
    from env.usage.enough import enough, mib_text
    from runner.suggest.backtest.texts import name_of

    amounts = enough(use)
    return (
        name_of(key),
        "unknown" if amounts.cpu_m is None else format_cpu(amounts.cpu_m),
        "unknown" if amounts.memory_bytes is None else mib_text(amounts.memory_bytes),
        "" if amounts.memory_bytes is None else f"backtest: {test.chosen.name}" if test else "its peak",
    )


def _document(path: Path, usage: Usage, uses: Mapping[ContainerKey, ContainerUse]) -> dict[str, Any]:
    from env.usage.enough import enough

    def row(key: ContainerKey, use: ContainerUse) -> dict[str, Any]:
        amounts = enough(use)
        asked = {"cpu_m": amounts.cpu_m, "memory_bytes": amounts.memory_bytes}
        used = {"used_cpu_m": use.cpu_m, "used_memory_bytes": use.memory_bytes, "window_s": use.window_s}
        return {**key._asdict(), **asked, **used}

    return {
        "source": str(path),
        "containers": [row(key, use) for key, use in uses.items()],
        "notes": list(usage.notes),
    }
