"""What a process gets from the machine it runs on."""

from __future__ import annotations

import threading

import pytest

from protocol.wire.clock import system_clock


def test_parallel_calls_are_answered_in_order_of_asking() -> None:
    last_ended = threading.Event()

    def first() -> str:
        assert last_ended.wait(10)
        return "first"

    def last() -> str:
        last_ended.set()
        return "last"

    assert system_clock().together([first, last]) == ["first", "last"]


def test_an_error_of_one_that_ran_side_by_side_is_raised_once_all_have_ended() -> None:
    failed, ended = threading.Event(), []

    def fails() -> None:
        failed.set()
        raise ValueError("one")

    def goes_on() -> None:
        assert failed.wait(10)
        ended.append("other")

    with pytest.raises(ValueError, match="one"):
        system_clock().together([fails, goes_on])
    assert ended == ["other"]
