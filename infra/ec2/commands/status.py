"""`ec2-workers status`: what runs, what it does, what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Annotated

import typer

from env.printable import json_text
from env.words import count
from protocol.commands.options import LeaseChoice
from runner.commands.console import fail, note, nothing_to_do, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from rich.console import Group

    from infra.ec2.watch.status import FleetStatus, InstanceRow
    from runner.commands.fitted import FittedTable

REFRESH_S = 5.0
_ROOMY = 110  # columns
_STYLES = {
    "working": "green",
    "idle": "yellow",
    "booting": "cyan",
    "starting": "cyan",
    "failed": "bold red",
    "lost": "bold red",
    "overdue": "bold white on red",
    "interrupted": "magenta",
    "terminated": "dim",
}


@flattened
def status(
    lease: LeaseChoice,
    output: OutputChoice,
    bucket: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Machines of this bucket only."),
    ] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="Machines of this group only.")] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="AWS region; may be given several times. Default: boto3's own setting."),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Also machines that ended as planned within the last hour.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until no machine is left. With --json, one line for each look.")
    ] = False,
) -> None:
    """Show all machines: state, age, cost so far, job, last heartbeat, last log line.

    Machines that failed or were interrupted are shown for about an hour after their end. Exit code 3 if there are none,
    1 if a region could not be asked.
    """
    from infra.ec2.aws import Aws
    from infra.ec2.commands.view import chosen
    from infra.ec2.watch.status import InstanceFilter, fleet_status, follow
    from protocol.commands.buckets import open_bucket

    regions = [Aws(name) for name in dict.fromkeys(region)] if region else [Aws()]
    wanted = InstanceFilter(bucket, group, all_)
    opened, alive = cache(open_bucket), set[str]()

    def see() -> FleetStatus:
        # Who watches a fleet to its end wants to know what all of it has cost.
        fleet = fleet_status(regions, wanted, opened, time.time, lease.lease_ttl, alive)
        alive.update(row.id for row in fleet.machines if row.living)
        return fleet

    fleet = see()
    if not fleet.machines and not fleet.unasked:
        where = f"{chosen(group, bucket)} in {', '.join(aws.region for aws in regions)}"
        nothing_to_do(f"no machines{where}; other regions: --region NAME")
    shown = fleet
    with _screen(output.as_json, watch) as show:
        for shown in follow(fleet, see, _wait) if watch else [fleet]:
            show(shown)
    if shown.unasked:
        fail(f"not asked: {', '.join(shown.unasked)}; there may be more machines")


def _wait(problem: str) -> None:
    if problem:
        note(problem)
    time.sleep(REFRESH_S)


@contextmanager
def _screen(as_json: bool, watch: bool) -> Iterator[Callable[[FleetStatus], None]]:
    """Where looks are shown: in place on a terminal that is watched, else one after the other."""
    if as_json and watch:
        yield lambda fleet: typer.echo(json_text(asdict(fleet), indent=None))
    elif as_json:
        yield lambda fleet: print_json(asdict(fleet))
    elif watch and out.is_terminal:
        from rich.live import Live

        with Live(console=out, auto_refresh=False) as live:
            yield lambda fleet: live.update(picture(fleet, sum_first=True), refresh=True)
    else:
        yield lambda fleet: out.print(picture(fleet))


def picture(fleet: FleetStatus, *, sum_first: bool = False) -> Group:
    """The fleet as tables, one for each group, with totals and warnings.

    Args:
        sum_first: where the end may be below the window's.
    """
    from rich.console import Group
    from rich.text import Text

    from infra.ec2.commands.view import by_group

    tables = by_group(fleet.machines, _table)
    said = [Text(_sum(fleet)), *(Text.assemble(("warning", "yellow"), f": {line}") for line in fleet.warnings)]
    return Group(*said, *tables) if sum_first else Group(*tables, *said)


def _table(rows: Iterable[InstanceRow]) -> FittedTable:
    from rich.text import Text

    from infra.ec2.watch.states import InstanceState, duration
    from runner.commands.fitted import FittedTable

    roomy = not out.is_terminal or out.width >= _ROOMY
    wide = ("type", "job", "last log line")
    table = FittedTable("instance", "state", "age", "about", *(wide if roomy else ("job",)))
    for row in rows:
        word = "past its time" if row.state is InstanceState.OVERDUE else row.state.value
        table.add_row(
            row.id,
            Text(word, style=_STYLES.get(row.state.value, "default")),
            duration(row.age_s),
            "?" if row.usd_so_far is None else (f"${row.usd_so_far:.2f}", f"${row.usd_so_far:.0f}"),
            *([Text(f"{row.type} spot" if row.market == "spot" else row.type)] if roomy else []),
            Text(_what(row)),
            *([Text(row.log_line, style="dim")] if roomy else []),
        )
    return table


def _what(row: InstanceRow) -> str:
    from infra.ec2.watch.states import duration

    parts = [row.detail] if row.detail else []
    if row.job:
        doing = row.doing or (f"episode {row.episode}" if row.episode else "")
        parts.append(f"{row.job}{doing and ': '}{doing} ({duration(row.heartbeat_age_s or 0.0)} ago)")
    return "; ".join(parts)


def _sum(fleet: FleetStatus) -> str:
    totals = fleet.totals
    machines = count(totals.machines, "machine")
    jobs = "not known"
    if totals.jobs_running is not None:
        jobs = f"{totals.jobs_running} running, {totals.jobs_pending} pending"
    return f"{machines}, about ${totals.usd_per_hour:.2f} an hour and ${totals.usd_so_far:.2f} so far; jobs: {jobs}"
