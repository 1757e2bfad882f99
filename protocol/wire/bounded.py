"""Answers that end: botocore reads what a server sends for as long as it sends.

An answer to a listing, and every error, is held to a size and to a time; an object's body to a time by its length. How
large an object may be its reader says. `heads` holds the headers before it to a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ANSWER_BYTES = 16 << 20  # a page of 1,000 keys of 1,024 bytes takes 2 MiB, and XML escapes may triple that
ANSWER_S = 60.0  # from the headers to the end of the body,
BYTES_PER_S = 64 << 10  # and longer for a large one: slower than this is no connection
_CHUNK = 1 << 16


def bound_answers(client: S3Client) -> None:
    """Hold all answers to this client to the bounds above."""
    from protocol.wire.heads import POOLS  # botocore, which takes its time

    endpoint: Any = client._endpoint  # type: ignore[attr-defined]
    endpoint.http_session._pool_classes_by_scheme.update(POOLS)
    endpoint.http_session = _BoundedSession(endpoint.http_session)


class _BoundedSession:
    """botocore's HTTP session, with bounds."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as Timeout

        streams, request.stream_output = request.stream_output, True  # so that it does not read the body itself
        response = self._session.send(request)
        length = response.headers.get("content-length", "")
        body = _Body(response.raw, request.url, int(length) if length.isascii() and length.isdigit() else 0)
        if streams and response.status_code < 300:
            response.raw = body
            return response
        try:
            response._content = body.read(ANSWER_BYTES + 1)
        except Timeout as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except HTTPError as error:
            raise ConnectionClosedError(endpoint_url=request.url, request=request, error=error) from error
        if len(response._content) > ANSWER_BYTES:
            body.close()
            too_long = f"an answer of more than {ANSWER_BYTES} bytes"
            raise ConnectionClosedError(endpoint_url=request.url, request=request, error=too_long)
        return response

    def close(self) -> None:
        self._session.close()


class _Body:
    """urllib3's raw body, which must end within its time."""

    def __init__(self, raw: Any, url: str, length: int) -> None:
        self._raw = raw
        self._url = url
        self._deadline = time.monotonic() + ANSWER_S + length / BYTES_PER_S

    def read(self, amt: int | None = None) -> bytes:
        """As urllib3's.

        Raises:
            urllib3.exceptions.ReadTimeoutError: the time is over.
        """
        from urllib3.exceptions import ReadTimeoutError

        found = bytearray()
        while amt is None or len(found) < amt:
            chunk = self._raw.read1(_CHUNK if amt is None else min(_CHUNK, amt - len(found)))
            if not chunk:
                if self._raw.length_remaining != 0:  # the connection ended with it, or before
                    self._raw.close()
                break
            found += chunk
            if time.monotonic() > self._deadline:
                self.close()
                raise ReadTimeoutError(None, self._url, "the answer does not end")  # type: ignore[arg-type]
        return bytes(found)

    def close(self) -> None:
        self._raw.close()

    def release_conn(self) -> None:
        self._raw.release_conn()
