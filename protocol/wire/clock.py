"""What a process gets from the machine it runs on: time, waiting, chance, threads.

It comes in as an argument, so that a simulation can hand out its own.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Together(Protocol):
    """Runs functions side by side."""

    def __call__(self, works: Sequence[Callable[[], T]]) -> list[T]:
        """What each returns, in order, once all have ended; the first one's error if any failed."""


def in_turn(works: Sequence[Callable[[], T]]) -> list[T]:
    """One after the other: the `Together` of a machine on which nothing is gained by more."""
    return [work() for work in works]


@dataclass(frozen=True)
class Clock:
    """The callables a process lives on.

    Attributes:
        now: seconds on a clock that never goes back and goes on while the machine sleeps.
        sleep: wait so many seconds; may return early when the process was told to stop.
        stopping: whether the process was told to stop.
        jitter: a number in [0, 1), different on every machine.
        nonce: a fresh token, never the same twice, not even on a cloned machine.
        spawn: run a function beside the caller; it ends with the process.
        together: run functions side by side and wait for all of them.
    """

    now: Callable[[], float]
    sleep: Callable[[float], None]
    stopping: Callable[[], bool]
    jitter: Callable[[], float]
    nonce: Callable[[], str]
    spawn: Callable[[Callable[[], None]], None]
    together: Together = in_turn


def system_clock(stop: threading.Event | None = None) -> Clock:
    """The real thing. `stop` ends every wait early."""
    stop = stop or threading.Event()
    return Clock(
        now=_boot_time,
        sleep=lambda seconds: (stop.wait(seconds), None)[1],
        stopping=stop.is_set,
        jitter=lambda: secrets.randbelow(1 << 30) / (1 << 30),
        # os.urandom per nonce: a pre-seeded generator would repeat itself in a restored snapshot.
        nonce=lambda: secrets.token_hex(16),
        spawn=_spawn,
        together=_together,
    )


def _boot_time() -> float:
    # Unlike CLOCK_MONOTONIC it counts a laptop's or VM's suspension, during which a lease runs out.
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _together(works: Sequence[Callable[[], Any]]) -> list[Any]:
    if len(works) <= 1:
        return in_turn(works)
    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(work) for work in works]]


def _spawn(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()
