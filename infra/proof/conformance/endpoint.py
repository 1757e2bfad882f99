"""The endpoint under examination: a bucket, and the scratch keys that one run of the check writes there."""

from __future__ import annotations

from infra.proof.conformance.uploads import Uploads
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import Clock
from protocol.wire.store import S3Store, valid_bucket


class Endpoint:
    """A bucket that remembers what was written to it.

    Args:
        name: the bucket's name.
        clock: time, waiting and nonces.
        patience_s: how long an unclear or failing request is tried again, seconds.

    Raises:
        UsageError: no bucket can have this name.
        Unfit: no credentials, no region.
    """

    def __init__(self, name: str, clock: Clock, patience_s: float) -> None:
        self.store = S3Store(valid_bucket(name), role="check")
        self.bucket = Bucket(self.store, clock, patience_s=patience_s)
        self.uploads = Uploads(self.store)
        self._nonce = clock.nonce()
        self._written: list[str] = []

    def key(self, name: str) -> str:
        """A key to write to; `clean_up` will delete it."""
        key = keys.scratch(self._nonce, name)
        self._written.append(key)
        return key

    def clean_up(self) -> None:
        """Delete all that may have been written."""
        while self._written:
            self.bucket.delete(self._written[-1])
            self._written.pop()
