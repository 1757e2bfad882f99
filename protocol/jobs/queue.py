"""The life of a job in the bucket: find it, read its manifest, end it.

    pending ──▶ (in_progress: attempts) ──▶ result.json ──▶ finished        a manifest that cannot be read: rejected

A job is over once result.json exists; everything after that is clearing up, which anyone may do again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from env.words import count
from protocol.jobs.lease import Attempts, Lease, attempts, create_claim, failures_so_far
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, Refused, Unreadable
from protocol.wire.job_documents import Claim, Manifest, Result, ResultStatus
from protocol.wire.keys import Mark


@dataclass(frozen=True)
class Queue:
    """The unfinished jobs, oldest first, with what is known of their attempts.

    Attributes:
        strays: jobs that have marks but no pending manifest: over and not quite cleared away, or just submitted.
    """

    jobs: dict[str, Attempts]
    strays: tuple[str, ...]
    server_time: float

    def free(self, ttl_s: float) -> Iterator[str]:
        """Jobs without a living owner, oldest first."""
        return (job_id for job_id, view in self.jobs.items() if not view.alive(self.server_time, ttl_s))


def list_queue(bucket: Bucket, only: str | None = None) -> Queue:
    """Two listings that show every unfinished job, for any number of finished ones; or only this one."""
    manifests = keys.PENDING if only is None else keys.pending_manifest(only)
    pending = [job_id for entry in bucket.list(manifests).entries if (job_id := keys.parse_manifest(entry.key))]
    listing = bucket.list(keys.IN_PROGRESS if only is None else keys.in_progress(only))
    views = attempts(listing.entries)
    marked = {row.job_id for entry in listing.entries if (row := keys.parse_progress(entry.key))}
    return Queue(
        jobs={job_id: views.get(job_id, Attempts()) for job_id in pending},
        strays=tuple(sorted(marked.difference(pending))),
        server_time=listing.server_time,
    )


@dataclass(frozen=True)
class ClaimedJob:
    """A job that this process owns now. `newest_state` is the key to resume from, None at the beginning."""

    lease: Lease
    manifest: Manifest
    newest_state: str | None


def claim(
    bucket: Bucket,
    job_id: str,
    view: Attempts,
    worker: str,
    ttl_s: float,
    prepare: Callable[[Manifest], None] = lambda manifest: None,
) -> ClaimedJob | None:
    """Claim a free job; None if it is over, unreadable, cancelled, out of attempts, or another worker was faster.

    A job that can only end is ended here: any worker may record its result.

    Args:
        view: The job's attempts as listed.
        prepare: Called before the claim, once the job is known to be one that can be run.

    Raises:
        OtherRelease: it is another release's job; it stays in the queue as it is.
        Refused, Unreadable: the endpoint refuses one of its objects; it stays in the queue as it is.
    """
    key = keys.pending_manifest(job_id)
    try:
        manifest = documents.read(bucket, Manifest, key)
    except Unreadable:
        raise  # others may be able to read it
    except BadDocument as error:
        reject(bucket, job_id, str(error))
        return None
    if manifest is None:
        return None
    manifest.require_current(key)
    if view.cancelled:
        finish(bucket, ended(job_id, ResultStatus.CANCELLED, "cancelled by a user"))
        return None
    if view.attempt >= keys.MAX_ATTEMPT:
        _forget_attempt(bucket, job_id, view.attempt)
        return None  # the next listing shows what else there is
    prepare(manifest)
    newest = newest_state(bucket, job_id)
    progress = keys.parse_state(newest) or 0 if newest else 0
    failures, last_words = failures_so_far(bucket, job_id, view, progress)
    if failures >= manifest.training.max_attempts:
        finish(
            bucket, ended(job_id, ResultStatus.FAILED, f"{count(failures, 'attempt')} failed; the last: {last_words}")
        )
        return None
    body = Claim(worker=worker, failures=failures, progress=progress, claimed_at=documents.timestamp())
    lease = create_claim(bucket, job_id, view.attempt + 1, body, ttl_s)
    if lease is None:
        return None
    if is_over(bucket, job_id):
        clear_away(bucket, job_id)  # it ended between the listing and the claim
        return None
    return ClaimedJob(lease, manifest, newest)


def _forget_attempt(bucket: Bucket, job_id: str, attempt: int) -> None:
    """Delete the marks of an attempt with no number after it: they are no worker's, and would lock the job for ever.

    Harmless as `Lease._forget` is: its lease has run out.
    """
    for mark in (Mark.HEARTBEAT, Mark.RELEASED, Mark.CLAIM):
        bucket.delete(keys.attempt_mark(job_id, mark, attempt))


def newest_state(bucket: Bucket, job_id: str) -> str | None:
    """The key of a job's highest state, None if it has none."""
    states = [e.key for e in bucket.list(keys.states(job_id)).entries if keys.parse_state(e.key)]
    return states[-1] if states else None  # listings are in key order, and six digits keep that numeric


def is_over(bucket: Bucket, job_id: str) -> bool:
    """Whether the job has its result."""
    return bucket.exists(keys.result(job_id))


def reject(bucket: Bucket, job_id: str, reason: str) -> None:
    """Take a manifest that cannot be read out of the queue, with the reason; its job ends, so no group waits for it."""
    try:
        body = bucket.get(keys.pending_manifest(job_id), Manifest.max_bytes)
    except Refused:
        body = b""
    if body is not None:
        bucket.ensure_created(keys.rejected_manifest(job_id), body)
    result = ended(job_id, ResultStatus.REJECTED, reason)
    bucket.ensure_created(keys.rejected_error(job_id), result.to_bytes())
    bucket.ensure_created(keys.result(job_id), result.to_bytes())
    clear_away(bucket, job_id)


def finish(bucket: Bucket, result: Result) -> bool:
    """Record how a job ended; True if this is what is recorded (the first result stays)."""
    won = bucket.ensure_created(keys.result(result.job_id), result.to_bytes())
    clear_away(bucket, result.job_id)
    return won


def ended(job_id: str, status: ResultStatus, reason: str) -> Result:
    """The result of a job that ends without a worker."""
    return Result(job_id=job_id, status=status, error=reason[:4000], finished_at=documents.timestamp())


def clear_away(bucket: Bucket, job_id: str) -> None:
    """After the result exists: move the manifest, delete the attempts' marks. May be repeated and interrupted anywhere.

    Deleting is safe now: a worker that creates a claim late asks for the result before it works.
    """
    if not bucket.exists(keys.rejected_manifest(job_id)):
        try:
            body = bucket.get(keys.pending_manifest(job_id), Manifest.max_bytes)
        except Refused:
            body = None
        if body is not None:
            bucket.ensure_created(keys.finished_manifest(job_id), body)
    bucket.delete(keys.pending_manifest(job_id))
    _clear_marks(bucket, job_id)


def _clear_marks(bucket: Bucket, job_id: str) -> None:
    for entry in bucket.list(keys.in_progress(job_id)).entries:
        bucket.delete(entry.key)


def sweep(bucket: Bucket, strays: tuple[str, ...]) -> None:
    """Clear away marks that outlived their job: a process died while clearing, a late renewal landed, or a process
    slept through a purge; one that works all the same finds its claim gone and stops."""
    for job_id in strays:
        if is_over(bucket, job_id):
            clear_away(bucket, job_id)
        elif not bucket.exists(keys.pending_manifest(job_id)):  # else it was submitted between the two listings
            _clear_marks(bucket, job_id)
