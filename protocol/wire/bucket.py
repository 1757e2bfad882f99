"""The bucket as the protocol uses it: create-only writes with a clear answer, and reads that survive faults.

Creating, as a table (the whole safety of the protocol rests on it):

    200                      won
    412, the nonce is mine   won (an earlier try of this very request landed)
    412, another's nonce     lost
    409                      nothing landed: again after jitter
    5xx, time-out, reset     it may have landed: the same body and nonce again, after jitter
    still so at the deadline unknown: the caller does not act as the owner
    400, 403                 Refused is raised: this key cannot be written
    501, no credentials      Unfit is raised: the endpoint cannot do this
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from protocol.wire.clock import Clock
from protocol.wire.errors import BadDocument, Conflict, Exists, Refused, Transient, Unfit, Unreadable
from protocol.wire.store import Blob, ObjectSummary, Store

T = TypeVar("T")

NONCE = "nonce"  # the user-metadata key that tells one's own object from another's
PATIENCE_S = 60.0  # how long a request is tried again before its failure is reported
DOCUMENT_BYTES = 256 * 1024
MAX_PAGES = 2_000  # of one listing: two million keys
WEIGHTS_BYTES = 1 << 30  # no update, weights or state is read beyond this
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


Watch = Callable[[], AbstractContextManager[Callable[[Exception], None]]]
"""Gives what is open while an answer is awaited, and is told of each try that failed."""


def unwatched() -> AbstractContextManager[Callable[[Exception], None]]:
    """A watch that tells nobody."""
    return nullcontext(lambda error: None)


class Created(Enum):
    """The answer to a create-only write."""

    WON = "won"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Listing:
    """All entries below a prefix; `server_time` is S3's clock when the listing began, epoch seconds."""

    entries: tuple[ObjectSummary, ...]
    server_time: float


