"""Ctrl-C and SIGTERM as a question that is asked between two steps, or as an event that ends all waits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from runner.commands.console import Exit, fail, local_time

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
    from env.interrupt import Stopped

    try:
        with stop_requested() as should_stop:
            yield should_stop
    except Stopped:
        fail(f"interrupted; {hint}", Exit.INTERRUPTED)


def stop_on_signals() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one kills as usual."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        # Not by `say`: the signal may have come while that was writing, and a buffer cannot be entered twice.
        text = f"{signal.Signals(number).name}: saving what is whole and stopping; once more to stop at once"
        with suppress(OSError):  # stderr is closed
            os.write(2, f"{local_time()} {text}\n".encode())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop
