"""A federation's report in the bucket, kept fresh by the sync-server that closes its rounds.

The report is for people: no process reads it, and it is the one object that is written again and again. So it may be
lost, late, or left half-way by a kill, and no round depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from env.errors import SimArenaError
from env.printable import traceback_lines
from env.words import count
from protocol.report.reader import GroupReader
from protocol.report.record import Record
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import Transient
from protocol.wire.federation_documents import Federation

EVERY_S = 30.0  # a page is some MB
SHARE = 20  # and of a sync-server's time it takes a twentieth at most
SOON_S = 5.0  # after the end members' results are looked for so soon, then each time after twice as long
AFTER_THE_END = 6  # such looks: five minutes
OVER = frozenset({"success", "failed", "cancelled", "rejected", "unreadable"})


@dataclass
class _Published:
    """A report that this process has written.

    Attributes:
        due: not before, by this machine's clock.
        closed: rounds closed when it was written.
        looks: after the end, how often members' results have been looked for; None before it.
        states: of the members, as the page has them.
        is_full: whether all rounds are closed; only then are all members about to have a result.
    """

    reader: GroupReader
    due: float
    closed: int = -1
    looks: int | None = None
    states: tuple[str, ...] = ()
    is_full: bool = False


class Publisher:
    """Writes reports, seldom enough to hold up no round. A `protocol.rounds.server.Reports`.

    Args:
        render: a record as the bytes of its page.
        say: told why a report could not be written, once.
    """

    def __init__(self, bucket: Bucket, render: Callable[[Record], bytes], say: Callable[[str], None]) -> None:
        self.bucket = Bucket(bucket.store, bucket.clock, patience_s=0.0)  # the next report comes anyway
        self.render = render
        self.say = say
        self._published: dict[str, _Published] = {}
        self._told: set[str] = set()

    def looked(self, federation: Federation, closed: int, *, ended: bool) -> None:
        """A sync-server has looked at a federation: refresh its report, if rounds were closed and it is time.

        Args:
            closed: how many rounds are.
            ended: whether it has its outcome; then the report is due at once.
        """
        group, now = federation.group, self.bucket.clock.now()
        mine = self._published.setdefault(group, _Published(GroupReader(self.bucket, federation), now))
        if not ended and (closed == mine.closed or now < mine.due):
            return
        if ended:
            mine.looks = 0
        mine.closed, mine.states, mine.is_full = closed, (), closed == federation.rounds
        self._write(group, mine)

    def refresh_ended(self) -> bool:
        """Write reports of federations that have ended again once more members' results are there.

        Returns:
            Whether results are still missing that are worth to be waited for.
        """
        now = self.bucket.clock.now()
        for group, mine in list(self._published.items()):
            if mine.looks is not None and now >= mine.due:
                mine.looks += 1
                self._write(group, mine)
        return any(mine.looks is not None and mine.is_full for mine in self._published.values())

    def _write(self, group: str, mine: _Published) -> None:
        started = self.bucket.clock.now()
        ended = mine.looks is not None
        try:
            over = self._refresh(group, mine)
        except SimArenaError as error:
            over = ended and not isinstance(error, Transient)
            self._tell(f"{group}: its report is not written: {error}")
        except Exception as error:
            over = ended
            self._tell(f"{group}: its report is not written: a defect of the report: {type(error).__name__}")
            for line in traceback_lines(error):
                self._tell(f"  | {line}")
        now = self.bucket.clock.now()
        waits = EVERY_S if mine.looks is None else SOON_S * 2**mine.looks
        mine.due = now + max(waits, SHARE * (now - started))
        if over or mine.looks == AFTER_THE_END:
            del self._published[group]

    def _refresh(self, group: str, mine: _Published) -> bool:
        """Read and write; whether nothing more will change."""
        ended = mine.looks is not None
        if ended and mine.closed > 0 and not self.bucket.exists(keys.global_weights(group, mine.closed)):
            return True  # purged meanwhile
        record = mine.reader.read(None if ended else mine.closed)
        states = tuple(member.state for member in record.members)
        if states != mine.states:
            self.bucket.put_without_retry(keys.report(group), self.render(record))
            mine.states = states
        missing = sum(state not in OVER for state in states)
        if missing and mine.is_full and mine.looks == 1:
            self.say(f"{group}: its report waits for {count(missing, 'result')} of its members")
        return ended and not missing

    def _tell(self, line: str) -> None:
        """A line that was not said before; the set of those stays small."""
        if line not in self._told:
            if len(self._told) > 1000:
                self._told.clear()
            self._told.add(line)
            self.say(line)
