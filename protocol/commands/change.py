"""`dispatch cancel`, `retry` and `purge`: ending jobs, taking them up again, deleting what they left."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from env.words import count
from protocol.commands.options import BucketChoice, Job, LeaseChoice, Name
from runner.commands.console import Exit, confirm, fail, note, nothing_to_do, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice


@flattened
def cancel(name: Name, where: BucketChoice, lease: LeaseChoice, output: OutputChoice) -> None:
    """End a job, or a federation with all its jobs. Exit code 3 if it had ended already."""
    from protocol.commands.buckets import open_bucket
    from protocol.commands.cancel import cancel as cancel_
    from protocol.wire import ids
    from protocol.wire.probe import probe

    ids.valid_id(name)
    place = open_bucket(where.bucket)
    probe(place)  # it creates results, as a worker does
    ended = cancel_(place, name, lease.lease_ttl)
    if not ended:
        nothing_to_do(f"{name}: had ended already")
    if output.as_json:
        print_json({"ended": ended})
        return
    for line in ended:
        out.print(line, highlight=False)


@flattened
def retry(job: Job, where: BucketChoice, output: OutputChoice) -> None:
    """Queue a failed or cancelled job again under a new id, as it was submitted, from the last state that was kept."""
    from protocol.commands.buckets import open_bucket
    from protocol.commands.status import require_job
    from protocol.jobs.submit import submit_job, submitted_of
    from protocol.wire import documents, ids, keys
    from protocol.wire.job_documents import Result, ResultStatus
    from protocol.wire.probe import probe

    place = open_bucket(where.bucket)
    result = documents.read(place, Result, keys.result(ids.valid_id(job)))
    if result is None:
        require_job(place, job)
        fail(f"job {job}: has not ended; nothing to retry", Exit.NOTHING_TO_DO)
    if result.status is ResultStatus.SUCCESS:
        fail(f"job {job}: ended well; nothing to retry", Exit.NOTHING_TO_DO)
    if (member := keys.parse_member_job(job)) and place.exists(keys.federation(member[0])):
        fail(
            f"job {job}: a member has left its federation {member[0]!r} for good; "
            "submit the federation again under another --group"
        )
    manifest, same = submitted_of(place, job)
    if not same:
        note(f"{keys.finished_manifest(job)} is not what was submitted; what was submitted is queued")
    probe(place)
    submitted = submit_job(place, manifest.training, retry_of=job)
    if output.as_json:
        print_json({"bucket": place.name, **asdict(submitted)})
        return
    out.print(f"job {submitted.job_ids[0]} queued, goes on where {job} ended", highlight=False)


@flattened
def purge(
    name: Name,
    where: BucketChoice,
    output: OutputChoice,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what a job or a federation that has ended left: weights, states, results. Its name stays taken.

    Exit code 3 if it was purged before.
    """
    from protocol.commands.buckets import open_bucket
    from protocol.commands.purge import delete, leftovers
    from protocol.wire import ids

    ids.valid_id(name)
    place = open_bucket(where.bucket)
    found = leftovers(place, name)
    if not found:
        nothing_to_do(f"{name}: was purged before")
    if not yes:
        confirm(f"Delete {count(len(found), 'object')} of {name} in {place.name}?")
    delete(place, found)
    if output.as_json:
        print_json({"name": name, "deleted": len(found)})
    else:
        out.print(f"{count(len(found), 'object')} deleted", highlight=False)
