"""`dispatch purge`: delete what a federation that has ended left."""

from __future__ import annotations

from protocol.commands.status import require_federation
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import ProtocolError
from runner.commands.console import progress


def purge(bucket: Bucket, group: str) -> int:
    """Delete everything of a federation that has ended; returns the number of objects, 0 if it was purged before.

    federation.json and outcome.json stay: a name is never used twice, so a process that was paused meanwhile cannot
    mistake another federation for its own. A purge that was cut short can be run again.

    Raises:
        ProtocolError: it has not ended, or some of its jobs have not.
    """
    federation = require_federation(bucket, group)
    job_ids = [keys.member_job(group, member) for member in range(federation.size)]
    if not bucket.exists(keys.outcome(group)):
        raise ProtocolError(f"{group}: has not ended; wait for it, or first: dispatch cancel {group}")
    unfinished = [job_id for job_id in job_ids if bucket.exists(keys.pending_manifest(job_id))]
    if unfinished:
        raise ProtocolError(f"{group}: {', '.join(unfinished[:3])} have not ended; first: dispatch cancel {group}")
    key_of = (keys.finished_manifest, keys.rejected_manifest, keys.rejected_error)
    single = [of(job_id) for job_id in job_ids for of in key_of]
    listed = [entry.key for job_id in job_ids for entry in bucket.list(keys.results(job_id)).entries]
    listed += [entry.key for entry in bucket.list(keys.rounds(group)).entries]
    deleted = len(listed) + sum(bucket.exists(key) for key in single)
    for key in progress([*single, *listed], "deleting"):
        bucket.delete(key)
    return deleted
