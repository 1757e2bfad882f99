"""Closing rounds: one pure decision, and a closer that carries it out.

    open ── every live member delivered ─────────────▶ closed (full)
         ── round_timeout after the first update ────▶ closed (deadline), or failed if too few delivered
         ── nobody left who could deliver ───────────▶ failed

Who calls it does not matter, nor how many at once: the decision is created before the aggregate, which is computed from
exactly what the decision lists, in member order, so two closers write the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from env.errors import one_line
from protocol import jobs, keys, schemas
from protocol.bucket import Bucket, Listing
from protocol.errors import BadDocument, FederationFailed, TooLarge
from protocol.schemas import Decision, Ending, Federation, LeftOut, Outcome, Participant
from protocol.store import Blob, Entry

WEIGHTS_BYTES = 1 << 30  # no update or checkpoint is read beyond this
MAX_RETURN = 1e12  # an episode's is far smaller; sums of what is believed stay finite
FEDERATION_BYTES = 16 << 20
RESULT_LOOK_S = 10.0  # how often a closer asks whether members that keep it waiting have ended
AT_ONCE = 16  # updates that are read side by side, as long as they are small,
AT_ONCE_BYTES = 8 << 20  # that is to say together not larger than this


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


def could_close_since(federation: Federation, delivered: Mapping[int, float], verdict: Close) -> float:
    """When a round that may close now could first have been closed, by S3's clock (epoch seconds)."""
    if verdict.reason == "full":
        return max(delivered.values())
    return min(delivered.values()) + federation.round_timeout_s


# -- aggregation, as the closer sees it --------------------------------------------------------------


@dataclass(frozen=True)
class Before:
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


AggregateOf = Callable[[Federation, Before], Aggregate]


# -- closing -----------------------------------------------------------------------------------------


