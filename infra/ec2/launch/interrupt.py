"""Ctrl-C while instances may be starting: the first one is noted and acted on at a safe point.

Python drops a KeyboardInterrupt that is raised in a finalizer, and instances would then start unseen.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


def heed(stop: threading.Event) -> None:
    """Raises KeyboardInterrupt if the process was told to stop."""
    if stop.is_set():
        raise KeyboardInterrupt


@contextmanager
def interruptible(say: str) -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one raises KeyboardInterrupt.

    Args:
        say: what stands on stderr after the first one.
    """
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        with suppress(OSError):  # stderr is closed
            os.write(2, f"{signal.Signals(number).name}: {say}\n".encode())

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
