"""Closing rounds: carries out what `decide` says.

Who calls it does not matter, nor how many at once: the decision is created before the aggregate, which is computed from
exactly what the decision lists, in member order, so two closers write the same bytes. What another closer decided or
wrote is checked before it is followed, see `audit.py`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from env.words import count
from protocol.jobs import queue
from protocol.rounds.aggregate import Aggregate, AggregateOf
from protocol.rounds.audit import audit_average, audited, require_equal
from protocol.rounds.decide import EXTENSIONS, CloseRound, FailRound, KeepOpen, OpenRound, decide
from protocol.rounds.federation import closed_rounds, end
from protocol.rounds.reader import RoundReader
from protocol.rounds.updates import delivered_updates
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket, Listing
from protocol.wire.choices import Closers
from protocol.wire.errors import BadDocument, FederationFailed, TooLarge, Unreadable
from protocol.wire.federation_documents import Decision, Federation, LeftOut, OutcomeStatus

RESULT_LOOK_S = 10.0  # how often a closer asks whether members that keep it waiting have ended


class Closer:
    """Closes the rounds of one federation, one after the other. Holds nothing that another closer could not find out.

    Args:
        aggregate_of: makes the aggregate of a round by the federation's strategy.
        say: where progress is reported, one line each.
        closed: how many rounds are known to be closed.

    Attributes:
        round: the open one.
        started: since when this closer looks at it, by this machine's clock.
        time_left_s: what the last look left until the open round's deadline; None before its first update that counts.
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
        self._trusted = 0  # the last round whose global weights this closer made, or made again
        self.start_round(closed_rounds(bucket, federation.group, federation.rounds, closed) + 1)
        self._departed: set[int] = set()
        self._looked: float | None = None

    @property
    def group(self) -> str:
        return self.federation.group

    def start_round(self, round_: int) -> None:
        """Go on with this round: the ones before it are closed."""
        self.round = round_
        self.started = self.bucket.clock.now()
        self.time_left_s: float | None = None
        self._reader = RoundReader(self.bucket, self.federation, round_)
        self._seen = OpenRound(self.federation, round_, {}, (), 0.0)
        self._extension = 0

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
            with suppress(FederationFailed):  # which is the outcome then
                self._finish()
            return True
        verdict = decide(self._look())
        self._note_deadline(verdict)
        if isinstance(verdict, KeepOpen):
            return False
        if isinstance(verdict, CloseRound) and self._seen.server_time - verdict.since < grace_s:
            return False
        try:
            closed = self._close(verdict)
        except Unreadable:
            raise  # another closer may be able to read it
        except (FederationFailed, BadDocument, TooLarge) as failure:
            self._fail(self.round - 1, failure)
            return True
        if closed:
            # Both are whole seconds: what takes a tenth of one may seem to take a whole one.
            last = max(self._seen.delivered.values(), default=0.0)
            self.expected_s = max(0.0, last - (self._closed_at or math.inf) - 1.0)
            self._closed_at = self._seen.server_time
            self.start_round(self.round + 1)
        return False

    def _look(self) -> OpenRound:
        """What is known of the open round now. When it opened is asked once, and only if something depends on it."""
        listing = self.bucket.list(keys.updates(self.group, self.round))
        if self._found_departed(listing):
            # A member may have delivered its last update and ended between the listing and the question.
            listing = self.bucket.list(keys.updates(self.group, self.round))
        seen = replace(
            self._seen,
            delivered=delivered_updates(listing.entries),
            departed=frozenset(self._departed),
            server_time=listing.server_time,
        )
        if math.isinf(seen.opened):
            verdict = decide(seen)
            if not isinstance(verdict, KeepOpen) or verdict.extension:
                seen = replace(seen, opened=self._reader.opened_at())
        self._seen = seen
        return seen

    def _found_departed(self, listing: Listing) -> bool:
        """Ask whether members that keep the round waiting have ended for good; seldom, since each costs a request, and
        not while updates are coming in."""
        now, delivered = self.bucket.clock.now(), delivered_updates(listing.entries)
        members = self.federation.sampling.members(self.round)
        missing = [m for m in members if m not in delivered and m not in self._departed]
        coming_in = bool(delivered) and listing.server_time - max(delivered.values()) < RESULT_LOOK_S
        lately = self._looked is not None and now - self._looked < RESULT_LOOK_S + 0.1 * len(missing)
        if coming_in or lately:
            return False
        self._looked = now
        ended = [member for member in missing if queue.is_over(self.bucket, keys.member_job(self.group, member))]
        self._departed.update(ended)
        return bool(ended)

    def _close(self, verdict: CloseRound | FailRound) -> bool:
        """Decide and aggregate; False if the round is not due any more, since some of its updates cannot be averaged.

        That a round fails is decided like anything else: a closer that slept may find that it was closed.
        """
        aggregate = self.aggregate_of(self.federation, self._reader.before())
        if isinstance(verdict, CloseRound):
            decision = self._judge(verdict, aggregate)
            if decision is None:
                return False
        else:
            decision = self._failed(verdict)
        if not self.bucket.ensure_created(keys.decision(self.group, self.round), decision.to_bytes()):
            decision, aggregate = self._follow(decision, aggregate)
        if decision.error is not None:
            raise FederationFailed(f"round {self.round}: {decision.error}")
        found = aggregate.finish()
        if found.server_state is not None:  # first: who sees the weights goes on from both
            self._create(keys.server_state(self.group, self.round), found.server_state)
        self._create(keys.global_weights(self.group, self.round), found.weights)
        self._trusted = self.round
        self.say(_closed_line(self.group, decision, self.federation))
        return True

    def _judge(self, verdict: CloseRound, aggregate: Aggregate) -> Decision | None:
        """Read the updates, then decide again if some of them turn out not to count."""
        judged = self._reader.judge(verdict.members, aggregate)
        self._seen = replace(self._seen, unusable={**self._seen.unusable, **judged.unusable})
        for member, reason in judged.unusable.items():
            self.say(f"{self.group}: round {self.round}: member {member} left out: {reason}")
        again = decide(self._seen) if judged.unusable else verdict
        self._note_deadline(again)
        match again:
            case KeepOpen():
                return None
            case FailRound():
                return self._failed(again)
        return self._decision(reason=again.reason, participants=judged.participants)

    def _failed(self, verdict: FailRound) -> Decision:
        return self._decision(reason="failed", error=verdict.reason)

    def _decision(self, **content: object) -> Decision:
        left_out = tuple(LeftOut(member=member, reason=why) for member, why in self._seen.left_out.items())
        episodes, departed = len(self.federation.schedule.of(self.round)), tuple(sorted(self._departed))
        facts = {"round": self.round, "episodes": episodes, "departed": departed, "left_out": left_out}
        return Decision.model_validate({**facts, **content})

    def _note_deadline(self, verdict: KeepOpen | CloseRound | FailRound) -> None:
        """Keep when to look again; say it once if the deadline was put off."""
        self.time_left_s = None
        if isinstance(verdict, KeepOpen) and verdict.until is not None:
            self.time_left_s = verdict.until - self._seen.server_time
            if verdict.extension > self._extension:
                self._extension = verdict.extension
                self.say(f"{self.group}: round {self.round}: {extension_line(verdict, self.federation)}")

    def _follow(self, mine: Decision, aggregate: Aggregate) -> tuple[Decision, Aggregate]:
        """Another closer decided first: aggregate what its decision lists."""
        key = keys.decision(self.group, self.round)
        theirs = documents.read(self.bucket, Decision, key)
        if theirs is None:
            raise FederationFailed(f"{key} is gone; was the group purged while it ran?")
        if theirs.error is None and theirs.participants != mine.participants:
            aggregate = audited(self._reader, self.aggregate_of, theirs)
        return theirs, aggregate

    def _create(self, key: str, body: bytes) -> None:
        """Another closer may have been faster; it must have written the same bytes."""
        if not self.bucket.ensure_created(key, body):
            require_equal(self._reader, key, self._reader.present(key), body)

    def audit(self, round_: int, weights: bytes) -> None:
        """Make the global weights of a closed round again, unless this closer made them.

        Raises:
            FederationFailed: they are others. That is the federation's outcome then.
        """
        if round_ == self._trusted:
            return
        try:
            audit_average(RoundReader(self.bucket, self.federation, round_), self.aggregate_of, weights)
        except Unreadable:
            raise
        except (FederationFailed, BadDocument, TooLarge) as failure:
            self._fail(round_ - 1, failure)
            raise FederationFailed(f"federation {self.group}: {failure}") from failure
        self._trusted = round_

    def _fail(self, closed: int, failure: Exception) -> None:
        end(self.bucket, self.group, OutcomeStatus.FAILED, closed, str(failure))
        self.say(f"{self.group}: failed: {failure}")

    def _finish(self) -> None:
        rounds = self.federation.rounds
        body = self.bucket.get(keys.global_weights(self.group, rounds), WEIGHTS_BYTES)
        if body is not None and self.federation.barrier is Closers.WORKERS:
            self.audit(rounds, body)
        sha256 = hashlib.sha256(body).hexdigest() if body is not None else None
        end(self.bucket, self.group, OutcomeStatus.FINISHED, rounds, "all rounds closed", sha256)
        self.say(f"{self.group}: finished after {count(rounds, 'round')}, weights {sha256}")


def _closed_line(group: str, decision: Decision, federation: Federation) -> str:
    rewards = [p.reward for p in decision.participants if p.reward is not None]
    mean = f", mean reward {sum(rewards) / len(rewards):+.2f}" if rewards else ""
    drawn = f" drawn of {federation.size}" if federation.sample else ""
    return (
        f"{group}: round {decision.round}/{federation.rounds} closed ({decision.reason}), "
        f"{len(decision.participants)} of {count(federation.round_size, 'member')}{drawn}{mean}"
    )


def extension_line(verdict: KeepOpen, federation: Federation) -> str:
    """That a round is extended, and how much longer it may last."""
    return (
        f"{count(verdict.delivered, 'update')} of at least {federation.min_participants} at its deadline; "
        f"extended by {federation.round_timeout_s:g} s ({verdict.extension} of {EXTENSIONS} times)"
    )
