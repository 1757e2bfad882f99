"""Reads what a federation's documents say, within bounds, and each of them once.

All of it is created once and never changes, so a reader that is asked again reads only what is new.

    federation.json     (its reader has it)
    round.json          1 GET each, at most ROUNDS_READ of them and ROUND_BYTES together: of more rounds every 2nd,
                        4th, 8th …, the first and the last ones
    jobs/in_progress/   1 LIST for each thousand marks, at most six to a member
    claims              1 GET for each attempt that is there, at most MEMBERS_READ of members
    result.json         1 GET for each member that may have ended, at most MEMBERS_READ
    outcome.json        1 GET, and about 2 log2(rounds) HEADs while there is none

So a thousand members and a thousand rounds take at most about 3,000 GETs, whatever updates there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from env.errors import one_line
from protocol.jobs.lease import Attempts, attempts
from protocol.report.record import MemberRecord, Part, Record, RoundRecord, round_record
from protocol.rounds.federation import closed_rounds
from protocol.rounds.reader import AT_ONCE, RoundReader
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, OtherRelease, Refused, TooLarge
from protocol.wire.federation_documents import Decision, Federation, Outcome, OutcomeStatus
from protocol.wire.job_documents import Claim, Result
from protocol.wire.keys import Mark
from protocol.wire.schedule import LEASE_TTL_S
from protocol.wire.store import Blob

ROUNDS_READ, ROUNDS_AT_LEAST = 1000, 32
ROUND_BYTES = 128 << 20
MEMBERS_READ = 1000
DOCUMENT_BYTES = 64 << 10  # of a result; an honest one has less than two thousand
TROUBLE_SHOWN = 20


def chosen(last: int, at_most: int) -> list[int]:
    """Which rounds of 1 to `last` are read: all, or about `at_most` of them.

    Of many those that a power of two divides, so that the choice for more rounds is part of that for fewer; and the
    first ones, in which most is learnt, and the last ones.
    """
    if last <= at_most:
        return list(range(1, last + 1))
    ends = max(1, at_most // 16)
    stride = 2
    while last // stride > at_most - 2 * ends:
        stride *= 2
    return sorted({*range(1, ends + 1), *range(stride, last + 1, stride), *range(last - ends + 1, last + 1)})


class GroupReader:
    """Reads one federation, again and again.

    Args:
        ttl_s: after how many seconds of silence an attempt counts as dead.
    """

    def __init__(self, bucket: Bucket, federation: Federation, ttl_s: float = LEASE_TTL_S) -> None:
        self.bucket = bucket
        self.federation = federation
        self.ttl_s = ttl_s
        self._rounds: dict[int, RoundRecord | None] = {}
        self._sizes: dict[int, int] = {}  # of the round.json that were read
        self._claims: dict[tuple[int, int], Claim | None] = {}
        self._ended: dict[int, MemberRecord] = {}
        self._closed = 0
        self._opened_at: float | None = None
        self._asked: list[str] = []  # a verb for each request; threads append

    def read(self, closed: int | None = None) -> Record:
        """What the documents say now.

        Args:
            closed: rounds that are known to be closed; None: ask.

        Raises:
            StoreError: the endpoint does not answer, or refuses a listing.
        """
        trouble: list[str] = []
        outcome = self._outcome(trouble)
        group, rounds = self.federation.group, self.federation.rounds
        if closed is None:
            closed = outcome.rounds if outcome else closed_rounds(self.bucket, group, rounds, self._closed)
        self._closed = closed = min(closed, rounds)
        failed = outcome is not None and outcome.status is OutcomeStatus.FAILED and closed < rounds
        read = self.read_rounds(closed + failed)
        if self._opened_at is None:
            self._opened_at = RoundReader(self.bucket, self.federation, 1).opened_at()
            self._asked.append("LIST")
        trouble += [f"round {round_.number}: {round_.error}" for round_ in read if not round_.reason and round_.error]
        return Record(
            federation=self.federation,
            outcome=outcome,
            closed=closed,
            rounds=read,
            skipped=closed - sum(round_.number <= closed for round_ in read),
            members=self._members(read, outcome is not None),
            opened_at=self._opened_at,
            trouble=[one_line(line) for line in trouble[:TROUBLE_SHOWN]],
            requests=Counter(self._asked),
        )

    def _outcome(self, trouble: list[str]) -> Outcome | None:
        self._asked.append("GET")
        try:
            return documents.read(self.bucket, Outcome, keys.outcome(self.federation.group))
        except (BadDocument, OtherRelease) as error:
            trouble.append(str(error))
            return None

    # -- rounds ------------------------------------------------------------------------------------------

    def read_rounds(self, last: int) -> list[RoundRecord]:
        """The rounds up to this one, of many some; the last one is read first: its size says how many may be read."""
        if last == 0:
            return []
        total = self._fetch([last])
        wanted = chosen(last, max(ROUNDS_AT_LEAST, min(ROUNDS_READ, ROUND_BYTES // max(1, self._sizes[last]))))
        missing = [number for number in wanted if number not in self._rounds]
        for start in range(0, len(missing), AT_ONCE):
            if total > 2 * ROUND_BYTES:  # the others are far larger than the last one: that is no honest closer's work
                break
            total += self._fetch(missing[start : start + AT_ONCE])
        self._rounds = {number: self._rounds[number] for number in wanted if number in self._rounds}
        return [found for found in self._rounds.values() if found is not None]

    def _fetch(self, numbers: Sequence[int]) -> int:
        """Read these round.json side by side, unless they were; returns their bytes."""
        numbers = [number for number in numbers if number not in self._rounds]
        reads = [partial(self._blob, keys.decision(self.federation.group, number)) for number in numbers]
        blobs = self.bucket.clock.together(reads)
        for number, found in zip(numbers, blobs, strict=True):
            self._sizes[number] = len(found.body) if isinstance(found, Blob) else 0
            self._rounds[number] = self._round(number, found)
        return sum(self._sizes[number] for number in numbers)

    def _blob(self, key: str) -> Blob | str | None:
        self._asked.append("GET")
        most = min(Decision.max_bytes, 65_536 + 1024 * self.federation.size)
        try:
            return self.bucket.blob(key, most)
        except (TooLarge, Refused) as error:
            return one_line(str(error))

    def _round(self, number: int, found: Blob | str | None) -> RoundRecord | None:
        """None for one that is gone, as after a purge."""
        if found is None:
            return None
        if isinstance(found, str):
            return RoundRecord(number, error=found)
        key = keys.decision(self.federation.group, number)
        try:
            decision = documents.parse(Decision, found.body, key)
        except (BadDocument, OtherRelease) as error:
            return RoundRecord(number, error=one_line(str(error)))
        if decision.round != number:
            return RoundRecord(number, error=f"{key}: it is of round {decision.round}")
        return round_record(decision, self.federation, found.modified)

    # -- members -----------------------------------------------------------------------------------------

    def _members(self, rounds: Sequence[RoundRecord], over: bool) -> list[MemberRecord]:
        group = self.federation.group
        listing = self.bucket.list(keys.in_progress_of_group(group))
        self._asked += ["LIST"] * (1 + len(listing.entries) // 1000)
        views = attempts(listing.entries)
        ended = _ended(rounds)
        reads = []
        for member in range(min(self.federation.size, MEMBERS_READ)):
            view = views.get(keys.member_job(group, member), Attempts())
            may_be_over = over or member in ended or member in self._ended
            reads.append(partial(self._member, member, view, listing.server_time, may_be_over))
        batches = [reads[start : start + AT_ONCE] for start in range(0, len(reads), AT_ONCE)]
        return [record for batch in batches for record in self.bucket.clock.together(batch)]

    def _member(self, member: int, view: Attempts, server_time: float, may_be_over: bool) -> MemberRecord:
        if may_be_over and (record := self._result(member)) is not None:
            return record
        if view.attempt == 0:
            return MemberRecord(member, "waiting")
        claim = self._claim(member, view.attempt)
        return MemberRecord(
            member,
            "running" if view.alive(server_time, self.ttl_s) else "free",
            worker=claim.worker if claim else None,
            attempts=view.attempt,
        )

    def _result(self, member: int) -> MemberRecord | None:
        if member in self._ended:
            return self._ended[member]
        key = keys.result(keys.member_job(self.federation.group, member))
        self._asked.append("GET")
        try:
            body = self.bucket.get(key, DOCUMENT_BYTES)
            result = None if body is None else documents.parse(Result, body, key)
        except (BadDocument, OtherRelease, TooLarge, Refused) as error:
            return MemberRecord(member, "unreadable", error=one_line(str(error), 300))
        if result is None:
            return None
        self._ended[member] = MemberRecord(
            member,
            result.status,
            worker=result.worker,
            attempts=result.attempt,
            error=result.error and result.error[:300],
            env_steps=result.env_steps,
            fingerprint={name: text[:200] for name, text in result.fingerprint.items()},
        )
        return self._ended[member]

    def _claim(self, member: int, attempt: int) -> Claim | None:
        if (member, attempt) not in self._claims:
            self._asked.append("GET")
            key = keys.attempt_mark(keys.member_job(self.federation.group, member), Mark.CLAIM, attempt)
            self._claims[member, attempt] = documents.read_if_valid(self.bucket, Claim, key)
        return self._claims[member, attempt]


def _ended(rounds: Sequence[RoundRecord]) -> set[int]:
    """Members whose job had ended when the last round that was read was closed."""
    return set() if not rounds else {int(member) for member in (rounds[-1].parts == Part.ENDED).nonzero()[0]}
