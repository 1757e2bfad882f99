"""`dispatch purge`: delete what a job or a federation that has ended left."""

from __future__ import annotations

from collections.abc import Sequence

from protocol.commands.status import require_federation, require_job
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from runner.commands.console import progress


def leftovers(bucket: Bucket, name: str) -> list[str]:
    """The keys that a purge of a job or a group deletes; none if it was purged before.

    What says that the name was used stays, so that a process that was paused meanwhile cannot take it up again: of a
    federation federation.json and outcome.json, of a job result.json.

    Raises:
        ProtocolError: it has not ended, or it is a member's job.
        UnknownName: there is neither a job nor a group of this name.
    """
    return _of_group(bucket, name) if bucket.exists(keys.federation(name)) else _of_job(bucket, name)


def delete(bucket: Bucket, found: Sequence[str]) -> None:
    """Delete what was found; if this is cut short it can be done again."""
    for key in progress(found, "deleting"):
        bucket.delete(key)


def purge(bucket: Bucket, name: str) -> int:
    """Delete everything that a purge deletes; returns the number of objects. Raises as `leftovers`."""
    found = leftovers(bucket, name)
    delete(bucket, found)
    return len(found)


def _of_group(bucket: Bucket, group: str) -> list[str]:
    federation = require_federation(bucket, group)
    job_ids = [keys.member_job(group, member) for member in range(federation.size)]
    if not bucket.exists(keys.outcome(group)):
        raise ProtocolError(f"{group}: has not ended; wait for it, or first: dispatch cancel {group}")
    unfinished = [job_id for job_id in job_ids if bucket.exists(keys.pending_manifest(job_id))]
    if unfinished:
        raise ProtocolError(f"{group}: {', '.join(unfinished[:3])} have not ended; first: dispatch cancel {group}")
    listed = [entry.key for job_id in job_ids for entry in bucket.list(keys.results(job_id)).entries]
    listed += [entry.key for entry in bucket.list(keys.rounds(group)).entries]
    listed += [key for key in (keys.report(group),) if bucket.exists(key)]
    return [*_manifests(bucket, job_ids), *listed]


def _of_job(bucket: Bucket, job_id: str) -> list[str]:
    require_job(bucket, job_id)
    member = keys.parse_member_job(job_id)
    if member is not None and bucket.exists(keys.federation(member[0])):
        raise ProtocolError(f"{job_id}: is purged with its federation: dispatch purge {member[0]}")
    if bucket.exists(keys.pending_manifest(job_id)):
        raise ProtocolError(f"{job_id}: has not ended; wait for it, or first: dispatch cancel {job_id}")
    listed = [entry.key for entry in bucket.list(keys.results(job_id)).entries]
    return [*_manifests(bucket, [job_id]), *(key for key in listed if key != keys.result(job_id))]


def _manifests(bucket: Bucket, job_ids: Sequence[str]) -> list[str]:
    """The manifests of jobs that have ended."""
    key_of = (keys.submitted_manifest, keys.finished_manifest, keys.rejected_manifest, keys.rejected_error)
    return [key for job_id in job_ids for of in key_of if bucket.exists(key := of(job_id))]
