"""`dispatch cancel`: end a job, or a federation with all its jobs."""

from __future__ import annotations

from protocol.commands.status import require_federation, require_job
from protocol.jobs import queue
from protocol.jobs.lease import Attempts, attempts
from protocol.rounds.federation import closed_rounds, end
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument
from protocol.wire.federation_documents import OutcomeStatus
from protocol.wire.job_documents import Cancel, Manifest, ResultStatus


def cancel(bucket: Bucket, name: str, ttl_s: float) -> list[str]:
    """Cancel a job or a group; returns a line for each thing that was ended, none if it had all ended.

    A job with a living owner is ended by that owner, within a third of the lease; any other one here and now.

    Raises:
        UnknownName: there is neither a job nor a group of this name.
        OtherRelease: it is a newer release's.
    """
    if bucket.exists(keys.federation(name)):
        return _cancel_group(bucket, name, ttl_s)
    require_job(bucket, name)
    line = _cancel_job(bucket, name, ttl_s)
    return [line] if line else []


def _cancel_group(bucket: Bucket, group: str, ttl_s: float) -> list[str]:
    federation = require_federation(bucket, group)
    lines = []
    if not bucket.exists(keys.outcome(group)):
        closed = closed_rounds(bucket, group, federation.rounds)
        outcome = end(bucket, group, OutcomeStatus.FAILED, closed, "cancelled by a user")
        lines.append(f"{group}: {outcome.reason}")
    job_ids = (keys.member_job(group, member) for member in range(federation.size))
    return lines + [line for job_id in job_ids if (line := _cancel_job(bucket, job_id, ttl_s))]


def _cancel_job(bucket: Bucket, job_id: str, ttl_s: float) -> str | None:
    if queue.is_over(bucket, job_id):
        return None
    if _is_queued(bucket, job_id):
        body = Cancel(by="dispatch", at=documents.timestamp()).to_bytes()
        bucket.ensure_created(keys.cancel(job_id), body)
        listing = bucket.list(keys.in_progress(job_id))
        if attempts(listing.entries).get(job_id, Attempts()).alive(listing.server_time, ttl_s):
            return f"{job_id}: its worker will stop within {ttl_s / 3:.0f} s"
    queue.finish(bucket, queue.ended(job_id, ResultStatus.CANCELLED, "cancelled by a user"))
    return f"{job_id}: cancelled"


def _is_queued(bucket: Bucket, job_id: str) -> bool:
    """Whether there is a manifest to cancel; a group's members are queued after the group.

    A mark of a job without a manifest is swept away as a leftover, and a late sweep would take the mark of a job that
    is queued in the meantime. Its result alone ends it: workers ask for that before they work.
    """
    try:
        return documents.read(bucket, Manifest, keys.pending_manifest(job_id)) is not None
    except BadDocument:
        return True  # one that cannot be read may be cancelled; one of a newer release may not
