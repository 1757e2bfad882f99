"""Calls of a user's code: whatever it raises becomes one error that says who raised it, and when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from env.errors import SimArenaError
from env.printable import one_line
from protocol.worker.learner import Interrupted


class LearnerFailed(Exception):
    """A learner raised; the message names it, what it was asked for, and its error.

    No SimArenaError, which would end the job at once: the next attempt, here or elsewhere, may go well.
    """


@contextmanager
def asking(learner: str, what: str) -> Iterator[None]:
    """Ask a learner for something.

    Raises:
        LearnerFailed: It raised, or called `sys.exit`. Our own errors and Interrupted pass as they are.
    """
    try:
        yield
    except (SimArenaError, Interrupted):
        raise
    except (Exception, SystemExit) as error:
        text = one_line(f"{type(error).__name__}: {error}", 1000)
        raise LearnerFailed(f"{learner}: {what}: {text}") from error
