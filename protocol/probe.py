"""Is this endpoint fit for the protocol? A handful of requests that every process makes before it does anything else.

It catches servers that ignore conditions (rclone, s3rver), refuse them (Swift), or show writes late. It cannot catch
one that checks and then writes, not atomically (stock moto): no cheap test can.
"""

from __future__ import annotations

from protocol import keys
from protocol.bucket import NONCE, Bucket, Created
from protocol.errors import Unfit

_MINE, _OTHER = b"first", b"second"


def probe(bucket: Bucket) -> None:
    """Raises Unfit with one clear line if the endpoint does not keep the protocol's one promise.

    Costs 7 requests (2 PUT, 1 HEAD, 2 GET, 1 LIST, 1 DELETE), about 0.00002 dollars on AWS.
    """
    key = keys.probe(bucket.machine.nonce())
    if bucket.get(key) is not None:
        raise Unfit(f"{bucket.name}: an object that was never written can be read")
    try:
        _check(bucket, key)
    finally:
        bucket.delete(key)


def _check(bucket: Bucket, key: str) -> None:
    answer = bucket.create(key, _MINE)
    if answer is Created.UNKNOWN:
        raise Unfit(f"{bucket.name}: no clear answer to a create-only write within {bucket.patience_s:.0f} s")
    if answer is Created.LOST:
        raise Unfit(f"{bucket.name}: a fresh create-only write was refused, or user metadata got lost")
    if bucket.create(key, _OTHER) is not Created.LOST:
        raise Unfit(
            f"{bucket.name}: the endpoint ignores If-None-Match, so two workers would both own a job; "
            "use AWS S3, Ceph RadosGW or `sim-arena s3`"
        )
    blob = bucket.blob(key, len(_MINE))
    if blob is None or blob.body != _MINE:
        raise Unfit(f"{bucket.name}: a refused create-only write changed the object")
    if NONCE not in blob.metadata:
        raise Unfit(f"{bucket.name}: the endpoint drops user metadata, by which a process knows its own writes")
    if [entry.key for entry in bucket.list(key).entries] != [key]:
        raise Unfit(f"{bucket.name}: a listing does not show an object that was just written")
