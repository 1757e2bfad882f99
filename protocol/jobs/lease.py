"""Attempts: who may work on a job now. Leases only save compute; what must be right is create-only.

    free ── create claim-n ──▶ owned ── renewed every ttl/3 ──▶ owned
                                 │ released-n        ▶ free at once, n+1 next
                                 │ silent for a ttl  ▶ free, n+1 next; counts as a failure
                                 │ cancel.json       ▶ ends as cancelled
                                 └ result.json       ▶ over

Age is judged by S3's clock alone: the Date of a listing minus the Last-Modified of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket, Created
from protocol.wire.errors import Refused, StoreError
from protocol.wire.job_documents import Claim, Heartbeat, Released
from protocol.wire.keys import Mark
from protocol.wire.store import ObjectSummary


@dataclass(frozen=True)
class Attempts:
    """What the listing says of one job: its highest attempt (0: none yet) and the newest sign of life of it."""

    attempt: int = 0
    touched: float = 0.0
    released: bool = False
    cancelled: bool = False

    def alive(self, server_time: float, ttl_s: float) -> bool:
        """Whether a worker owns the job now."""
        return self.attempt > 0 and not self.released and server_time - self.touched <= ttl_s


def attempts(entries: Iterable[ObjectSummary]) -> dict[str, Attempts]:
    """Per job id what the rows of jobs/in_progress/ say; rows that are not ours are passed over."""
    rows = [(entry, parsed) for entry in entries if (parsed := keys.parse_progress(entry.key))]
    highest: dict[str, int] = {}
    for _, row in rows:
        if row.mark in (Mark.CLAIM, Mark.CANCEL):
            highest[row.job_id] = max(highest.get(row.job_id, 0), row.attempt)
    found: dict[str, Attempts] = {job_id: Attempts(attempt) for job_id, attempt in highest.items()}
    for entry, row in rows:
        if row.job_id in found:
            found[row.job_id] = _with(found[row.job_id], row, entry.modified)
    return found


def _with(view: Attempts, row: keys.Progress, modified: float) -> Attempts:
    if row.mark is Mark.CANCEL:
        return replace(view, cancelled=True)
    if row.attempt != view.attempt:
        return view
    return replace(view, touched=max(view.touched, modified), released=view.released or row.mark is Mark.RELEASED)


class EndReason(Enum):
    """Why an owner must stop."""

    LOST = "another attempt took over, or no renewal got through for a whole lease"
    CANCELLED = "the job was cancelled"


class Lease:
    """An attempt that this process owns. It is renewed beside the work; the work asks `end_reason`."""

    def __init__(self, bucket: Bucket, job_id: str, attempt: int, worker: str, ttl_s: float, since: float) -> None:
        self.bucket = bucket
        self.job_id = job_id
        self.attempt = attempt
        self.worker = worker
        self.ttl_s = ttl_s
        self.doing = ""
        self.episode = 0
        self.reward: float | None = None
        self._seq = 0
        self._renewed = since  # by this machine's clock, taken before the request that succeeded
        self._verdict: EndReason | None = None
        self._closed = False

    def end_reason(self) -> EndReason | None:
        """Why the owner must stop, None while it may go on. Right even if the renewing thread hangs."""
        if self._verdict is None and self.bucket.clock.now() - self._renewed >= self.ttl_s:
            self._verdict = EndReason.LOST
        return self._verdict

    def renew(self) -> None:
        """One renewal: write the heartbeat, then look whether the attempt is still the highest."""
        started = self.bucket.clock.now()
        self._seq += 1
        heartbeat = Heartbeat(
            worker=self.worker, seq=self._seq, episode=self.episode, reward=self.reward, phase=self.doing
        )
        key = keys.attempt_mark(self.job_id, Mark.HEARTBEAT, self.attempt)
        self.bucket.put_without_retry(key, heartbeat.to_bytes())
        if self._closed:  # the job's marks may have been cleared away while this one was on its way
            self.bucket.delete(key)
            return
        self.check()
        self._renewed = started

    def check(self) -> None:
        """List the job's own prefix: a higher attempt or a cancel ends this one, and so does the end of the job."""
        entries = self.bucket.list(keys.in_progress(self.job_id)).entries
        view = attempts(entries).get(self.job_id, Attempts())
        if view.cancelled:
            self._verdict = EndReason.CANCELLED
        elif view.attempt != self.attempt:  # taken over; or cleared away, since the job has its result
            self._verdict = EndReason.LOST
        elif self._seq == 1:
            self._forget(entries)

    def _forget(self, entries: Iterable[ObjectSummary]) -> None:
        """Delete the marks of attempts before the last one, so that a job's listing stays short.

        Harmless: a slow contender may create such a claim again and believe that it owns the job; its first `check`
        shows it the higher attempt, and all it may have written until then is create-only or its own attempt's.
        """
        for entry in entries:
            row = keys.parse_progress(entry.key)
            if row and row.mark is not Mark.CANCEL and row.attempt < self.attempt - 1:
                with suppress(Refused):
                    self.bucket.delete(entry.key)

    def start_renewing(self, renewed: Callable[[], None] = lambda: None) -> None:
        """Start renewing beside the work, every ttl/3, until `close`; `renewed` is called after each renewal."""
        self.bucket.clock.spawn(lambda: self._renew_until_closed(renewed))

    def close(self) -> None:
        """End the renewals; the work is over."""
        self._closed = True

    def _renew_until_closed(self, renewed: Callable[[], None]) -> None:
        clock = self.bucket.clock
        while self._held():
            with self.bucket.watch() as failed:
                while self._held():
                    try:
                        self.renew()
                        break
                    except StoreError as error:
                        failed(error)
                    clock.sleep(self.ttl_s / 30)  # soon again; `end_reason` counts the silence
            if self._held():
                renewed()
                clock.sleep(self.ttl_s / 3)

    def _held(self) -> bool:
        return not (self._closed or self.bucket.clock.stopping() or self.end_reason())

    def release(self, reason: str, *, failed: bool = False) -> None:
        """Give the attempt up, so that the next worker need not wait for the lease to run out."""
        self.close()
        body = Released(worker=self.worker, failed=failed, reason=reason[:1000]).to_bytes()
        self.bucket.create(keys.attempt_mark(self.job_id, Mark.RELEASED, self.attempt), body)


