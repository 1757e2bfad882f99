"""Answers of a server that is not trusted: read as far as a limit of bytes and time, and no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3

if TYPE_CHECKING:
    from env.kube.client import Timer

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK = 1 << 16
_ERROR_S = 10.0


def read_bounded(answer: Any, timer: Timer, limit_s: float) -> bytes:
    """A body: MAX_ANSWER_BYTES and one more of it at most.

    Raises:
        urllib3.exceptions.HTTPError: it does not end in time.
    """
    found, end_s = bytearray(), timer.now() + limit_s
    while len(found) <= MAX_ANSWER_BYTES and (chunk := answer.read1(_CHUNK)):
        found += chunk
        if timer.now() > end_s:
            answer.close()
            raise urllib3.exceptions.HTTPError(f"the answer does not end within {limit_s:.0f} s")
    return bytes(found[: MAX_ANSWER_BYTES + 1])


class BoundedPool:
    """urllib3's pool as the client uses it; the body of an error, which the client reads as a whole, is bounded."""

    def __init__(self, pool: Any, timer: Timer) -> None:
        self._pool = pool
        self._timer = timer

    def request(self, *args: Any, **options: Any) -> Any:
        answer = self._pool.request(*args, **{**options, "preload_content": False})
        if answer.status >= 300:
            answer._body = read_bounded(answer, self._timer, _ERROR_S)
            answer.release_conn()
        return answer

    def clear(self) -> None:
        self._pool.clear()
