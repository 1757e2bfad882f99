"""Is this endpoint fit for the protocol? Eight requests that a process makes before it writes anything else.

They catch servers that ignore conditions (rclone, s3rver), refuse them (Swift), drop user metadata, show writes or
deletes late, or judge age by two clocks. They cannot catch one that checks and then writes, not atomically (stock
moto): that takes races of large bodies, which `sim-arena s3 check` adds to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from protocol.wire import keys
from protocol.wire.bucket import NONCE, Bucket, Created, Listing
from protocol.wire.errors import Refused, Unfit
from protocol.wire.store import Blob

ONE_CLOCK_S = 10.0  # how far Date and Last-Modified may be apart: half of what a renewal of the default lease takes

_MINE, _OTHER = b"first", b"second"
_FACT = "probe"


class CheckResult(StrEnum):
    """What a check makes of an endpoint: only `failed` makes it unfit."""

    OK = "ok"
    WARN = "warn"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """The row of one check; `detail` is a line for a person."""

    check: str
    verdict: CheckResult
    detail: str


@dataclass(frozen=True)
class ProbeAnswers:
    """What an endpoint answered.

    Attributes:
        key: the object that was written.
        before: whether it could be read before that.
        created: what the first create-only write was told.
        taken: what the second one was told, with another body.
        nonce: the user metadata that the first one sent.
        blob: what was read after both.
        listing: what lies below the key then.
        elapsed_s: seconds from the first write to the listing, on this machine's clock.
        after: whether it could be read after its deletion.
    """

    key: str
    before: bool
    created: Created
    taken: Created
    nonce: str
    blob: Blob | None
    listing: Listing
    elapsed_s: float
    after: bool


def probe(bucket: Bucket) -> None:
    """Raises Unfit with one clear line if the endpoint does not keep the protocol's promises.

    Costs 8 requests (2 PUT, 1 HEAD, 3 GET, 1 LIST, 1 DELETE), about 0.00002 dollars on AWS.
    """
    try:
        seen = look(bucket)
    except Refused as error:
        raise Unfit(str(error)) from error
    for finding in judge(seen):
        if finding.verdict is CheckResult.FAILED:
            raise Unfit(f"{bucket.name}: {finding.detail}")


def look(bucket: Bucket) -> ProbeAnswers:
    """Create, read, list and delete one object.

    Raises:
        Transient: no answer within the bucket's patience.
        Refused, Unfit: a request was refused.
    """
    nonce = bucket.clock.nonce()
    key = keys.probe(nonce)
    before = bucket.get(key) is not None
    started = bucket.clock.now()
    try:
        created = bucket.create(key, _MINE, {_FACT: nonce})
        taken = bucket.create(key, _OTHER)
        blob = bucket.blob(key, max(len(_MINE), len(_OTHER)))
        listing = bucket.list(key)
        elapsed_s = bucket.clock.now() - started
    finally:
        bucket.delete(key)
    after = bucket.get(key) is not None
    return ProbeAnswers(key, before, created, taken, nonce, blob, listing, elapsed_s, after)


def judge(seen: ProbeAnswers) -> tuple[Finding, ...]:
    """What the answers tell."""
    return (_create_only(seen), _metadata(seen), _own_writes(seen), _one_clock(seen))


def _create_only(seen: ProbeAnswers) -> Finding:
    fault = None
    if Created.UNKNOWN in (seen.created, seen.taken):
        fault = "no clear answer to a create-only write"
    elif seen.created is Created.LOST:
        fault = "a create-only write of a fresh key is refused"
    elif seen.taken is Created.WON:
        fault = (
            "the endpoint ignores If-None-Match, so two workers would both own a job; "
            "use AWS S3, Ceph RadosGW or `sim-arena s3`"
        )
    elif seen.blob is not None and seen.blob.body != _MINE:
        fault = "a refused create-only write changed the object"
    return finding("create-only", fault, "a fresh key is created; a taken one is refused and stays as it is")


def _metadata(seen: ProbeAnswers) -> Finding:
    if seen.blob is None:
        return Finding("user metadata", CheckResult.SKIPPED, "there was no object to read it from")
    # After a second write that should have lost, the metadata is that one's.
    kept = NONCE in seen.blob.metadata and seen.blob.metadata.get(_FACT, seen.nonce) == seen.nonce
    fault = None if kept else "the endpoint drops user metadata, by which a process knows its own writes"
    return finding("user metadata", fault, "kept, so a process knows its own writes")


def _own_writes(seen: ProbeAnswers) -> Finding:
    fault = None
    if seen.before:
        fault = "an object that was never written can be read"
    elif seen.blob is None:
        fault = "an object that was just written cannot be read"
    elif [entry.key for entry in seen.listing.entries] != [seen.key]:
        fault = "a listing does not show an object that was just written"
    elif seen.after:
        fault = "a deleted object can still be read"
    return finding("own writes", fault, "a write is seen by the next GET and LIST, a deletion by the next GET")


def _one_clock(seen: ProbeAnswers) -> Finding:
    if not seen.listing.entries:
        return Finding("one clock", CheckResult.SKIPPED, "there was no object to compare with")
    return clocks_finding("one clock", clocks_apart(seen.listing, seen.elapsed_s))


def clocks_apart(listing: Listing, elapsed_s: float) -> float:
    """How far Date is ahead of Last-Modified, seconds, beyond what the time between the two explains.

    Args:
        listing: of one object.
        elapsed_s: an upper bound of that time: from before the write to after the listing.
    """
    age_s = listing.server_time - listing.entries[0].modified
    return min(age_s, 0.0) if age_s < elapsed_s else age_s - elapsed_s


def clocks_finding(check: str, apart_s: float) -> Finding:
    """Whether leases can be judged by these clocks; both headers know whole seconds only."""
    fault = None
    if abs(apart_s) > ONE_CLOCK_S:
        fault = (
            f"Date and Last-Modified are {abs(apart_s):,.0f} s apart, so the age of a lease cannot be told; "
            "set the clocks of the server's machines"
        )
    return finding(check, fault, f"Date and Last-Modified agree to {max(1.0, abs(apart_s)):.0f} s")


def finding(check: str, fault: str | None, otherwise: str) -> Finding:
    """Failed with the fault, or else ok."""
    return Finding(check, CheckResult.FAILED, fault) if fault else Finding(check, CheckResult.OK, otherwise)
