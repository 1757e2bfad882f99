"""A federation in the bucket: its description, how many rounds are closed, how it ended."""

from __future__ import annotations

from collections.abc import Callable

from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.documents import Ending, Federation, Outcome
from protocol.wire.errors import BadDocument, FederationFailed, TooLarge

FEDERATION_BYTES = 16 << 20
DECISION_BYTES = 8 << 20


def read_federation(bucket: Bucket, group: str) -> Federation | None:
    """A federation's description, None if there is none.

    Raises:
        BadDocument: it cannot be read, or is another's.
    """
    key = keys.federation(group)
    try:
        body = bucket.get(key, FEDERATION_BYTES)
    except TooLarge as error:
        raise BadDocument(str(error)) from error
    if body is None:
        return None
    federation = documents.parse(Federation, body, key)
    if federation.group != group:
        raise BadDocument(f"{key}: it is the federation {federation.group!r}")
    return federation


def closed_rounds(bucket: Bucket, group: str, rounds: int, at_least: int = 0) -> int:
    """How many of `rounds` have global weights: a galloping search, since round r+1 cannot close before round r.

    Costs about 2 log2(rounds closed since `at_least`) HEADs, whatever the history.
    """

    def closed(round_: int) -> bool:
        return round_ <= rounds and bucket.exists(keys.global_weights(group, round_))

    low, stride = at_least, 1
    while closed(low + stride):
        low, stride = low + stride, 2 * stride
    high = low + stride  # low is closed, high is not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if closed(middle) else (low, middle)
    return low


def unfinished(bucket: Bucket, group: str, say: Callable[[str], None]) -> Federation | None:
    """The federation behind an index entry; one that has ended, or cannot be read, is taken off the index."""
    if bucket.exists(keys.outcome(group)):
        bucket.delete(keys.active(group))
        return None
    try:
        return read_federation(bucket, group)  # None: its submit is under way, or it was purged
    except BadDocument as error:
        say(f"{group}: failed: {error}")
        end(bucket, group, Ending.FAILED, 0, str(error))
        return None


def end(
    bucket: Bucket, group: str, status: Ending, rounds: int, reason: str, weights_sha256: str | None = None
) -> Outcome:
    """Record how a federation ended (the first to say so is right) and take it off the index."""
    outcome = Outcome(
        status=status,
        rounds=rounds,
        reason=reason[:4000],
        finished_at=documents.timestamp(),
        weights_sha256=weights_sha256,
    )
    bucket.ensure_created(keys.outcome(group), outcome.to_bytes())
    bucket.delete(keys.active(group))
    return outcome


def has_finished(bucket: Bucket, group: str) -> bool:
    """Whether all rounds are closed.

    Raises:
        FederationFailed: with the recorded reason, if the federation ended without a result or is gone.
    """
    key = keys.outcome(group)
    body = bucket.get(key)
    if body is None and not bucket.exists(keys.federation(group)):
        raise FederationFailed(f"federation {group}: it was never submitted as a whole, or it was purged")
    if body is None:
        return False
    outcome = documents.parse(Outcome, body, key)
    if outcome.status is Ending.FAILED:
        raise FederationFailed(f"federation {group}: {outcome.reason}")
    return True
