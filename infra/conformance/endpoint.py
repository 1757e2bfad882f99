"""The endpoint under examination: a bucket, and the scratch keys that one run of the check writes there."""

from __future__ import annotations

from infra.conformance.uploads import Uploads
from protocol import keys
from protocol.bucket import Bucket
from protocol.machine import Machine
from protocol.store import S3Store


class Endpoint:
    """A bucket that remembers what was written to it.

    Args:
        name: the bucket's name.
        machine: clock, waiting and nonces.
        patience_s: how long an unclear or failing request is tried again, seconds.

    Raises:
        Unfit: no credentials, no region, a name that S3 refuses.
    """

    def __init__(self, name: str, machine: Machine, patience_s: float) -> None:
        self.store = S3Store(name, role="check")
        self.bucket = Bucket(self.store, machine, patience_s=patience_s)
        self.uploads = Uploads(self.store)
        self._nonce = machine.nonce()
        self._written: list[str] = []

    def key(self, name: str) -> str:
        """A key to write to; `clean_up` will delete it."""
        key = keys.scratch(self._nonce, name)
        self._written.append(key)
        return key

    def clean_up(self) -> None:
        """Delete whatever may have been written."""
        while self._written:
            self.bucket.delete(self._written[-1])
            self._written.pop()
