"""The HTTP client that all SDKs are given, against servers that take their time or send too much."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx2
import pytest

from agents.llm.providers.http import BoundedClient

from .wire import Answer, Wire


@contextmanager
def speaking(write: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that accepts one connection and writes, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):  # the client has gone, as it should
                write(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def slowly(connection: socket.socket, data: bytes) -> None:
    """One byte at a time: each comes soon enough for a time limit of single reads."""
    for index in range(len(data)):
        connection.sendall(data[index : index + 1])
        threading.Event().wait(0.02)


def while_open(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def post(url: str, total_s: float) -> httpx2.Response:
    with BoundedClient(total_s) as client:
        return client.post(url, json={})


def test_headers_that_trickle_end_at_the_time_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nx-pad: " + b"x" * 400 + b"\r\ncontent-length: 2\r\n\r\n{}"
    with (
        speaking(lambda connection: slowly(connection, head)) as url,
        pytest.raises(httpx2.ReadTimeout, match=r"no whole answer within 0.3 s"),
    ):
        post(url, 0.3)


def test_a_body_without_a_length_that_is_cut_at_the_time_limit_is_not_taken_for_whole() -> None:
    def write(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}")
        slowly(connection, b" " * 400)

    with speaking(write) as url, pytest.raises(httpx2.ReadTimeout, match="no whole answer within"):
        post(url, 0.3)


def test_a_server_that_says_nothing_ends_at_the_time_limit() -> None:
    # It waits for more of the request, so for the end of the connection.
    with speaking(while_open) as url, pytest.raises(httpx2.ReadTimeout):
        post(url, 0.2)


def test_an_answer_is_handed_on_whole(wire: Wire) -> None:
    wire.answers = [Answer(418, {"a": 1}, {"x-of-the-server": "y"})]
    answer = post(wire.url, 10)
    assert (answer.status_code, answer.json(), answer.headers["x-of-the-server"]) == (418, {"a": 1}, "y")
