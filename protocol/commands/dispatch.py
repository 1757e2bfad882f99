"""`dispatch`: submit jobs and federations, watch them, end them, fetch what came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from protocol.commands import tables
from protocol.commands.console import BucketOption, JsonOption, LeaseOption, open_bucket
from protocol.commands.submit import submit
from protocol.jobs.lease import LEASE_TTL_S
from protocol.jobs.submit import submit_job
from protocol.wire import documents, ids, keys
from protocol.wire.federation_documents import OutcomeStatus
from protocol.wire.job_documents import Manifest, Result, ResultStatus
from protocol.wire.probe import probe
from runner.commands.console import Exit, err, fail, new_app, out, print_json, run
from runner.commands.tables import show

app = new_app("Submit training jobs and federations to a bucket, watch them, end them, fetch what came out.")

Name = Annotated[str, typer.Argument(metavar="JOB|GROUP", help="A job id or a federation's group.")]

app.command("submit")(submit)


@app.command("list")
def list_(
    bucket: BucketOption,
    last: Annotated[int, typer.Option(min=0, help="How many finished jobs to show.")] = 20,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show unfinished jobs and the newest finished ones."""
    from protocol.commands.status import all_jobs

    rows = all_jobs(open_bucket(bucket), lease_ttl, last)
    if as_json:
        print_json([asdict(row) for row in rows])
    elif rows:
        show(tables.jobs_table(rows))
    else:
        err.print("no jobs")


@app.command()
def status(
    bucket: BucketOption,
    group: Annotated[str, typer.Argument(help="A federation's group.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on until the federation has ended.")] = False,
    rounds: Annotated[int, typer.Option(min=0, help="How many of the last rounds to show.")] = 10,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show a federation's members and rounds. With --watch, exit code 1 if it failed."""
    from protocol.commands.status import federation_summary

    place = open_bucket(bucket)
    now = federation_summary(place, ids.valid_group(group), lease_ttl, recent=rounds)
    if not watch:
        print_json(now.as_json()) if as_json else out.print(tables.group_table(now))
        return
    with Live(tables.group_table(now), console=err, auto_refresh=False, transient=as_json) as live:
        while now.outcome is None:
            place.clock.sleep(2.0)
            now = federation_summary(place, group, lease_ttl, recent=rounds, closed_before=now.closed)
            live.update(tables.group_table(now), refresh=True)
    if as_json:
        print_json(now.as_json())
    if now.outcome == OutcomeStatus.FAILED:
        fail(f"federation {group}: {now.reason}")


@app.command()
def cancel(bucket: BucketOption, name: Name, lease_ttl: LeaseOption = LEASE_TTL_S) -> None:
    """End a job, or a federation with all its jobs. Exit code 3 if it had ended already."""
    from protocol.commands.cancel import cancel as cancel_

    ids.valid_id(name)
    place = open_bucket(bucket)
    probe(place)  # it creates results, as a worker does
    ended = cancel_(place, name, lease_ttl)
    if not ended:
        err.print(f"{name}: had ended already")
        raise typer.Exit(int(Exit.NOTHING_TO_DO))
    for line in ended:
        out.print(line, highlight=False)


@app.command()
def retry(bucket: BucketOption, job: Annotated[str, typer.Argument(help="A failed or cancelled job.")]) -> None:
    """Queue a failed or cancelled job again under a new id; it goes on from the last state that was kept."""
    from protocol.commands.status import require_job

    place = open_bucket(bucket)
    result = documents.read(place, Result, keys.result(ids.valid_id(job)))
    if result is None:
        require_job(place, job)
        fail(f"job {job}: has not ended; nothing to retry", Exit.NOTHING_TO_DO)
    if result.status is ResultStatus.SUCCESS:
        fail(f"job {job}: ended well; nothing to retry", Exit.NOTHING_TO_DO)
    key = keys.finished_manifest(job)
    manifest = documents.read(place, Manifest, key) or documents.read(place, Manifest, keys.pending_manifest(job))
    if manifest is None or result.status is ResultStatus.REJECTED:
        fail(f"job {job}: its manifest could never be read ({result.error}); submit it anew")
    manifest.require_current(key)
    if manifest.federation:
        fail(
            f"job {job}: a member has left its federation {manifest.federation.group!r} for good; "
            "submit the federation again under another --group"
        )
    probe(place)
    submitted = submit_job(place, manifest.training, retry_of=job)
    out.print(f"job {submitted.job_ids[0]} queued, goes on where {job} ended", highlight=False)


@app.command()
def inspect(
    bucket: BucketOption,
    job: Annotated[str, typer.Argument(help="A job id.")],
    steps: Annotated[bool, typer.Option("--steps", help="Print the step records (JSON Lines).")] = False,
    log: Annotated[bool, typer.Option("--log", help="Print the training log.")] = False,
    ckpt: Annotated[bool, typer.Option("--ckpt", help="Describe the newest state or checkpoint.")] = False,
    lease_ttl: LeaseOption = LEASE_TTL_S,
    as_json: JsonOption = False,
) -> None:
    """Show a job's result, or how far it is."""
    from protocol.commands.inspect import about, describe_state, text_of

    place = open_bucket(bucket)
    ids.valid_id(job)
    if steps or log:
        name = "steps.jsonl" if steps else "train.log"
        typer.echo(text_of(place, job, name), nl=False)
    elif ckpt:
        print_json(describe_state(place, job))
    elif as_json:
        print_json(about(place, job, lease_ttl))
    else:
        show(tables.facts_table(about(place, job, lease_ttl)))


@app.command()
def download(
    bucket: BucketOption,
    name: Name,
    to: Annotated[Path | None, typer.Option("--to", help="Folder; default: runs/NAME.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a job's result and files, or a federation's weights, rounds and all its jobs'."""
    from protocol.commands.download import download as download_

    place = open_bucket(bucket)
    folder = to or Path("runs") / ids.valid_id(name)
    files = download_(place, ids.valid_id(name), folder)
    if as_json:
        print_json({"folder": str(folder), "files": files})
    else:
        out.print(f"{len(files)} files in {folder}", highlight=False)


@app.command()
def purge(
    bucket: BucketOption,
    group: Annotated[str, typer.Argument(help="A federation that has ended.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what a federation that has ended left: weights, states, results. Its name stays taken."""
    from protocol.commands.purge import purge as purge_

    place = open_bucket(bucket)
    if not yes:
        typer.confirm(f"Delete all objects of {group} in {place.name}?", abort=True, err=True)
    deleted = purge_(place, ids.valid_group(group))
    out.print(f"{deleted} objects deleted", highlight=False)


def main() -> None:
    run(app)
