"""`dispatch list`, `status`, `inspect` and `download`: the state of jobs, and their results. They change nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from env.words import count
from protocol.commands.options import BucketChoice, Group, Job, LeaseChoice, Name
from runner.commands.console import Exit, err, fail, note, out, print_json, print_lines
from runner.options.flatten import flattened
from runner.options.output import OutputChoice


@flattened
def list_(
    where: BucketChoice,
    lease: LeaseChoice,
    output: OutputChoice,
    last: Annotated[int, typer.Option(metavar="N", min=0, help="How many finished jobs to show.")] = 20,
) -> None:
    """Show unfinished jobs and the newest finished ones."""
    from protocol.commands import tables
    from protocol.commands.buckets import open_bucket
    from protocol.commands.status import all_jobs
    from runner.commands.tables import show

    rows = all_jobs(open_bucket(where.bucket), lease.lease_ttl, last)
    if output.as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        show(tables.jobs_table(rows))
    else:
        err.print("no jobs")


@flattened
def status(
    group: Group,
    where: BucketChoice,
    lease: LeaseChoice,
    output: OutputChoice,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until the federation has ended.")] = False,
    rounds: Annotated[int, typer.Option(metavar="N", min=0, help="How many of the last rounds to show.")] = 10,
) -> None:
    """Show a federation's members and rounds. With --watch, exit code 1 if it failed."""
    from rich.live import Live

    from protocol.commands import tables
    from protocol.commands.buckets import open_bucket
    from protocol.commands.status import federation_summary
    from protocol.wire import ids
    from protocol.wire.federation_documents import OutcomeStatus

    place = open_bucket(where.bucket)
    now = federation_summary(place, ids.valid_group(group), lease.lease_ttl, recent=rounds)
    if not watch:
        print_json(asdict(now)) if output.as_json else out.print(tables.group_table(now))
        return
    with Live(tables.group_table(now), console=err, auto_refresh=False, transient=output.as_json) as live:
        while now.outcome is None:
            place.clock.sleep(2.0)
            now = federation_summary(place, group, lease.lease_ttl, recent=rounds, closed_before=now.closed)
            live.update(tables.group_table(now), refresh=True)
    if output.as_json:
        print_json(asdict(now))
    if now.outcome == OutcomeStatus.FAILED:
        fail(f"federation {group}: {now.reason}")


@flattened
def inspect(
    job: Job,
    where: BucketChoice,
    lease: LeaseChoice,
    output: OutputChoice,
    steps: Annotated[bool, typer.Option("--steps", help="Print the step records (JSON Lines).")] = False,
    log: Annotated[bool, typer.Option("--log", help="Print the training log.")] = False,
    ckpt: Annotated[bool, typer.Option("--ckpt", help="Describe the newest state or checkpoint.")] = False,
) -> None:
    """Show a job's result, or how far it is."""
    from protocol.commands.buckets import open_bucket
    from protocol.commands.inspect import about, describe_state, text_of
    from protocol.wire import ids
    from runner.commands.tables import show_facts

    place = open_bucket(where.bucket)
    ids.valid_id(job)
    if steps or log:
        name = "steps.jsonl" if steps else "train.log"
        print_lines(text_of(place, job, name))
    elif ckpt:
        print_json(describe_state(place, job))
    elif output.as_json:
        print_json(about(place, job, lease.lease_ttl))
    else:
        facts = about(place, job, lease.lease_ttl)
        show_facts({name: value for name, value in facts.items() if value not in (None, "", {}, [])})


@flattened
def download(
    name: Name,
    where: BucketChoice,
    output: OutputChoice,
    to: Annotated[Path | None, typer.Option(metavar="DIR", help="The folder. Default: runs/NAME.")] = None,
) -> None:
    """Fetch the files of a job or a federation.

    A job's result and files; or a federation's weights, rounds and all its jobs'. Objects that cannot be read are named
    and left out.
    """
    from protocol.commands.buckets import open_bucket
    from protocol.commands.download import download as download_
    from protocol.wire import ids

    place = open_bucket(where.bucket)
    folder = to or Path("runs") / ids.valid_id(name)
    found = download_(place, ids.valid_id(name), folder)
    for line in found.left_out:
        note(f"left out: {line}")
    if output.as_json:
        print_json({"folder": str(folder), "files": found.files, "left_out": found.left_out})
    else:
        out.print(f"{count(len(found.files), 'file')} in {folder}", highlight=False)
    if found.incomplete:
        raise typer.Exit(int(Exit.FAILED))
