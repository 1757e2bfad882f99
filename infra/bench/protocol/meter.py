"""Counting requests: who sent how many, of which kind, and what AWS would charge for them.

A `Meter` stands before a process's store, whichever that is, and writes every request into the run's `Ledger`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from protocol.wire import keys
from protocol.wire.errors import Exists
from protocol.wire.prices import DOLLARS
from protocol.wire.store import Blob, Page, Store


class RequestKind(StrEnum):
    """What a request is for."""

    WORK = "work"  # a member's state and update, and the global weights that it goes on from
    CLOSING = "closing"  # updates read, decision and global weights written
    POLL = "polls"  # is there anything new? Are those who keep a round waiting still alive?
    RENEWAL = "renewals"  # of a lease
    ONCE = "start and end"  # of a job or a federation


class RequestClass(NamedTuple):
    """What requests are counted by; `verb` is PUT, GET, HEAD, LIST or DELETE."""

    role: str
    kind: RequestKind
    verb: str


@dataclass(frozen=True)
class Counts:
    """Requests, bytes of bodies and rows of listings, by account."""

    requests: Mapping[RequestClass, int] = field(default_factory=Counter)
    bytes: Mapping[RequestClass, int] = field(default_factory=Counter)
    rows: Mapping[RequestClass, int] = field(default_factory=Counter)

    def __sub__(self, earlier: Counts) -> Counts:
        return Counts(
            Counter(self.requests) - Counter(earlier.requests),
            Counter(self.bytes) - Counter(earlier.bytes),
            Counter(self.rows) - Counter(earlier.rows),
        )

    def of(self, *kinds: RequestKind, role: str | None = None) -> int:
        """Requests of these kinds (all, if none is named), of one role or all. DELETE is counted too, though free."""
        return sum(
            count
            for account, count in self.requests.items()
            if (not kinds or account.kind in kinds) and role in (None, account.role)
        )

    def moved(self, *verbs: str) -> int:
        """Bytes of the bodies of these requests."""
        return sum(count for account, count in self.bytes.items() if account.verb in verbs)

    @property
    def dollars(self) -> float:
        return sum(DOLLARS[account.verb] * count for account, count in self.requests.items())

    def table(self) -> dict[str, dict[str, int]]:
        """Requests as JSON has them: by role and kind, then by verb."""
        found: dict[str, dict[str, int]] = {}
        for (role, kind, verb), count in sorted(self.requests.items()):
            found.setdefault(f"{role}, {kind}", {})[verb] = count
        return found


class Ledger:
    """What all processes of a run did with the keys of one federation.

    Attributes:
        delivered: when a member's update of a round was in, seconds: {round: {member: time}}.
        decided: when a round's decision was in.
        arrived: when a process had the global weights of a round: {round: {process: time}}.
    """

    def __init__(self, group: str, rounds: int) -> None:
        self.group = group
        self.rounds = rounds
        self.delivered: dict[int, dict[int, float]] = {}
        self.decided: dict[int, float] = {}
        self.arrived: dict[int, dict[str, float]] = {}
        self._globals = {keys.global_weights(group, r): r for r in range(1, rounds + 1)}
        self._decisions = {keys.decision(group, r): r for r in range(1, rounds + 1)}
        self._updates = {keys.updates(group, r): r for r in range(1, rounds + 1)}
        self._looks = {keys.outcome(group), keys.federation(group), keys.in_progress_of_group(group), keys.ACTIVE}
        self._queue = {keys.PENDING, keys.IN_PROGRESS}
        self._requests: Counter[RequestClass] = Counter()
        self._bytes: Counter[RequestClass] = Counter()
        self._rows: Counter[RequestClass] = Counter()
        self._lock = threading.Lock()

    def another(self) -> Ledger:
        """An empty one for the same federation."""
        return Ledger(self.group, self.rounds)

    def counts(self) -> Counts:
        """Everything so far."""
        with self._lock:
            return Counts(self._requests.copy(), self._bytes.copy(), self._rows.copy())

    def count(self, account: RequestClass, size: int, rows: int) -> None:
        """Take a request in."""
        with self._lock:
            self._requests[account] += 1
            self._bytes[account] += size
            self._rows[account] += rows

    def remember(self, who: str, verb: str, key: str, now: float) -> None:
        """Note when a request succeeded that brings a round forward."""
        if verb == "PUT" and (member := keys.parse_update(key)) is not None:
            self.delivered.setdefault(self._updates[key[: key.rindex("/") + 1]], {})[member] = now
        elif verb == "PUT" and key in self._decisions:
            self.decided[self._decisions[key]] = now
        elif verb in ("PUT", "GET") and key in self._globals:
            self.arrived.setdefault(self._globals[key], {}).setdefault(who, now)

    def kind(self, role: str, verb: str, key: str, found: bool) -> RequestKind:
        """What a request is for.

        Args:
            found: whether there was such an object; of a PUT, whether it was written.
        """
        if key in self._globals:
            return self._of_global_weights(verb, found)
        if key in self._decisions:
            return RequestKind.CLOSING
        if keys.parse_update(key) is not None:
            return RequestKind.WORK if verb == "PUT" else RequestKind.CLOSING
        if key in self._updates or key in self._looks:
            return RequestKind.POLL if verb != "PUT" else RequestKind.ONCE
        if verb == "PUT" and keys.parse_state(key) is not None:
            return RequestKind.WORK
        return self._of_jobs(role, verb, key)

    def _of_global_weights(self, verb: str, found: bool) -> RequestKind:
        if verb == "GET":
            return RequestKind.WORK if found else RequestKind.POLL
        return RequestKind.CLOSING if verb == "PUT" else RequestKind.ONCE  # HEAD: which rounds are closed, at a start

    def _of_jobs(self, role: str, verb: str, key: str) -> RequestKind:
        if key in self._queue:
            return RequestKind.POLL
        if verb == "PUT" and renewed_job(key) is not None:
            return RequestKind.RENEWAL
        return (
            RequestKind.POLL if role == "sync-server" and verb == "HEAD" else RequestKind.ONCE
        )  # HEAD: has a missing job ended?


def renewed_job(key: str) -> str | None:
    """The job whose heartbeat this is."""
    progress = keys.parse_progress(key)
    return progress.job_id if progress is not None and progress.mark is keys.Mark.HEARTBEAT else None


class Meter:
    """A store that writes every request into a ledger.

    Args:
        store: which answers.
        who: the process.
        role: "worker" or "sync-server".
        now: the run's clock, seconds.
    """

    def __init__(self, store: Store, who: str, role: str, ledger: Ledger, now: Callable[[], float]) -> None:
        self.store = store
        self.who = who
        self.role = role
        self.ledger = ledger
        self.now = now
        self._refused: set[str] = set()  # a HEAD that asks whose object it is, is part of the PUT
        self._renewed: set[str] = set()  # prefixes of jobs that are listed next, as a part of the renewal

    @property
    def name(self) -> str:
        return self.store.name

    def put(self, key: str, body: bytes, metadata: Mapping[str, str], *, create_only: bool) -> None:
        try:
            self.store.put(key, body, metadata, create_only=create_only)
        except Exists:
            self._refused.add(key)
            self._write("PUT", key, found=False, size=len(body))
            raise
        self._write("PUT", key, size=len(body))

    def get(self, key: str, max_bytes: int) -> Blob | None:
        blob = self.store.get(key, max_bytes)
        self._write("GET", key, found=blob is not None, size=len(blob.body) if blob else 0)
        return blob

    def metadata(self, key: str) -> Mapping[str, str] | None:
        found = self.store.metadata(key)
        self._write("HEAD", key, found=found is not None)
        return found

    def page(self, prefix: str, after: str) -> Page:
        page = self.store.page(prefix, after)
        self._write("LIST", prefix, rows=len(page.entries))
        return page

    def delete(self, key: str) -> None:
        self.store.delete(key)
        self._write("DELETE", key)

    def _write(self, verb: str, key: str, *, found: bool = True, size: int = 0, rows: int = 0) -> None:
        kind = self._kind(verb, key, found)
        self.ledger.count(RequestClass(self.role, kind, verb), size, rows)
        if found:
            self.ledger.remember(self.who, verb, key, self.now())

    def _kind(self, verb: str, key: str, found: bool) -> RequestKind:
        if verb == "PUT" and (job_id := renewed_job(key)) is not None:
            self._renewed.add(keys.in_progress(job_id))
        if verb == "LIST" and key in self._renewed:
            self._renewed.discard(key)
            return RequestKind.RENEWAL
        return self.ledger.kind(self.role, "PUT" if verb == "HEAD" and key in self._refused else verb, key, found)
