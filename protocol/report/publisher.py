"""A federation's report in the bucket, kept fresh by the sync-server that closes its rounds.

The report is for people: no process reads it, and it is the one object that is written again and again. So it may be
lost, late, or left half-way by a kill, and no round depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from env.errors import SimArenaError
from env.printable import traceback_lines
from protocol.report.reader import GroupReader
from protocol.report.record import Record
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.federation_documents import Federation

EVERY_S = 30.0  # a page is some MB
SHARE = 20  # and of a sync-server's time it takes a twentieth at most
AFTER_THE_END = 4  # times that it is written again, for the members' results; each time after twice as long
OVER = frozenset({"success", "failed", "cancelled", "rejected", "unreadable"})


@dataclass
class _Published:
    """A report that this process has written.

    Attributes:
        due: not before, by this machine's clock.
        closed: rounds closed when it was written.
        left: how often it is written again after the end; None before it.
    """

    reader: GroupReader
    due: float
    closed: int = -1
    left: int | None = None


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
            mine.left = AFTER_THE_END
        mine.closed = closed
        self._write(group, mine)

    def refresh_ended(self) -> None:
        """Write reports of federations that have ended once more, as long as members' results are missing."""
        now = self.bucket.clock.now()
        for group, mine in list(self._published.items()):
            if mine.left is not None and now >= mine.due:
                mine.left -= 1
                self._write(group, mine)

    def _write(self, group: str, mine: _Published) -> None:
        started = self.bucket.clock.now()
        over = False
        try:
            over = self._refresh(group, mine)
        except SimArenaError as error:
            self._tell(f"{group}: its report is not written: {error}")
        except Exception as error:
            self._tell(f"{group}: its report is not written: a defect of the report: {type(error).__name__}")
            for line in traceback_lines(error):
                self._tell(f"  | {line}")
        now = self.bucket.clock.now()
        waits = EVERY_S if mine.left is None else EVERY_S * 2 ** (AFTER_THE_END - mine.left)
        mine.due = now + max(waits, SHARE * (now - started))
        if over or mine.left == 0:
            del self._published[group]

    def _refresh(self, group: str, mine: _Published) -> bool:
        """Read and write; whether nothing more will change."""
        ended = mine.left is not None
        if ended and mine.closed > 0 and not self.bucket.exists(keys.global_weights(group, mine.closed)):
            return True  # purged meanwhile
        record = mine.reader.read(None if ended else mine.closed)
        self.bucket.put_without_retry(keys.report(group), self.render(record))
        return ended and all(member.state in OVER for member in record.members)

    def _tell(self, line: str) -> None:
        """A line that was not said before; the set of those stays small."""
        if line not in self._told:
            if len(self._told) > 1000:
                self._told.clear()
            self._told.add(line)
            self.say(line)
