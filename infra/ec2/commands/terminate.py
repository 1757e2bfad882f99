"""`ec2-workers terminate`: end instances, and say of each that it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from protocol.commands.console import JsonOption
from protocol.wire.errors import UsageError
from runner.commands.console import Exit, err, fail, out, print_json

if TYPE_CHECKING:
    from rich.console import Console, Group

    from infra.ec2.fleet import Instance
    from infra.ec2.watch.terminating import Choice, Ending, Found, Trouble


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(terminate)


def terminate(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Instances to end.")] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="End this group's instances.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="End all instances of this project, whoever launched them.")
    ] = False,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of these, only the instances of this bucket.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="AWS region; may be given several times. Default: boto3's own setting."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End instances: some by id, a group's, or all. They are found by their tags.

    Their workers are not waited for: another worker goes on with a job from its last saved episode. Exit code 3 if
    there was nothing to end, 1 if something may live on.
    """
    from infra.ec2.aws import Aws
    from infra.ec2.commands.view import chosen
    from infra.ec2.watch.terminating import end, look

    choice = _choice(tuple(ids or ()), group, all_, bucket)
    regions = [Aws(name) for name in dict.fromkeys(region)] if region else [Aws()]
    found = look(regions, choice)
    if all_ and found.living and not yes:
        _ask(found.living)
    endings: list[Ending] = []
    try:
        end(regions, found.living, endings.append)
    except KeyboardInterrupt:
        err.print(
            f"{len(endings)} of {len(found.living)} were ended; the same command ends the others", highlight=False
        )
        raise
    if as_json:
        print_json(_document(found, endings))
    elif endings:
        out.print(picture([(ending.instance, "ends" if ending.ended else "lives") for ending in endings], out))
    _leave(found, endings, f"{chosen(group, bucket)} in {', '.join(aws.region for aws in regions)}")


def _choice(ids: tuple[str, ...], group: str | None, all_: bool, bucket: str | None) -> Choice:
    from infra.ec2.watch.terminating import Choice

    if sum((bool(ids), group is not None, all_)) != 1:
        raise UsageError("say what to end in one way: instance ids, --group GROUP, or --all")
    return Choice(group, ids, bucket)


def _ask(instances: Sequence[Instance]) -> None:
    err.print(picture([(instance, instance.state) for instance in instances], err))
    count = "1 instance" if len(instances) == 1 else f"{len(instances)} instances"
    if not sys.stdin.isatty():
        raise UsageError(f"--all would end {count}; confirm with --yes")
    typer.confirm(f"End {count}?", abort=True, err=True)


def _leave(found: Found, endings: Sequence[Ending], where: str) -> None:
    """Say what is not as it was asked for, and leave with the exit code that tells so."""
    from infra.ec2.watch.terminating import Trouble

    for one in found.gone:
        err.print(f"{one} has ended already", markup=False, highlight=False)
    alive = [Trouble(ending.instance.id, ending.why) for ending in endings if not ending.ended]
    troubles: list[Trouble] = [*found.strangers, *found.unasked, *alive]
    for why, same in groupby(troubles, lambda trouble: trouble.why):
        err.print(f"{', '.join(trouble.what for trouble in same)}: {why}", markup=False, highlight=False)
    if alive or found.unasked:
        fail("not all may have ended; the same command tries again")
    if troubles:
        raise typer.Exit(int(Exit.FAILED))
    if not endings:
        err.print(f"nothing to end{where}; other regions: --region NAME", markup=False, highlight=False)
        raise typer.Exit(int(Exit.NOTHING_TO_DO))


def _document(found: Found, endings: Sequence[Ending]) -> dict[str, Any]:
    return {
        "ended": [asdict(ending.instance) for ending in endings if ending.ended],
        "alive": [{**asdict(ending.instance), "why_alive": ending.why} for ending in endings if not ending.ended],
        "ended_before": list(found.gone),
        "left_alone": {trouble.what: trouble.why for trouble in found.strangers},
        "regions_not_asked": {trouble.what: trouble.why for trouble in found.unasked},
    }


def picture(rows: Sequence[tuple[Instance, str]], console: Console) -> Group:
    """The instances, group by group, and what each does."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from infra.ec2.commands.view import ID_WIDTH, as_wide_as_needed, by_group, person
    from infra.ec2.watch.machines import short

    what = {(instance.region, instance.id): words for instance, words in rows}

    def table(instances: Iterable[Instance]) -> Table:
        found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        found.add_column("instance", no_wrap=True, min_width=ID_WIDTH)
        for name in ("type", "launched by", ""):
            found.add_column(name)
        for each in instances:
            found.add_row(each.id, each.type, Text(short(person(each.owner))), what[each.region, each.id])
        return as_wide_as_needed(found, console)

    return Group(*by_group([instance for instance, _ in rows], table))
