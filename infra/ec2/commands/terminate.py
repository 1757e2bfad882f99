"""`ec2-workers terminate`: end instances, and say of each that it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.errors import UsageError
from env.words import count
from runner.commands.console import Exit, confirm, err, fail, note, nothing_to_do, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from rich.console import Group

    from infra.ec2.fleet import Instance
    from infra.ec2.watch.termination import Selected, Selection, Termination, TerminationProblem
    from runner.commands.fitted import FittedTable


@flattened
def terminate(
    output: OutputChoice,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Instances to end.")] = None,
    group: Annotated[str | None, typer.Option(metavar="GROUP", help="End this group's instances.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="End all instances of this project, of all owners.")] = False,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of these, only the instances of this bucket.")
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="AWS region; may be given several times. Default: boto3's own setting."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")] = False,
) -> None:
    """End instances: some by id, a group's, or all. They are found by their tags.

    Their workers are not waited for: another worker goes on with a job from its last saved episode. Exit code 3 if
    there was nothing to end, 1 if something may live on.
    """
    from infra.ec2.aws import Aws
    from infra.ec2.commands.view import chosen
    from infra.ec2.watch.termination import select, terminate_all

    selection = _choice(tuple(ids or ()), group, all_, bucket)
    regions = [Aws(name) for name in dict.fromkeys(region)] if region else [Aws()]
    found = select(regions, selection)
    if all_ and found.living and not yes:
        _ask(found.living)
    terminations: list[Termination] = []
    try:
        terminate_all(regions, found.living, terminations.append)
    except KeyboardInterrupt:
        note(f"{len(terminations)} of {len(found.living)} were ended; the same command ends the others")
        raise
    if output.as_json:
        print_json(_document(found, terminations))
    elif terminations:
        out.print(
            picture([(termination.instance, "ends" if termination.ended else "lives") for termination in terminations])
        )
    _leave(found, terminations, f"{chosen(group, bucket)} in {', '.join(aws.region for aws in regions)}")


def _choice(ids: tuple[str, ...], group: str | None, all_: bool, bucket: str | None) -> Selection:
    from infra.ec2.watch.termination import Selection

    if sum((bool(ids), group is not None, all_)) != 1:
        raise UsageError("say what to end in one way: instance ids, --group GROUP, or --all")
    return Selection(group, ids, bucket)


def _ask(instances: Sequence[Instance]) -> None:
    err.print(picture([(instance, instance.state) for instance in instances]))
    confirm(f"End {count(len(instances), 'instance')}?")


def _leave(found: Selected, terminations: Sequence[Termination], where: str) -> None:
    """Say what is not as it was asked for, and leave with the exit code that tells so."""
    from infra.ec2.watch.termination import TerminationProblem

    for one in found.gone:
        note(f"{one} has ended already")
    alive = [
        TerminationProblem(termination.instance.id, termination.why)
        for termination in terminations
        if not termination.ended
    ]
    problems: list[TerminationProblem] = [*found.strangers, *found.unasked, *alive]
    for why, same in groupby(problems, lambda problem: problem.why):
        note(f"{', '.join(problem.what for problem in same)}: {why}")
    if alive or found.unasked:
        fail("not all may have ended; the same command tries again")
    if problems:
        raise typer.Exit(int(Exit.FAILED))
    if not terminations:
        nothing_to_do(f"nothing to end{where}; other regions: --region NAME")


def _document(found: Selected, terminations: Sequence[Termination]) -> dict[str, Any]:
    return {
        "ended": [asdict(termination.instance) for termination in terminations if termination.ended],
        "alive": [
            {**asdict(termination.instance), "why_alive": termination.why}
            for termination in terminations
            if not termination.ended
        ],
        "ended_before": list(found.gone),
        "left_alone": {problem.what: problem.why for problem in found.strangers},
        "regions_not_asked": {problem.what: problem.why for problem in found.unasked},
    }


def picture(rows: Sequence[tuple[Instance, str]]) -> Group:
    """The instances, group by group, and what each does."""
    from rich.console import Group
    from rich.text import Text

    from infra.ec2.commands.view import by_group, person
    from infra.ec2.watch.reports import short
    from runner.commands.fitted import FittedTable

    what = {(instance.region, instance.id): words for instance, words in rows}

    def table(instances: Iterable[Instance]) -> FittedTable:
        found = FittedTable("instance", "type", "launched by", "")
        for each in instances:
            found.add_row(each.id, each.type, Text(short(person(each.owner))), what[each.region, each.id])
        return found

    return Group(*by_group([instance for instance, _ in rows], table))
