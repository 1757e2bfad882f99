"""What a person is told while an answer is long in coming."""

from __future__ import annotations

from runner.commands.waits import LongWaits, Notices, Wait


def told(wait: Wait, seconds: range, ends: int) -> list[str]:
    """The lines of a wait that ends after so many seconds."""
    notices = Notices()
    return [line for now in seconds if (line := notices.due(wait if now < ends else None, now))]


def test_a_quick_answer_is_no_news() -> None:
    assert told(Wait(0.0), range(60), 4) == []


def test_a_slow_answer_is_said_after_five_seconds_and_every_half_minute_until_it_comes() -> None:
    wait = Wait(0.0)
    assert told(wait, range(80), 70) == [
        "no answer for 5 s; waiting",
        "no answer for 35 s; waiting",
        "no answer for 65 s; waiting",
        "answered after 70 s",
    ]


def test_what_the_last_try_was_told_is_repeated() -> None:
    wait = Wait(0.0)
    wait.failed(OSError("503 SlowDown"))
    assert wait.line(12.4) == "no answer for 12 s; trying again (503 SlowDown)"


def test_a_wait_that_has_ended_is_no_longer_watched() -> None:
    watch = LongWaits("s3://b")
    with watch() as failed:
        failed(OSError("503"))
    assert not watch._open