class Closer:
    """Closes the rounds of one federation, one after the other. Holds nothing that another closer could not find out.

    Args:
        aggregate_of: makes the aggregate of a round by the federation's strategy.
        say: where progress is reported, one line each.
        closed: how many rounds are known to be closed.

    Attributes:
        round: the open one.
        opened: since when, by this machine's clock.
        time_left_s: what the last look left until the open round's deadline; None before its first update.
        expected_s: how long the members took for the round before, by S3's clock; 0 while unknown.
    """

    def __init__(
        self,
        bucket: Bucket,
        federation: Federation,
        aggregate_of: AggregateOf,
        say: Callable[[str], None],
        closed: int = 0,
    ) -> None:
        self.bucket = bucket
        self.federation = federation
        self.aggregate_of = aggregate_of
        self.say = say
        self.expected_s = 0.0
        self._closed_at: float | None = None  # by S3's clock
        self.opens(closed_rounds(bucket, federation.group, federation.rounds, closed) + 1)
        self._departed: set[int] = set()
        self._looked: float | None = None

    @property
    def group(self) -> str:
        return self.federation.group

    def opens(self, round_: int) -> None:
        """Go on with this round: the ones before it are closed."""
        self.round = round_
        self.opened = self.bucket.machine.now()
        self.time_left_s: float | None = None

    def drain(self) -> bool:
        """Close whatever can be closed now; True if that was the end of the federation."""
        round_ = None
        while round_ != self.round:
            round_ = self.round
            if self.step():
                return True
        return False

    def step(self, grace_s: float = 0.0) -> bool:
        """One look at the open round; True once the federation has ended.

        Args:
            grace_s: a round that could be closed for a shorter time is left to whoever saw it first.
        """
        if self.round > self.federation.rounds:
            self._finish()
            return True
        listing = self.bucket.list(keys.updates(self.group, self.round))
        if self._found_departed(listing):
            # A member may have delivered its last update and ended between the listing and the question.
            listing = self.bucket.list(keys.updates(self.group, self.round))
        delivered = delivered_updates(listing.entries)
        if delivered:
            self.time_left_s = min(delivered.values()) + self.federation.round_timeout_s - listing.server_time
        verdict = decide(self.federation, delivered, self._departed, listing.server_time)
        if isinstance(verdict, Wait):
            return False
        if (
            isinstance(verdict, Close)
            and listing.server_time - could_close_since(self.federation, delivered, verdict) < grace_s
        ):
            return False
        try:
            if isinstance(verdict, Fail):
                raise FederationFailed(f"round {self.round}: {verdict.reason}")
            self._close(verdict)
        except (FederationFailed, BadDocument, TooLarge) as failure:
            end(self.bucket, self.group, Ending.FAILED, self.round - 1, str(failure))
            self.say(f"{self.group}: failed: {failure}")
            return True
        # Both are whole seconds: what takes a tenth of one may seem to take a whole one.
        self.expected_s = max(0.0, max(delivered.values()) - (self._closed_at or math.inf) - 1.0)
        self._closed_at = listing.server_time
        self.opens(self.round + 1)
        return False

    def _found_departed(self, listing: Listing) -> bool:
        """Ask whether members that keep the round waiting have ended for good; seldom, since each costs a request, and
        not while updates are coming in."""
        now, delivered = self.bucket.machine.now(), delivered_updates(listing.entries)
        missing = [m for m in range(self.federation.size) if m not in delivered and m not in self._departed]
        coming_in = bool(delivered) and listing.server_time - max(delivered.values()) < RESULT_LOOK_S
        lately = self._looked is not None and now - self._looked < RESULT_LOOK_S + 0.1 * len(missing)
        if coming_in or lately:
            return False
        self._looked = now
        ended = [member for member in missing if jobs.is_over(self.bucket, keys.member_job(self.group, member))]
        self._departed.update(ended)
        return bool(ended)

    def _close(self, verdict: Close) -> None:
        before = self._before()
        aggregate = self.aggregate_of(self.federation, before)
        decision = self._judge(verdict, aggregate)
        if not self.bucket.settle(keys.decision(self.group, self.round), decision.to_bytes()):
            decision, aggregate = self._follow(decision, aggregate, before)
        found = aggregate.finish()
        if found.server_state is not None:  # first: who sees the weights goes on from both
            self.bucket.settle(keys.server_state(self.group, self.round), found.server_state)
        self.bucket.settle(keys.global_weights(self.group, self.round), found.weights)
        self.say(_closed_line(self.group, decision, self.federation))

    def _before(self) -> Before:
        """What the open round started from."""
        if not self.federation.strategy.keeps_state:
            return Before()
        if self.round == 1:
            given = self.federation.training.weights
            return Before(self.bucket.content(keys.weights, given, WEIGHTS_BYTES) if given else None)
        weights, state = (
            self._present(key(self.group, self.round - 1)) for key in (keys.global_weights, keys.server_state)
        )
        return Before(weights, state)

    def _present(self, key: str) -> bytes:
        body = self.bucket.get(key, WEIGHTS_BYTES)
        if body is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        return body

    def _judge(self, verdict: Close, aggregate: Aggregate) -> Decision:
        """Read each update once: add it to the aggregate, or name it as left out."""
        participants: list[Participant] = []
        left_out: list[LeftOut] = []
        for member, update in self._updates(verdict.members):
            try:
                participant = self._take(member, update, aggregate)
            except (BadDocument, TooLarge) as error:
                reason = one_line(str(error))
                left_out.append(LeftOut(member=member, reason=reason))
                self.say(f"{self.group}: round {self.round}: member {member} left out: {reason}")
            else:
                participants.append(participant)
        if len(participants) < self.federation.min_participants:
            reasons = "; ".join(f"member {item.member}: {item.reason}" for item in left_out)
            raise FederationFailed(
                f"round {self.round}: {len(participants)} usable updates, "
                f"at least {self.federation.min_participants} are needed: {reasons}"[:3000]
            )
        return Decision.model_validate(
            {
                "round": self.round,
                "reason": verdict.reason,
                "episodes": len(self.federation.schedule.of(self.round)),
                "participants": tuple(participants),
                "left_out": tuple(left_out),
                "departed": tuple(sorted(self._departed)),
            }
        )

    def _take(self, member: int, update: Blob | TooLarge, aggregate: Aggregate) -> Participant:
        if isinstance(update, TooLarge):
            raise update
        participant = participant_of(self.federation, self.round, member, update)
        aggregate.add(update.body, participant.weight)
        return participant

    def _updates(self, members: Sequence[int]) -> Iterator[tuple[int, Blob | TooLarge]]:
        """The members' updates of the open round, in this order; several are read at once if they are small."""
        at_once = max(1, min(AT_ONCE, AT_ONCE_BYTES // max_update_bytes(self.federation)))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            found = self.bucket.machine.together([partial(self._update, member) for member in some])
            yield from zip(some, found, strict=True)

    def _update(self, member: int) -> Blob | TooLarge:
        key = keys.update(self.group, self.round, member)
        try:
            blob = self.bucket.blob(key, max_update_bytes(self.federation))
        except TooLarge as error:
            return error
        if blob is None:
            raise FederationFailed(f"{key} was listed and is gone; was the group purged while it ran?")
        return blob

    def _follow(self, mine: Decision, aggregate: Aggregate, before: Before) -> tuple[Decision, Aggregate]:
        """Another closer decided first: aggregate what its decision lists."""
        key = keys.decision(self.group, self.round)
        body = self.bucket.get(key, DECISION_BYTES)
        if body is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        theirs = schemas.parse(Decision, body, key)
        if theirs.participants == mine.participants:
            return theirs, aggregate
        aggregate = self.aggregate_of(self.federation, before)
        weights = {participant.member: participant.weight for participant in theirs.participants}
        for member, update in self._updates(tuple(weights)):
            if isinstance(update, TooLarge):
                raise update
            aggregate.add(update.body, weights[member])
        return theirs, aggregate

    def _finish(self) -> None:
        rounds = self.federation.rounds
        body = self.bucket.get(keys.global_weights(self.group, rounds), WEIGHTS_BYTES)
        sha256 = hashlib.sha256(body).hexdigest() if body is not None else None
        end(self.bucket, self.group, Ending.FINISHED, rounds, "all rounds closed", sha256)
        self.say(f"{self.group}: finished after {rounds} rounds, weights {sha256}")


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
    federation = schemas.parse(Federation, body, key)
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
        finished_at=schemas.timestamp(),
        weights_sha256=weights_sha256,
    )
    bucket.settle(keys.outcome(group), outcome.to_bytes())
    bucket.delete(keys.active(group))
    return outcome


def _closed_line(group: str, decision: Decision, federation: Federation) -> str:
    rewards = [p.reward for p in decision.participants if p.reward is not None]
    mean = f", mean reward {sum(rewards) / len(rewards):+.2f}" if rewards else ""
    return (
        f"{group}: round {decision.round}/{federation.rounds} closed ({decision.reason}), "
        f"{len(decision.participants)}/{federation.size} members{mean}"
    )
