"""A request to stop that reaches into a replay, which may take a minute.

Who plays an episode says when to stop; what takes long asks. Nothing is kept of a replay that was stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stopped(Exception):
    """The caller asked for a stop; what was going on is not finished and does not count."""


_SHOULD_STOP: ContextVar[Callable[[], bool]] = ContextVar("should_stop", default=lambda: False)


@contextmanager
def stopping_when(should_stop: Callable[[], bool]) -> Iterator[None]:
    """Within the block, `stop_if_asked` asks `should_stop`."""
    token = _SHOULD_STOP.set(should_stop)
    try:
        yield
    finally:
        _SHOULD_STOP.reset(token)


def stop_if_asked() -> None:
    """Raises Stopped if the caller asked for a stop."""
    if _SHOULD_STOP.get()():
        raise Stopped
