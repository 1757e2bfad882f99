"""Closes the rounds of every unfinished federation. Any number of servers may run; they write the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from env.errors import SimArenaError
from env.printable import traceback_lines
from env.words import count
from protocol.rounds.aggregate import AggregateOf
from protocol.rounds.closer import Closer
from protocol.rounds.federation import unfinished
from protocol.wire import keys
from protocol.wire.bucket import Bucket, poll_delay
from protocol.wire.errors import OtherRelease, StoreError, Unfit
from protocol.wire.federation_documents import Federation

T = TypeVar("T")

INDEX_EVERY_S = 5.0  # how often the index of federations is listed for new ones


class Reports(Protocol):
    """Pages about federations for people. Their trouble is their own: no method raises."""

    def looked(self, federation: Federation, closed: int, *, ended: bool) -> None:
        """A federation was looked at: so many rounds are closed, and whether it has its outcome."""

    def refresh_ended(self) -> bool:
        """Time has passed; whether a page of a federation that has ended is to be written once more."""


class SyncServer:
    """One closer for each unfinished federation, each polled at the pace of its rounds.

    Args:
        aggregate_of: makes the aggregate of a round by its federation's strategy.
        say: where progress is reported, one line each.
        reports: told of each look at a federation.
    """

    def __init__(
        self, bucket: Bucket, aggregate_of: AggregateOf, say: Callable[[str], None], reports: Reports | None = None
    ) -> None:
        self.bucket = bucket
        self.aggregate_of = aggregate_of
        self.say = say
        self.reports = reports
        self._reports_missing = False
        self._closers: dict[str, Closer] = {}
        self._due: dict[str, float] = {}
        self._passed_over: set[str] = set()  # federations of other releases
        self._told: set[str] = set()  # lines about documents of other releases: each is said once
        self._index_due = bucket.clock.now()

    @property
    def idle(self) -> bool:
        return not self._closers

    @property
    def _is_done(self) -> bool:
        """No federation is unfinished, and the pages of those that have ended are whole."""
        return self.idle and not self._reports_missing

    def run(self, *, exit_when_idle: bool = False) -> bool:
        """Close rounds until the process is told to stop, or until nothing is left; whether there was ever anything.

        Raises:
            Unfit: the endpoint or the permissions do not allow to go on.
        """
        clock = self.bucket.clock
        seen = False
        while not clock.stopping():
            try:
                pause = self.step()
            except Unfit:
                raise
            except StoreError as error:
                self.say(f"{error}; trying again")
                pause = INDEX_EVERY_S
            else:
                seen = seen or not self.idle
                if exit_when_idle and self._is_done:
                    return seen
            clock.sleep(pause)
        return True

    def step(self) -> float:
        """Look at what is due; returns the seconds until something is again."""
        clock = self.bucket.clock
        if clock.now() >= self._index_due:
            self._read_index()
            self._index_due = clock.now() + INDEX_EVERY_S
        for group in [group for group, due in self._due.items() if due <= clock.now()]:
            self._look(group)
        if self.reports is not None:
            self._reports_missing = self.reports.refresh_ended()
        soonest = min([self._index_due, *self._due.values()])
        return max(0.0, soonest - clock.now())

    def drain(self) -> bool:
        """One pass: close what can be closed now; whether there was any unfinished federation."""
        self._read_index()
        any_unfinished = not self.idle
        for group, closer in list(self._closers.items()):
            ended = self._sheltered(group, closer.drain)
            self._report(closer, ended=bool(ended))
            if ended:
                del self._closers[group], self._due[group]
        return any_unfinished

    def _look(self, group: str) -> None:
        closer = self._closers[group]
        clock = self.bucket.clock
        ended = self._sheltered(group, closer.step)
        self._report(closer, ended=bool(ended))
        if ended:
            del self._closers[group], self._due[group]
        elif ended is None:
            self._due[group] = clock.now() + INDEX_EVERY_S
        else:
            pause = poll_delay(clock.now() - closer.started, clock.jitter(), closer.expected_s)
            if closer.time_left_s is not None and closer.time_left_s >= 0:
                pause = min(pause, closer.time_left_s + 1.0)  # S3's clock counts whole seconds
            self._due[group] = clock.now() + pause

    def _report(self, closer: Closer, *, ended: bool) -> None:
        if self.reports is not None:
            self.reports.looked(closer.federation, closer.round - 1, ended=ended)

    def _read_index(self) -> None:
        """Take up federations that are new, let go of those that were cancelled, or ended by another closer."""
        listed = {group for entry in self.bucket.list(keys.ACTIVE).entries if (group := keys.parse_active(entry.key))}
        for group in [group for group in self._closers if group not in listed]:
            self._report(self._closers[group], ended=True)
            del self._closers[group], self._due[group]
        self._passed_over &= listed
        for group in sorted(listed.difference(self._closers, self._passed_over)):
            self._sheltered(group, partial(self._adopt, group))

    def _sheltered(self, group: str, work: Callable[[], T]) -> T | None:
        """Work on one federation, whose trouble must not hold up the others; None if there was any."""
        try:
            return work()
        except Unfit:
            raise
        except OtherRelease as error:
            if group not in self._closers:
                self._passed_over.add(group)
            if str(error) not in self._told:
                self._told.add(str(error))
                self.say(f"passed over: {error}")
        except SimArenaError as error:
            self.say(f"{group}: {error}; trying again")
        except Exception as error:
            self.say(f"{group}: a defect of sync-server; trying again")
            for line in traceback_lines(error):
                self.say(f"  | {line}")
        return None

    def _adopt(self, group: str) -> None:
        federation = unfinished(self.bucket, group, self.say)
        if federation is not None:
            self.say(f"{group}: {count(federation.size, 'member')}, {count(federation.rounds, 'round')}")
            self._closers[group] = Closer(self.bucket, federation, self.aggregate_of, self.say)
            self._due[group] = self.bucket.clock.now()
