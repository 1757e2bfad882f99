"""Rounds: the pure decision about an open one, what its updates and its aggregate are, and how federations end.

open ── every live member delivered ─────────────▶ closed (full)
     ── round_timeout after the first update ────▶ closed (deadline), or failed if too few delivered
     ── nobody left who could deliver ───────────▶ failed
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.documents import Ending, Federation, Outcome, Participant
from protocol.wire.errors import BadDocument, TooLarge
from protocol.wire.store import Blob, Entry

WEIGHTS_BYTES = 1 << 30  # no update or checkpoint is read beyond this
MAX_RETURN = 1e12  # an episode's is far smaller; sums of what is believed stay finite
FEDERATION_BYTES = 16 << 20
DECISION_BYTES = 8 << 20


# -- the decision ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """Nothing to do yet."""


@dataclass(frozen=True)
class Close:
    """Aggregate what these members delivered."""

    members: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Fail:
    """The federation cannot go on."""

    reason: str


def decide(
    federation: Federation, delivered: Mapping[int, float], departed: Collection[int], server_time: float
) -> Wait | Close | Fail:
    """What is to be done about an open round.

    Args:
        delivered: Last-Modified (epoch seconds) of each member's update.
        departed: members whose job ended for good.
        server_time: S3's clock, epoch seconds.
    """
    members = tuple(sorted(member for member in delivered if member < federation.size))
    missing = [m for m in range(federation.size) if m not in delivered and m not in departed]
    late = bool(members) and server_time - min(delivered[m] for m in members) > federation.round_timeout_s
    if missing and not late:
        return Wait()
    if len(members) < federation.min_participants:
        cause = "the round timed out" if missing else f"{len(departed)} of {federation.size} members have ended"
        return Fail(f"{len(members)} updates, at least {federation.min_participants} are needed: {cause}")
    return Close(members, "deadline" if missing else "full")


def closable_at(federation: Federation, delivered: Mapping[int, float], verdict: Close) -> float:
    """When a round that may close now could first have been closed, by S3's clock (epoch seconds)."""
    if verdict.reason == "full":
        return max(delivered.values())
    return min(delivered.values()) + federation.round_timeout_s


# -- aggregation, as `protocol.rounds.closer` sees it --------------------------------------------------------------


@dataclass(frozen=True)
class RoundInputs:
    """What a round started from; read only for strategies that build on it.

    Attributes:
        weights: the global weights of the round before; in round 1 what the federation was told to start from, None:
            the weights that its seed defines.
        server_state: what the strategy kept beside those; None in round 1.
    """

    weights: bytes | None = None
    server_state: bytes | None = None


@dataclass(frozen=True)
class Aggregated:
    """The bytes of `global_weights.pt`, and of `server_state.pt` where the strategy has any."""

    weights: bytes
    server_state: bytes | None = None


class Aggregate(Protocol):
    """The aggregate of a round, to which its updates are given in member order."""

    def add(self, update: bytes, weight: int) -> None:
        """Take one update in. Raises BadDocument if it may not be averaged; nothing is changed then."""

    def finish(self) -> Aggregated:
        """The aggregate of what was taken in, at least one update."""


AggregateOf = Callable[[Federation, RoundInputs], Aggregate]


# -- what is read from the bucket ------------------------------------------------------------------------


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


def delivered_updates(entries: Collection[Entry]) -> dict[int, float]:
    """Last-Modified of each member's update in a listing of a round's updates."""
    return {member: entry.modified for entry in entries if (member := keys.parse_update(entry.key)) is not None}


def max_update_bytes(federation: Federation) -> int:
    """A generous bound on a true update's size: its float32 tensors and a kilobyte or so of frame for each."""
    return sum(4 * spec.elements + 4096 for spec in federation.model) + 65_536


def participant_of(federation: Federation, round_: int, member: int, blob: Blob) -> Participant:
    """What an update's user metadata says about it, checked.

    Raises:
        BadDocument: the number of transitions is missing or impossible.
    """
    try:
        facts = json.loads(blob.metadata.get("facts", ""))
        transitions = int(facts["transitions"])
        reward = facts.get("reward")
        solved = facts.get("solved")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadDocument("its metadata does not tell its number of transitions") from error
    episodes, steps = len(federation.schedule.of(round_)), federation.training.steps
    if not 0 < transitions <= episodes * steps:
        raise BadDocument(f"{transitions} transitions in {episodes} episodes of at most {steps} steps")
    return Participant(
        member=member,
        weight=transitions if federation.strategy.by_transitions else 1,
        reward=reward if isinstance(reward, float) and abs(reward) <= MAX_RETURN else None,
        solved=solved if type(solved) is int and 0 <= solved <= episodes else None,
    )


def update_facts(transitions: int, reward: float, solved: int) -> dict[str, str]:
    """The user metadata of an update; `participant_of` reads it back.

    Args:
        transitions: of all episodes of the round.
        reward: mean return of its episodes.
        solved: how many of them reached the goal.
    """
    return {"facts": json.dumps({"transitions": transitions, "reward": float(reward), "solved": int(solved)})}


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
