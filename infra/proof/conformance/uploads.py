"""Uploads over an unreliable network: they stop half-way, continue later, or break off.

What such uploads do to each other is what tells a server that checks and writes in one step from one that does not:
when the last byte of many arrives at the same moment, all of them are checked before the first one is stored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from protocol.wire.errors import Conflict, Exists, Transient
from protocol.wire.store import S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PATIENCE_S = 60.0  # how long an upload may take to come as far as it is let
_BLOCK = 64 * 1024
_AT_ONCE = 32


class Answer(Enum):
    """What an upload was told."""

    STORED = "stored"
    REFUSED = "refused"
    UNCLEAR = "unclear"  # it may have been stored: 5xx, time-out, reset


class BrokenOff(Exception):
    """Ends an upload from within, so that its connection is closed before the body is whole."""


class PausingBody:
    """A body for boto3 that repeats one letter and stops on its way until it is told to go on.

    Args:
        letter: one byte.
        size: of the whole body, bytes.
        pause_at: how many bytes go at once.
    """

    def __init__(self, letter: bytes, size: int, pause_at: int) -> None:
        self.letter = letter
        self.size = size
        self.paused = threading.Event()  # it has come as far as it is let, or has ended before
        self._let = pause_at
        self._sent = 0
        self._block = letter * _BLOCK
        self._go_on = threading.Event()
        self._broken = False

    def __len__(self) -> int:
        return self.size

    def read(self, at_most: int = -1) -> bytes:
        """The next bytes; waits where the body pauses.

        Raises:
            BrokenOff: it was told to end here.
        """
        if self._sent == self._let < self.size:
            self.paused.set()
            self._go_on.wait()
            if self._broken:
                raise BrokenOff
            self._let = self.size
        wanted = at_most if at_most > 0 else _BLOCK
        count = min(wanted, _BLOCK, self._let - self._sent)
        self._sent += count
        return self._block[:count]

    def go_on(self) -> None:
        self._go_on.set()

    def break_off(self) -> None:
        """Close the connection where it pauses; changes nothing for a body that was told to go on."""
        if not self._go_on.is_set():
            self._broken = True
            self._go_on.set()

    def is_in(self, body: bytes) -> bool:
        """Whether `body` is this one, whole."""
        return body == self.letter * self.size


class Uploads:
    """Create-only uploads to one bucket, many at a time.

    Args:
        store: where to; its settings are used but for signed payloads, for which a body would have to be read twice.
    """

    def __init__(self, store: S3Store) -> None:
        self.store = store
        self.client = _client(store)

    @contextmanager
    def started(self, key: str, bodies: Sequence[PausingBody]) -> Iterator[list[Future[Answer]]]:
        """Start uploads to one key and wait until all pause (or have ended); what pauses in the end is broken off."""
        with ThreadPoolExecutor(len(bodies)) as pool:
            try:
                futures = [pool.submit(self._create, key, body) for body in bodies]
                for body in bodies:
                    body.paused.wait(PATIENCE_S)
                yield futures
            finally:
                for body in bodies:
                    body.break_off()

    def race(self, key: str, contenders: int, size: int) -> tuple[list[PausingBody], list[Answer]]:
        """Let so many uploads of `size` bytes end at the same moment."""
        bodies = [PausingBody(bytes([65 + number]), size, size - 1) for number in range(contenders)]
        with self.started(key, bodies) as futures:
            for body in bodies:
                body.go_on()
            return bodies, [future.result() for future in futures]

    def _create(self, key: str, body: PausingBody) -> Answer:
        """One upload; raises Unfit if it was refused for another reason than a taken key."""
        try:
            sent: Any = body
            self.client.put_object(Bucket=self.store.bucket, Key=key, Body=sent, IfNoneMatch="*")
            return Answer.STORED
        except Exception as error:
            kind = self.store.error(error, f"PUT {key}")
            if isinstance(kind, (Exists, Conflict)):
                return Answer.REFUSED
            if isinstance(kind, (Transient, BrokenOff)):
                return Answer.UNCLEAR
            raise kind from error
        finally:
            body.paused.set()


def _client(store: S3Store) -> S3Client:
    from botocore.config import Config

    config: Any = store.client.meta.config
    unsigned: Any = {**(config.s3 or {}), "payload_signing_enabled": False}
    own = Config(s3=unsigned, max_pool_connections=_AT_ONCE)
    return store.session.client("s3", config=config.merge(own))
