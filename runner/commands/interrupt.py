"""Ctrl-C and SIGTERM as a question that is asked between two steps."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from runner.commands.console import Exit, fail

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Whether a signal has asked for an end. A second one ends the program at once, as without this."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for signum, handler in before.items():
            signal.signal(signum, handler)

    before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    for signum in _SIGNALS:
        signal.signal(signum, ask)
    try:
        yield lambda: asked
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextmanager
def interruptible(hint: str) -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the work between two steps, with one line and exit code 130."""
    from runner.episode import Stopped

    try:
        with stop_requested() as should_stop:
            yield should_stop
    except Stopped:
        fail(f"interrupted; {hint}", Exit.INTERRUPTED)
