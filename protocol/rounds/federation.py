"""A federation in the bucket: its description, how many rounds are closed, how it ended."""

from __future__ import annotations

from collections.abc import Callable

from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.errors import BadDocument, FederationFailed, Unreadable
from protocol.wire.federation_documents import Federation, Outcome, OutcomeStatus


def closed_rounds(bucket: Bucket, group: str, rounds: int, at_least: int = 0) -> int:
    """How many of `rounds` have global weights: a galloping search, since round r+1 cannot close before round r.

    Costs about 2 log2(rounds closed since `at_least`) HEADs, for any number of closed rounds.
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
    """The federation behind an index entry; one that has ended, or cannot be read, is taken off the index.

    Raises:
        OtherRelease: another release must work on it; it stays as it is.
        Unreadable: the endpoint refuses its description; it stays as it is.
    """
    if bucket.exists(keys.outcome(group)):
        bucket.delete(keys.active(group))
        return None
    key = keys.federation(group)
    try:
        federation = documents.read(bucket, Federation, key)
    except Unreadable:
        raise
    except BadDocument as error:
        say(f"{group}: failed: {error}")
        end(bucket, group, OutcomeStatus.FAILED, 0, str(error))
        return None
    if federation is not None:  # else its submit is under way, or it was purged
        federation.require_current(key)
    return federation


def end(
    bucket: Bucket, group: str, status: OutcomeStatus, rounds: int, reason: str, weights_sha256: str | None = None
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
    outcome = documents.read(bucket, Outcome, keys.outcome(group))
    if outcome is None and not bucket.exists(keys.federation(group)):
        raise FederationFailed(f"federation {group}: it was never submitted as a whole, or it was purged")
    if outcome is None:
        return False
    if outcome.status is OutcomeStatus.FAILED:
        raise FederationFailed(f"federation {group}: {outcome.reason}")
    return True