def create_claim(bucket: Bucket, job_id: str, attempt: int, claim_: Claim, ttl_s: float) -> Lease | None:
    """Try to own an attempt of a job; None if another was faster, or if that is unknown."""
    since = bucket.clock.now()
    answer = bucket.create(keys.attempt_mark(job_id, Mark.CLAIM, attempt), claim_.to_bytes())
    return Lease(bucket, job_id, attempt, claim_.worker, ttl_s, since) if answer is Created.WON else None


def failures_so_far(bucket: Bucket, job_id: str, view: Attempts, progress: int) -> tuple[int, str]:
    """How many attempts of a free job have ended uncleanly since it last made progress, and how the last one ended.

    The count travels in the claims, since the marks of old attempts are deleted. Where a mark is gone or cannot be read
    the count starts anew, which costs attempts, not safety.

    Args:
        progress: the episode of the job's newest state.
    """
    if view.attempt == 0:
        return 0, ""
    last = documents.read_if_valid(bucket, Claim, keys.attempt_mark(job_id, Mark.CLAIM, view.attempt))
    before = last.failures if last and last.progress >= progress else 0
    if not view.released:
        return before + 1, f"worker {last.worker if last else '?'} fell silent"
    release = documents.read_if_valid(bucket, Released, keys.attempt_mark(job_id, Mark.RELEASED, view.attempt))
    if release is not None and release.failed:
        return before + 1, release.reason
    return before, ""
