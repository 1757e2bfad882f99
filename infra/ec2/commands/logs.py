"""`ec2-workers logs`: what a machine wrote, also when it is gone, and what EC2 saw of one that never got so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from env.errors import UsageError
from infra.ec2.aws import Aws, AwsError, RegionOption
from infra.ec2.fleet import INSTANCE_ID
from protocol.wire.errors import Refused, StoreError
from runner.commands.console import Exit, err, fail, note, print_json, print_lines
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.ec2.fleet import Instance
    from protocol.wire.bucket import Bucket

LOGS = ("boot.log", "worker.log")  # in the order of a machine's life


@flattened
def logs(
    output: OutputChoice,
    instance: Annotated[str, typer.Argument(metavar="ID", help="An instance id, as `ec2-workers status` shows it.")],
    boot: Annotated[bool, typer.Option("--boot", help="Only the log of its boot.")] = False,
    bucket: Annotated[
        str | None,
        typer.Option(
            envvar="SIM_ARENA_BUCKET", metavar="NAME", help="Default: the machine's own, as long as EC2 remembers it."
        ),
    ] = None,
    region: RegionOption = None,
) -> None:
    """Print the end of a machine's logs.

    Boot log and worker log, 64 KiB each, or its console if there are none. They are in the bucket, so they outlive the
    machine. Exit code 3 if there is nothing.
    """
    if not INSTANCE_ID.fullmatch(instance):
        raise UsageError(f"instance {instance[:80]!r}: no instance id; `ec2-workers status` shows them")
    aws, known, problems = _ask(instance, region)
    parts, refused = _written(instance, [bucket, known.bucket if known else None], LOGS[:1] if boot else LOGS)
    problems += refused
    if not parts and aws and known:
        parts, refused = _console(aws, instance)
        problems += refused
    _print(instance, parts, output)
    if known and known.state == "running":
        note(f"a shell there: aws ssm start-session --target {instance} --region {known.region}", whole=True)
    if parts:
        for problem in problems:
            err.print(f"[yellow]warning[/]: {escape(problem)}", highlight=False)
        return
    if problems:
        fail(f"{instance}: its logs cannot be read: " + "; ".join(problems))
    if known:
        note(f"{instance}: nothing written yet, and nothing on its console")
    elif aws:
        there = f"bucket {bucket!r} has no log of it" if bucket else "if it ended long ago, pass its --bucket"
        note(f"{instance}: EC2 knows no such machine of ours in {aws.region} (--region); {there}")
    raise typer.Exit(int(Exit.NOTHING_TO_DO))


def _print(instance: str, parts: Sequence[tuple[str, str]], output: OutputChoice) -> None:
    if output.as_json and parts:
        print_json({"instance": instance, "logs": [{"name": name, "text": text} for name, text in parts]})
        return
    for name, text in parts:
        note(f"== {name}")
        print_lines(text if text.endswith("\n") else f"{text}\n")


def _ask(instance: str, region: str | None) -> tuple[Aws | None, Instance | None, list[str]]:
    """The machine as EC2 knows it, if it does, or why it could not be asked."""
    from infra.ec2.fleet import find

    try:
        aws = Aws(region)
        return aws, next(iter(find(aws, ids=[instance], gone=True)), None), []
    except AwsError as error:
        return None, None, [str(error)]


def _written(
    instance: str, buckets: Iterable[str | None], names: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Logs by name from the first bucket that has any, and why others could not be read."""
    from protocol.commands.buckets import open_bucket

    problems = []
    for bucket in dict.fromkeys(filter(None, buckets)):
        try:
            found, refused = _in_bucket(open_bucket(bucket), instance, names)
        except StoreError as error:
            problems.append(str(error))
            continue
        if found:
            return found, refused
        problems += refused
    return [], problems


def _in_bucket(bucket: Bucket, instance: str, names: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """The logs that can be read, and why others cannot."""
    from infra.ec2.watch.reports import read_log

    found, refused = [], []
    for name in names:
        try:
            text = read_log(bucket, instance, name)
        except Refused as error:
            refused.append(str(error))
        else:
            if text:
                found.append((name, text))
    return found, refused


def _console(aws: Aws, instance: str) -> tuple[list[tuple[str, str]], list[str]]:
    """EC2's console output: of now, which only newer instance types have, else as EC2 kept it at the last start or end
    (API reference: GetConsoleOutput)."""
    from infra.ec2.watch.reports import plain

    problems = []
    for of_now in (True, False):
        try:
            # boto3 has decoded it.
            answer = aws.ask("ec2", "get_console_output", InstanceId=instance, **({"Latest": True} if of_now else {}))
        except AwsError as error:
            problems = [str(error)]
            continue
        if text := plain(answer.get("Output") or "").strip():
            return [("console, as EC2 saw it", text)], []
        problems = []
    return [], problems