class Bucket:
    """A store and a clock: every object that the protocol reads or writes passes here.

    Args:
        store: where the objects are.
        clock: time, waiting, jitter and nonces.
        patience_s: how long an unclear or failing request is tried again.
        watch: entered while an answer is awaited; tells a person of waits that are long.
    """

    def __init__(self, store: Store, clock: Clock, *, patience_s: float = PATIENCE_S, watch: Watch = unwatched) -> None:
        self.store = store
        self.clock = clock
        self.patience_s = patience_s
        self.watch = watch

    @property
    def name(self) -> str:
        return self.store.name

    def create(self, key: str, body: bytes, facts: Mapping[str, str] | None = None) -> Created:
        """Create an object that must not exist yet; see the table above.

        Args:
            facts: user metadata beside the nonce.

        Raises:
            Refused: this key may not be written.
            Unfit: the endpoint cannot do this.
        """
        nonce = self.clock.nonce()
        metadata = {**(facts or {}), NONCE: nonce}
        deadline = self.clock.now() + self.patience_s
        pause = _FIRST_PAUSE_S
        with self.watch() as failed:
            while True:
                try:
                    self.store.put(key, body, metadata, create_only=True)
                    return Created.WON
                except Exists:
                    try:
                        owner = self.metadata(key)
                    except Refused:
                        return Created.LOST  # what this process writes it can read
                    if owner is not None:
                        return Created.WON if owner.get(NONCE) == nonce else Created.LOST
                    # Gone between the two requests (a purge): the next round of the loop will tell.
                except (Conflict, Transient) as error:
                    failed(error)
                if self.clock.now() >= deadline or self.clock.stopping():
                    return Created.UNKNOWN
                pause = self._pause(pause)

    def ensure_created(self, key: str, body: bytes, facts: Mapping[str, str] | None = None) -> bool:
        """See to it that an object exists; True if this call created it.

        Raises:
            Transient: at the deadline it is still unknown whether it exists.
        """
        answer = self.create(key, body, facts)
        if answer is Created.UNKNOWN:
            raise Transient(f"{self.name}/{key}: no clear answer within {self.patience_s:.0f} s")
        return answer is Created.WON

    def upload(self, key_of: Callable[[str], str], body: bytes) -> str:
        """Store content under its SHA-256 (once is enough); returns the hash."""
        sha256 = hashlib.sha256(body).hexdigest()
        self.ensure_created(key_of(sha256), body)
        return sha256

    def content(self, key_of: Callable[[str], str], sha256: str, max_bytes: int) -> bytes:
        """What `upload` stored.

        Raises:
            BadDocument: it is gone, refused, too large, or not what its hash says.
        """
        key = key_of(sha256)
        try:
            body = self.get(key, max_bytes)
        except Refused as error:
            raise Unreadable(str(error)) from error
        if body is None:
            raise BadDocument(f"{self.name}/{key}: missing; submit the job again with its input")
        if hashlib.sha256(body).hexdigest() != sha256:
            raise BadDocument(f"{self.name}/{key}: its content is not what its name says")
        return body

    def put_without_retry(self, key: str, body: bytes) -> None:
        """One plain PUT, not tried again: for heartbeats and reports, whose next one comes anyway."""
        self.store.put(key, body, {}, create_only=False)

    def replace(self, key: str, body: bytes) -> None:
        """A plain PUT that is tried again: of a report, which nothing depends on."""
        self._again(lambda: self.store.put(key, body, {}, create_only=False))

    def get(self, key: str, max_bytes: int = DOCUMENT_BYTES) -> bytes | None:
        """An object's content, None if there is none."""
        blob = self.blob(key, max_bytes)
        return None if blob is None else blob.body

    def blob(self, key: str, max_bytes: int) -> Blob | None:
        """An object's content and user metadata, None if there is none."""
        return self._again(lambda: self.store.get(key, max_bytes))

    def metadata(self, key: str) -> Mapping[str, str] | None:
        """An object's user metadata, None if there is no object."""
        return self._again(lambda: self.store.metadata(key))

    def exists(self, key: str) -> bool:
        """Whether there is an object, readable or not."""
        try:
            return self.metadata(key) is not None
        except Refused:  # a HEAD does not say why; a listing knows, and needs no right to the object
            return any(entry.key == key for entry in self.list(key).entries)

    def list(self, prefix: str) -> Listing:
        """Everything below a prefix, over as many pages as it takes."""
        page = self._again(lambda: self.store.page(prefix, ""))
        entries, server_time = list(page.entries), page.server_time
        for _ in range(MAX_PAGES):
            if not page.more:
                break
            if not page.entries:
                raise Transient(f"{self.name}: LIST {prefix}: a page without keys, and more to come")
            after = page.entries[-1].key
            page = self._again(lambda: self.store.page(prefix, after))  # noqa: B023 (called at once)
            if page.entries and page.entries[0].key <= after:
                raise Unfit(f"{self.name}: the endpoint ignores StartAfter, so a long listing has no end")
            entries += page.entries
        else:
            raise Unfit(f"{self.name}: LIST {prefix}: more than {MAX_PAGES:,} pages; delete what is not ours there")
        return Listing(tuple(entries), server_time)

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        self._again(lambda: self.store.delete(key))

    def _again(self, request: Callable[[], T]) -> T:
        """An idempotent request, until it is answered or patience ends."""
        deadline = self.clock.now() + self.patience_s
        pause = _FIRST_PAUSE_S
        with self.watch() as failed:
            while True:
                try:
                    return request()
                except (Transient, Conflict) as error:
                    failed(error)
                    if self.clock.stopping() or not self.patience_s:
                        raise
                    if self.clock.now() >= deadline:
                        raise Transient(f"{error}; tried again for {self.patience_s:.0f} s") from error
                pause = self._pause(pause)

    def _pause(self, pause: float) -> float:
        """Wait a jittered pause; returns the next, longer one."""
        self.clock.sleep(pause * (0.5 + self.clock.jitter()))
        return min(2 * pause, _LONGEST_PAUSE_S)


def poll_delay(waited_s: float, jitter: float, expected_s: float = 0.0) -> float:
    """How long to wait before looking again: a tenth of the time waited so far, so that a poll costs at most 10 % in
    latency and the number of requests grows with the logarithm of the wait; at least 50 ms, at most 5 s.

    Args:
        waited_s: so far.
        jitter: in [0, 1).
        expected_s: how long it took the last time. Until four fifths of that have passed, polls are rare.
    """
    early_s = 0.8 * expected_s - waited_s
    if early_s > 0:
        return min(5.0, early_s)
    return min(5.0, max(0.05, 0.02 * expected_s, -0.1 * early_s)) * (0.5 + jitter)
