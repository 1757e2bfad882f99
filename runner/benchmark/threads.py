"""Work in threads that a signal can end: the main thread never waits for long, and nothing waits for a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TypeVar

from env.interrupt import Stopped

W = TypeVar("W")
R = TypeVar("R")

_SLICE_S = 0.2  # how long a signal may wait for the main thread


def in_threads(work: Callable[[W], R], todo: Sequence[W], jobs: int, ended: threading.Event) -> Generator[R]:
    """The results of all work as it ends.

    Threads are daemons: a second Ctrl-C must not wait for requests in flight.

    Args:
        jobs: How much is worked on at the same time.
        ended: Set once nothing new may begin: after a failure, or when the caller asks for no more results.

    Raises:
        BaseException: The first failure, once all threads rest; one that is no `Stopped`, if there is any.
    """
    waiting: SimpleQueue[W] = SimpleQueue()
    done: SimpleQueue[Future[R] | None] = SimpleQueue()  # None: a thread has ended
    for each in todo:
        waiting.put(each)

    def run() -> None:
        while not ended.is_set():
            try:
                each = waiting.get_nowait()
            except Empty:
                break
            done.put(_worked(work, each, ended))
        done.put(None)

    running, failures = min(jobs, len(todo)), list[BaseException]()
    for _ in range(running):
        threading.Thread(target=run, daemon=True).start()
    try:
        while running:
            future = _next(done)
            if future is None:
                running -= 1
            elif (error := future.exception()) is not None:
                failures.append(error)
            else:
                yield future.result()
    finally:
        ended.set()
    if failures:  # others stop because of the first one
        raise min(failures, key=lambda error: isinstance(error, Stopped))


def _worked(work: Callable[[W], R], each: W, ended: threading.Event) -> Future[R]:
    future: Future[R] = Future()
    try:
        future.set_result(work(each))
    except BaseException as error:
        ended.set()
        future.set_exception(error)
    return future


def _next(done: SimpleQueue[Future[R] | None]) -> Future[R] | None:
    """What comes next; signals are handled while it waits."""
    while True:
        try:
            return done.get(timeout=_SLICE_S)
        except Empty:
            continue
