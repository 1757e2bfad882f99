"""Waiting for a round to close, and what a worker does meanwhile when there are more members than workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.jobs.queue import ClaimedJob
from protocol.rounds.closer import Closer
from protocol.rounds.federation import closed_rounds, has_finished
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket, poll_delay
from protocol.wire.errors import FederationFailed
from protocol.wire.job_documents import Membership
from protocol.worker.learner import Interrupted
from protocol.worker.siblings import Siblings

PATIENT_S = 60.0  # a wait this long is worth a line about sync-server
LOOK_S = (1.0, 20.0)  # where members close rounds: how long until the next look at the updates, at first and at most
SPREAD_S = 2.0  # members that could all close a round do not begin at the same moment


@dataclass(frozen=True)
class Arrived:
    """The global weights of `round`, from which the next round starts."""

    round: int
    weights: bytes


class Barrier:
    """Where a member waits for the global weights of a round.

    Args:
        rounds: how many the federation has.
        must_stop: asked between polls; true ends the wait with Interrupted.
        siblings: None if this worker stays with its job whatever happens.
        closer: None where a sync-server closes the rounds; else the members do, each as soon as it notices that it can.
        say: where a line goes when the wait grows long.
    """

    def __init__(
        self,
        bucket: Bucket,
        me: Membership,
        rounds: int,
        must_stop: Callable[[], bool],
        siblings: Siblings | None,
        closer: Closer | None,
        say: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.me = me
        self.rounds = rounds
        self.must_stop = must_stop
        self.closer = closer
        self.siblings = siblings if me.size > 1 else None
        self.say = say

    def late_start(self) -> Arrived | None:
        """Where a member that never trained starts: None at the beginning, else at the newest global weights."""
        if has_finished(self.bucket, self.me.group):
            return self._at(self.rounds)
        newest = closed_rounds(self.bucket, self.me.group, self.rounds)
        return self._at(newest) if newest else None

    def wait(self, round_: int) -> Arrived | ClaimedJob:
        """The weights to go on from, or a sibling to run instead.

        Polls the one key by GET. A member that finds the round closed already may be several rounds late; it goes on
        from the newest.

        Raises:
            Interrupted: `must_stop` said so.
            FederationFailed: the federation ended without a result.
        """
        clock = self.bucket.clock
        started = clock.now()
        look_at = started if self.siblings and self.siblings.unowned else started + self._look_every()
        warn_at = started + PATIENT_S
        close_at = started
        late = True
        while True:
            body = self.bucket.get(keys.global_weights(self.me.group, round_), WEIGHTS_BYTES)
            if body is not None:
                return self._at_least(round_, body, late)
            late = False
            if self.must_stop():
                raise Interrupted
            now = clock.now()
            if self.closer and now >= close_at:
                if self._close(self.closer, round_, at_once=close_at == started):
                    continue
                close_at = now + self._next_look(self.closer, clock.now() - started)
            if now >= look_at:
                look_at = now + self._look_every()
                if has_finished(self.bucket, self.me.group):
                    return self._at(self.rounds)  # closed since the GET above; or purged
                if self.siblings and (taken := self.siblings.idle_one(round_)):
                    return taken
            if now >= warn_at:
                warn_at = now + 10 * PATIENT_S
                whom = "are the other members running?" if self.closer else "is a sync-server running?"
                self.say(f"waited {now - started:.0f} s for round {round_} to close; {whom}")
            clock.sleep(poll_delay(now - started, clock.jitter()))

    def finish(self) -> None:
        """After the last round: where members close rounds, see to it that the federation has its outcome."""
        if self.closer and not self.bucket.exists(keys.outcome(self.me.group)):
            self.closer.start_round(self.rounds + 1)
            self.closer.step()

    def _close(self, closer: Closer, round_: int, *, at_once: bool) -> bool:
        """Close the round if it can be closed: whoever delivered last does so at once, the others only if that one
        seems to have died over it. True if it is closed now."""
        if closer.round != round_:
            closer.start_round(round_)
        if closer.step(grace_s=0.0 if at_once else SPREAD_S * (0.5 + self.bucket.clock.jitter())):
            has_finished(self.bucket, self.me.group)
        return closer.round > round_

    def _next_look(self, closer: Closer, waited_s: float) -> float:
        """Seconds until the next look at the updates: the longer the wait the later, and at the round's deadline."""
        jitter = self.bucket.clock.jitter()
        first, last = LOOK_S
        pause = min(last, max(first, waited_s)) * (0.5 + jitter)
        if closer.time_left_s is None or closer.time_left_s < 0:
            return pause
        return min(pause, closer.time_left_s + 1.0 + SPREAD_S * jitter)  # S3's clock counts whole seconds

    def _look_every(self) -> float:
        return self.siblings.ttl_s / 3 if self.siblings else 20.0

    def _at_least(self, round_: int, body: bytes, late: bool) -> Arrived:
        newest = closed_rounds(self.bucket, self.me.group, self.rounds, round_) if late else round_
        return Arrived(round_, body) if newest == round_ else self._at(newest)

    def _at(self, round_: int) -> Arrived:
        body = self.bucket.get(keys.global_weights(self.me.group, round_), WEIGHTS_BYTES)
        if body is None:
            raise FederationFailed(f"the global weights of round {round_} are gone; was the group purged?")
        return Arrived(round_, body)
