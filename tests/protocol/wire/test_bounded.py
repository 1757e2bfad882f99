"""What a server sends has an end: in bytes, in time, in pages."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from infra.proof.standin import bucket_of
from infra.proof.virtual_time import World
from protocol.wire import bounded, heads
from protocol.wire.bucket import MAX_PAGES, Bucket
from protocol.wire.errors import Transient, Unfit
from protocol.wire.store import ObjectSummary, Page, S3Store

HEAD = b"HTTP/1.1 200 OK\r\nDate: Sat, 01 Aug 2026 10:00:00 GMT\r\nContent-Type: application/xml\r\n"
OBJECT = b'ETag: "x"\r\nLast-Modified: Sat, 01 Aug 2026 10:00:00 GMT\r\n'


@pytest.fixture
def sends(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes, bytes], None]]:
    """A server that answers with a beginning, and then with a piece again and again."""
    listener = socket.create_server(("127.0.0.1", 0))
    answer: list[bytes] = [b"", b""]
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    connection.sendall(answer[0])
                    while answer[1]:
                        connection.sendall(answer[1])
                        if len(answer[1]) < 8:  # a trickle
                            over.wait(0.02)

    thread = threading.Thread(target=serve)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listener.getsockname()[1]}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "x")

    def set_answer(first: bytes, again: bytes) -> None:
        answer[:] = [first, again]

    yield set_answer
    over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"500 Internal Server Error"])
def test_a_listing_or_an_error_without_end_is_cut_off(
    sends: Callable[[bytes, bytes], None], status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ANSWER_BYTES", 1 << 20)
    sends(HEAD.replace(b"200 OK", status) + b"\r\n", b"<x>" * 10_000)
    with pytest.raises(Transient):
        S3Store("bucket").page("", "")
    with pytest.raises(Transient):
        S3Store("bucket").put("key", b"", {}, create_only=True)


@pytest.mark.parametrize("ask", [lambda store: store.page("", ""), lambda store: store.get("key", 1 << 30)])
def test_an_answer_that_does_not_end_in_time_is_none(
    sends: Callable[[bytes, bytes], None], ask: Callable[[S3Store], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ANSWER_S", 0.0)
    monkeypatch.setattr(bounded, "BYTES_PER_S", 1 << 60)
    sends(HEAD + OBJECT + b"Content-Length: 1000000000\r\n\r\n", b"x")
    with pytest.raises(Transient):
        ask(S3Store("bucket"))


@pytest.mark.parametrize(
    "ask", [lambda store: store.page("", ""), lambda store: store.put("key", b"x", {}, create_only=True)]
)
@pytest.mark.parametrize("head", [HEAD, HEAD + b"X: ", b"HTTP/1.1 100 Continue\r\nX: "])
def test_headers_that_do_not_end_in_time_are_no_answer_however_steadily_they_come(
    sends: Callable[[bytes, bytes], None],
    ask: Callable[[S3Store], object],
    head: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heads, "HEAD_S", 0.1)
    sends(head, b"X: y\r\n" if head.endswith(b"\r\n") else b"y")
    with pytest.raises(Transient, match="no answer"):
        ask(S3Store("bucket"))


class Endless:
    """A store whose listing never ends: each page brings a greater key, or none."""

    name = "endless"

    def __init__(self, rows: int) -> None:
        self.pages = 0
        self.rows = rows

    def page(self, prefix: str, after: str) -> Page:
        self.pages += 1
        rows = (ObjectSummary(f"{self.pages:09d}", 0, 0.0),) * self.rows
        return Page(rows, True, 0.0)


def test_a_listing_has_at_most_so_many_pages() -> None:
    store = Endless(1)
    with pytest.raises(Unfit, match="pages"):
        Bucket(store, bucket_of(World(seed=1)).clock).list("")  # type: ignore[arg-type]
    assert store.pages == MAX_PAGES + 1
    with pytest.raises(Transient, match="without keys"):
        Bucket(Endless(0), bucket_of(World(seed=1)).clock).list("")  # type: ignore[arg-type]
