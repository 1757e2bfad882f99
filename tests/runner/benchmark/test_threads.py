"""Work in threads: all of it is done, and a failure ends it."""

from __future__ import annotations

import threading

import pytest

from env.interrupt import Stopped
from runner.benchmark.threads import in_threads


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_all_results_come_once(jobs: int) -> None:
    assert sorted(in_threads(lambda n: n * n, range(5), jobs, threading.Event())) == [0, 1, 4, 9, 16]


def test_nothing_to_do_ends_at_once() -> None:
    assert list(in_threads(str, [], 4, threading.Event())) == []


def test_nothing_begins_after_a_failure() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    got: list[int] = []
    with pytest.raises(ValueError, match="two"):
        got.extend(in_threads(work, range(100), 1, threading.Event()))
    assert begun == [0, 1, 2]


def test_the_failure_is_told_and_not_that_others_stopped_because_of_it() -> None:
    ended, both = threading.Event(), threading.Barrier(2)

    def work(number: int) -> None:
        both.wait(timeout=60)
        if number == 0:
            raise ValueError("zero")
        ended.wait(timeout=60)
        raise Stopped

    with pytest.raises(ValueError, match="zero"):
        list(in_threads(work, range(2), 2, ended))


def test_a_caller_that_asks_for_no_more_ends_the_work() -> None:
    ended = threading.Event()
    results = in_threads(str, range(10**6), 1, ended)
    assert next(results) == "0"
    results.close()
    assert ended.is_set()
