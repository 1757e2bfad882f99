"""Tells a person that an answer is long in coming: on a terminal in one line that is updated, else now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from runner.commands.console import err, say

SAY_AFTER_S = 5.0
SAY_EVERY_S = 30.0  # where lines cannot be updated
_LOOK_EVERY_S = 1.0


@dataclass(eq=False)
class Wait:
    """An answer that is awaited.

    Attributes:
        since: when the first try began, seconds.
        error: what the last try that failed was told; empty while the first one is under way.
    """

    since: float
    error: str = ""

    def failed(self, error: Exception) -> None:
        self.error = str(error)

    def line(self, now: float) -> str:
        """What to say of it."""
        going_on = f"trying again ({self.error})" if self.error else "waiting"
        return f"no answer for {now - self.since:.0f} s; {going_on}"


@dataclass
class Notices:
    """Which lines are due, where lines cannot be updated.

    Attributes:
        said: when the last line was said, and of which wait; None while nothing is slow.
    """

    said: tuple[float, Wait] | None = field(default=None)

    def due(self, wait: Wait | None, now: float) -> str | None:
        """The line that is due now, if any, of the oldest wait that is open."""
        if wait is None or now - wait.since < SAY_AFTER_S:
            if self.said is None or wait is not None:
                return None
            since, self.said = self.said[1].since, None
            return f"answered after {now - since:.0f} s"
        if self.said is not None and now - self.said[0] < SAY_EVERY_S:
            return None
        self.said = (now, wait)
        return wait.line(now)


class LongWaits:
    """The watch of a bucket: a thread that looks each second whether an answer is long in coming.

    Args:
        name: how messages call the bucket.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._open: list[Wait] = []
        self._changing = threading.Lock()
        self._watching: threading.Thread | None = None
        self._notices = Notices()
        self._status: Any = None

    @contextmanager
    def __call__(self) -> Iterator[Callable[[Exception], None]]:
        """Open while an answer is awaited; what it gives is told of each try that failed."""
        wait = Wait(time.monotonic())
        with self._changing:
            self._open.append(wait)
            if self._watching is None:
                self._watching = threading.Thread(target=self._watch, daemon=True)
                self._watching.start()
        try:
            yield wait.failed
        finally:
            with self._changing:
                self._open.remove(wait)
                if not self._open:
                    self._clear()  # at once: the next thing printed may be the last one

    def _watch(self) -> None:
        """Until nothing is open for a while; the next wait starts another thread."""
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._changing:
                oldest = min(self._open, key=lambda wait: wait.since, default=None)
                if oldest is None:
                    self._watching = None
                if err.is_terminal:
                    self._update(oldest, time.monotonic())
            if not err.is_terminal and (line := self._notices.due(oldest, time.monotonic())):
                say(f"{self.name}: {line}")
            if oldest is None:
                return

    def _update(self, wait: Wait | None, now: float) -> None:
        """The line of a terminal."""
        from rich.errors import LiveError
        from rich.markup import escape

        if wait is None or now - wait.since < SAY_AFTER_S:
            self._clear()
            return
        text = escape(f"{self.name}: {wait.line(now)}")
        if self._status is not None:
            self._status.update(text)
            return
        with suppress(LiveError):  # a progress bar is shown, which a person sees standing still
            status = err.status(text)
            status.start()
            self._status = status

    def _clear(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
