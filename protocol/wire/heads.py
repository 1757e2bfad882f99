"""botocore's connections, with a total time for the head of an answer.

The socket's own time-out begins anew with every byte, so a server that sends a header a byte at a time would hold its
client for ever. The body has bounds of its own, see `bounded`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool

HEAD_S = 60.0  # from the end of the request to the end of the headers


@contextmanager
def _in_time(connection: Any) -> Iterator[None]:
    """Close the connection if what is read from it takes longer; TimeoutError then, which urllib3 knows."""
    late: list[bool] = []

    def close() -> None:
        late.append(True)
        with suppress(OSError, AttributeError):  # it was closed meanwhile
            connection.sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(HEAD_S, close)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late:
            raise TimeoutError("the head of the answer does not end") from error
        raise
    finally:
        timer.cancel()
    if late:  # what came before the end looks whole: Python takes a connection's end for the end of the headers
        raise TimeoutError("the head of the answer does not end")


class _HeadInTime:
    """Of a connection: the answer to `Expect: 100-continue`, and the one to the request."""

    def _handle_expect_response(self, message_body: Any) -> None:
        with _in_time(self):
            super()._handle_expect_response(message_body)  # type: ignore[misc]

    def getresponse(self) -> Any:
        with _in_time(self):
            return super().getresponse()  # type: ignore[misc]


class _HTTP(_HeadInTime, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HTTPS(_HeadInTime, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(AWSHTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _HTTPS


POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
"""Pools of such connections, by scheme."""
