"""`dispatch list`, `status`, `inspect` and `download`: the state of jobs, and their results. They change nothing."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.words import count
from protocol.commands.options import BucketChoice, Group, Job, LeaseChoice, Name
from runner.commands.console import Exit, err, fail, next_steps, note, out, print_json, print_lines
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from protocol.commands.status import FederationSummary
    from protocol.wire.bucket import Bucket


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
    score: Annotated[
        bool,
        typer.Option("--score", help="Play the newest global model on unseen problems; with --watch the last."),
    ] = False,
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
        if output.as_json:
            print_json({**asdict(now), **_score(place, now, wanted=score)})
        else:
            out.print(tables.group_table(now))
            _show_score(_score(place, now, wanted=score))
        return
    with Live(tables.group_table(now), console=err, auto_refresh=False, transient=output.as_json) as live:
        while now.outcome is None:
            place.clock.sleep(2.0)
            now = federation_summary(place, group, lease.lease_ttl, recent=rounds, closed_before=now.closed)
            live.update(tables.group_table(now), refresh=True)
    found = _score(place, now, wanted=score and now.closed > 0)
    if output.as_json:
        print_json({**asdict(now), **found})
    else:
        _show_score(found)
    if now.outcome == OutcomeStatus.FAILED:
        fail(f"federation {group}: {now.reason}")


def _score(bucket: Bucket, now: FederationSummary, *, wanted: bool) -> dict[str, Any]:
    """The newest global model's score as JSON has it; empty if it is not asked for."""
    if not wanted:
        return {}
    from protocol.commands.score import model_score
    from protocol.commands.status import require_federation

    return {"score": asdict(model_score(bucket, require_federation(bucket, now.group), now.closed))}


def _show_score(found: dict[str, Any]) -> None:
    for score in found.values():
        solved, n = round(score["n"] * score["solved_rate"]), score["n"]
        out.print(
            f"global model of round {score['round']}, greedy: {solved} of {n} {score['problems']} solved, "
            f"{score['mean_steps']:.1f} steps, return {score['mean_return']:+.2f}; solved: {score['solved']}",
            highlight=False,
        )


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
        # They come from the bucket.
        if found.evaluated and all(word.isprintable() and len(word) < 1000 for word in found.evaluated):
            next_steps(f"sim-arena evaluate {shlex.join(found.evaluated)}")
    if found.incomplete:
        raise typer.Exit(int(Exit.FAILED))
