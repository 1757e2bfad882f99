"""Creating: won, lost or unknown, with any loss of requests and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.wire.bucket import Bucket, Created, poll_delay
from protocol.wire.clock import Clock
from protocol.wire.errors import Conflict, StoreError, Transient, Unfit
from protocol.wire.memory import MemoryS3, Request


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self._nonces = iter(range(1000))

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self, stopping: Callable[[], bool] = lambda: False) -> Clock:
        return Clock(
            now=lambda: self.now,
            sleep=self.sleep,
            stopping=stopping,
            jitter=lambda: 0.5,
            nonce=lambda: f"nonce-{next(self._nonces)}",
            spawn=lambda work: None,
        )


def bucket_with(
    faults: Iterator[tuple[str, StoreError] | None], server: MemoryS3, stopping: Callable[[], bool] = lambda: False
) -> Bucket:
    """A bucket whose PUTs meet `faults` in turn: ("before" or "after" taking effect, error), or None."""
    current: list[tuple[str, StoreError] | None] = [None]

    def before(request: Request) -> None:
        if request.verb == "CREATE":
            current[0] = next(faults, None)
            if current[0] and current[0][0] == "before":
                raise current[0][1]

    def after(request: Request) -> None:
        if request.verb == "CREATE" and current[0] and current[0][0] == "after":
            raise current[0][1]

    return Bucket(server.store("me", before, after), Time().clock(stopping))


LOST_REQUEST = ("before", Transient("lost"))
LOST_ANSWER = ("after", Transient("500"))
CONFLICT = ("before", Conflict("409"))


def test_a_free_key_is_won_and_a_taken_one_lost() -> None:
    server = MemoryS3()
    first, second = (bucket_with(iter(()), server) for _ in range(2))
    assert first.create("key", b"mine") is Created.WON
    second.clock.nonce()  # the two clocks count alike; nonces never do
    assert second.create("key", b"theirs") is Created.LOST
    assert server.bodies() == {"key": b"mine"}


def test_an_answer_that_got_lost_is_recognised_as_ones_own_success() -> None:
    server = MemoryS3()
    assert bucket_with(iter([LOST_ANSWER]), server).create("key", b"mine") is Created.WON
    assert [row.verb for row in server.log] == ["CREATE", "CREATE", "HEAD"]


def test_after_a_409_nothing_landed_and_it_is_tried_again() -> None:
    assert bucket_with(iter([CONFLICT, CONFLICT]), MemoryS3()).create("key", b"") is Created.WON


def test_without_a_clear_answer_until_the_deadline_the_key_has_no_owner() -> None:
    server = MemoryS3()
    assert bucket_with(iter([LOST_REQUEST] * 1000), server).create("absent", b"") is Created.UNKNOWN
    assert bucket_with(iter([LOST_ANSWER] * 1000), server).create("landed", b"") is Created.UNKNOWN
    assert list(server.bodies()) == ["landed"]


def test_a_process_that_was_told_to_stop_does_not_insist() -> None:
    bucket = bucket_with(iter([LOST_REQUEST] * 1000), MemoryS3(), stopping=lambda: True)
    assert bucket.create("key", b"") is Created.UNKNOWN
    assert bucket.clock.now() == 0.0


def test_an_unfit_endpoint_is_an_error_at_once() -> None:
    with pytest.raises(Unfit):
        bucket_with(iter([("before", Unfit("501"))]), MemoryS3()).create("key", b"")


def test_ensure_created_raises_when_the_answer_stays_unclear() -> None:
    with pytest.raises(Transient, match="no clear answer within 60 s"):
        bucket_with(iter([LOST_REQUEST] * 1000), MemoryS3()).ensure_created("key", b"")


@given(st.lists(st.sampled_from([LOST_REQUEST, LOST_ANSWER, CONFLICT]), max_size=8), st.booleans())
def test_an_answer_is_never_wrong(faults: list[tuple[str, StoreError]], taken: bool) -> None:
    server = MemoryS3()
    if taken:
        server.store("other").put("key", b"theirs", {"nonce": "x"}, create_only=True)
    answer = bucket_with(iter(faults), server).create("key", b"mine")
    assert answer is (Created.LOST if taken else Created.WON)
    assert server.bodies() == {"key": b"theirs" if taken else b"mine"}


def test_content_is_stored_once_under_its_hash() -> None:
    server = MemoryS3()
    bucket = bucket_with(iter(()), server)
    hashes = {bucket.upload(lambda sha: f"traces/{sha}", b"content") for _ in range(2)}
    assert len(hashes) == 1
    assert list(server.bodies()) == [f"traces/{hashes.pop()}"]


def test_reads_survive_transient_errors_and_give_up_with_the_reason() -> None:
    server = MemoryS3()
    failures = iter([Transient("503 SlowDown")] * 3)

    def sometimes(request: Request) -> None:
        if error := next(failures, None):
            raise error

    bucket = Bucket(server.store("me", sometimes), Time().clock())
    assert bucket.get("absent") is None

    def always(request: Request) -> None:
        raise Transient("503 SlowDown")

    with pytest.raises(Transient, match=r"503 SlowDown; tried again for 60 s"):
        Bucket(server.store("me", always), Time().clock()).get("absent")


def test_a_listing_spans_pages_in_key_order() -> None:
    server = MemoryS3(page_size=3)
    bucket = bucket_with(iter(()), server)
    for number in range(10):
        bucket.create(f"a/{number}", b"")
    bucket.create("b/0", b"")
    assert [entry.key for entry in bucket.list("a/").entries] == [f"a/{number}" for number in range(10)]
    assert sum(row.verb == "LIST" for row in server.log) == 4


@given(st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_polling_costs_a_tenth_of_the_wait_at_most_and_stays_bounded(waited: float, jitter: float) -> None:
    delay = poll_delay(waited, jitter)
    assert 0.025 <= delay <= 7.5
    assert delay <= max(0.075, 0.15 * waited) + 1e-9


def test_a_watch_is_told_of_each_try_that_failed_and_of_the_end() -> None:
    server, seen = MemoryS3(), list[str]()

    @contextmanager
    def watch() -> Iterator[Callable[[Exception], None]]:
        seen.append("begun")
        yield lambda error: seen.append(str(error))
        seen.append("answered")

    bucket = bucket_with(iter([("before", Transient("busy")), ("before", Conflict("again")), None]), server)
    bucket.watch = watch
    assert bucket.create("key", b"body") is Created.WON
    assert seen == ["begun", "busy", "again", "answered"]
