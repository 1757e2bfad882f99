"""Closing rounds: carries out what `decide` says.

Who calls it does not matter, nor how many at once: the decision is created before the aggregate, which is computed from
exactly what the decision lists, in member order, so two closers write the same bytes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from env.errors import one_line
from env.words import count
from protocol.jobs import queue
from protocol.rounds.aggregate import Aggregate, AggregateOf, RoundInputs
from protocol.rounds.decide import CloseRound, FailRound, KeepOpen, closable_at, decide
from protocol.rounds.federation import closed_rounds, end
from protocol.rounds.updates import delivered_updates, max_update_bytes, participant_of
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket, Listing
from protocol.wire.errors import BadDocument, FederationFailed, Refused, TooLarge, Unreadable
from protocol.wire.federation_documents import Decision, Federation, LeftOut, OutcomeStatus, Participant
from protocol.wire.store import Blob

RESULT_LOOK_S = 10.0  # how often a closer asks whether members that keep it waiting have ended
AT_ONCE = 16  # updates that are read side by side, as long as they are small,
AT_ONCE_BYTES = 8 << 20  # that is to say together not larger than this


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
        self.start_round(closed_rounds(bucket, federation.group, federation.rounds, closed) + 1)
        self._departed: set[int] = set()
        self._looked: float | None = None

    @property
    def group(self) -> str:
        return self.federation.group

    def start_round(self, round_: int) -> None:
        """Go on with this round: the ones before it are closed."""
        self.round = round_
        self.opened = self.bucket.clock.now()
        self.time_left_s: float | None = None

    def drain(self) -> bool:
        """Close what can be closed now; True if that was the end of the federation."""
        round_ = None
        while round_ != self.round:
            round_ = self.round
            if self.step():
                return True
        return False

    def step(self, grace_s: float = 0.0) -> bool:
        """One look at the open round; True once the federation has ended.

        Args:
            grace_s: a round that could be closed for a shorter time is left to the closer that saw it first.
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
        if isinstance(verdict, KeepOpen):
            return False
        if (
            isinstance(verdict, CloseRound)
            and listing.server_time - closable_at(self.federation, delivered, verdict) < grace_s
        ):
            return False
        try:
            self._close(verdict)
        except Unreadable:
            raise  # another closer may be able to read it
        except (FederationFailed, BadDocument, TooLarge) as failure:
            end(self.bucket, self.group, OutcomeStatus.FAILED, self.round - 1, str(failure))
            self.say(f"{self.group}: failed: {failure}")
            return True
        # Both are whole seconds: what takes a tenth of one may seem to take a whole one.
        self.expected_s = max(0.0, max(delivered.values(), default=0.0) - (self._closed_at or math.inf) - 1.0)
        self._closed_at = listing.server_time
        self.start_round(self.round + 1)
        return False

    def _found_departed(self, listing: Listing) -> bool:
        """Ask whether members that keep the round waiting have ended for good; seldom, since each costs a request, and
        not while updates are coming in."""
        now, delivered = self.bucket.clock.now(), delivered_updates(listing.entries)
        missing = [m for m in range(self.federation.size) if m not in delivered and m not in self._departed]
        coming_in = bool(delivered) and listing.server_time - max(delivered.values()) < RESULT_LOOK_S
        lately = self._looked is not None and now - self._looked < RESULT_LOOK_S + 0.1 * len(missing)
        if coming_in or lately:
            return False
        self._looked = now
        ended = [member for member in missing if queue.is_over(self.bucket, keys.member_job(self.group, member))]
        self._departed.update(ended)
        return bool(ended)

    def _close(self, verdict: CloseRound | FailRound) -> None:
        """That a round fails is decided like anything else: a closer that slept may find that it was closed."""
        before = self._before()
        aggregate = self.aggregate_of(self.federation, before)
        decision = self._judge(verdict, aggregate) if isinstance(verdict, CloseRound) else self._failed(verdict.reason)
        if not self.bucket.ensure_created(keys.decision(self.group, self.round), decision.to_bytes()):
            decision, aggregate = self._follow(decision, aggregate, before)
        if decision.error is not None:
            raise FederationFailed(f"round {self.round}: {decision.error}")
        found = aggregate.finish()
        if found.server_state is not None:  # first: who sees the weights goes on from both
            self.bucket.ensure_created(keys.server_state(self.group, self.round), found.server_state)
        self.bucket.ensure_created(keys.global_weights(self.group, self.round), found.weights)
        self.say(_closed_line(self.group, decision, self.federation))

    def _before(self) -> RoundInputs:
        """What the open round started from."""
        if not self.federation.strategy.keeps_state:
            return RoundInputs()
        if self.round == 1:
            given = self.federation.training.weights
            return RoundInputs(self.bucket.content(keys.weights, given, WEIGHTS_BYTES) if given else None)
        weights, state = (
            self._present(key(self.group, self.round - 1)) for key in (keys.global_weights, keys.server_state)
        )
        return RoundInputs(weights, state)

    def _present(self, key: str) -> bytes:
        body = self.bucket.get(key, WEIGHTS_BYTES)
        if body is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        return body

    def _judge(self, verdict: CloseRound, aggregate: Aggregate) -> Decision:
        """Read each update once: add it to the aggregate, or name it as left out."""
        participants: list[Participant] = []
        left_out: list[LeftOut] = []
        refused = 0
        for member, update in self._updates(verdict.members):
            try:
                participant = self._take(member, update, aggregate)
            except (BadDocument, Refused) as error:
                refused += isinstance(error, Refused) and not isinstance(error, TooLarge)
                reason = one_line(str(error))
                left_out.append(LeftOut(member=member, reason=reason))
                self.say(f"{self.group}: round {self.round}: member {member} left out: {reason}")
            else:
                participants.append(participant)
        if refused and refused == len(left_out) and not participants:
            # Perhaps this closer's own rights: what it cannot see at all it does not decide.
            raise Refused(f"round {self.round}: no update can be read; {left_out[0].reason}")
        if len(participants) < self.federation.min_participants:
            reasons = "; ".join(f"member {item.member}: {item.reason}" for item in left_out)
            needed = self.federation.min_participants
            return self._failed(
                f"{count(len(participants), 'usable update')}, at least {needed} needed: {reasons}"[:3000]
            )
        return self._decision(reason=verdict.reason, participants=tuple(participants), left_out=tuple(left_out))

    def _failed(self, error: str) -> Decision:
        return self._decision(reason="failed", error=error)

    def _decision(self, **content: object) -> Decision:
        episodes, departed = len(self.federation.schedule.of(self.round)), tuple(sorted(self._departed))
        return Decision.model_validate({"round": self.round, "episodes": episodes, "departed": departed, **content})

    def _take(self, member: int, update: Blob | Refused, aggregate: Aggregate) -> Participant:
        if isinstance(update, Refused):
            raise update
        participant = participant_of(self.federation, self.round, member, update)
        aggregate.add(update.body, participant.weight)
        return participant

    def _updates(self, members: Sequence[int]) -> Iterator[tuple[int, Blob | Refused]]:
        """The members' updates of the open round, in this order; several are read at once if they are small."""
        at_once = max(1, min(AT_ONCE, AT_ONCE_BYTES // max_update_bytes(self.federation)))
        for start in range(0, len(members), at_once):
            some = members[start : start + at_once]
            found = self.bucket.clock.together([partial(self._update, member) for member in some])
            yield from zip(some, found, strict=True)

    def _update(self, member: int) -> Blob | Refused:
        key = keys.update(self.group, self.round, member)
        try:
            blob = self.bucket.blob(key, max_update_bytes(self.federation))
        except Refused as error:
            return error
        if blob is None:
            raise FederationFailed(f"{key} was listed and is gone; was the group purged while it ran?")
        return blob

    def _follow(self, mine: Decision, aggregate: Aggregate, before: RoundInputs) -> tuple[Decision, Aggregate]:
        """Another closer decided first: aggregate what its decision lists."""
        key = keys.decision(self.group, self.round)
        theirs = documents.read(self.bucket, Decision, key)
        if theirs is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        if theirs.participants == mine.participants:
            return theirs, aggregate
        aggregate = self.aggregate_of(self.federation, before)
        weights = {participant.member: participant.weight for participant in theirs.participants}
        for member, update in self._updates(tuple(weights)):
            if isinstance(update, Refused):
                raise update
            aggregate.add(update.body, weights[member])
        return theirs, aggregate

    def _finish(self) -> None:
        rounds = self.federation.rounds
        body = self.bucket.get(keys.global_weights(self.group, rounds), WEIGHTS_BYTES)
        sha256 = hashlib.sha256(body).hexdigest() if body is not None else None
        end(self.bucket, self.group, OutcomeStatus.FINISHED, rounds, "all rounds closed", sha256)
        self.say(f"{self.group}: finished after {count(rounds, 'round')}, weights {sha256}")


def _closed_line(group: str, decision: Decision, federation: Federation) -> str:
    rewards = [p.reward for p in decision.participants if p.reward is not None]
    mean = f", mean reward {sum(rewards) / len(rewards):+.2f}" if rewards else ""
    return (
        f"{group}: round {decision.round}/{federation.rounds} closed ({decision.reason}), "
        f"{len(decision.participants)} of {count(federation.size, 'member')}{mean}"
    )
