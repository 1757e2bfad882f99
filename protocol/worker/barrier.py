"""The barrier of a federation: a member asks there for the global weights of a round, and may close the round."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from protocol.rounds.closer import Closer
from protocol.rounds.federation import closed_rounds, has_finished
from protocol.wire import keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket, poll_delay
from protocol.wire.errors import FederationFailed
from protocol.wire.job_documents import Membership
from protocol.worker.siblings import Siblings

PATIENT_S = 60.0  # a wait this long is worth a line in the log
CLOSE_EVERY_S = (1.0, 20.0)  # where members close rounds: how often they look at the updates, at first and at most
LOOK_EVERY_S = 20.0  # how often a member looks at the federation, if it does not look for siblings (then: ttl/3)
SPREAD_S = 3.0  # members that could all close a round do not begin at the same moment


@dataclass(frozen=True)
class GlobalWeights:
    """The average of `round`, from which the next round starts.

    Attributes:
        at_once: whether it was there at the first look; perhaps this member was too late for it.
    """

    round: int
    weights: bytes
    at_once: bool = True


class Barrier:
    """A member's view of its federation's rounds. Each method makes one look; `next_step` decides which, and when.

    Args:
        me: whose barrier it is.
        rounds: of the federation.
        siblings: None if the worker runs no other member.
        closer: None if a sync-server closes the rounds.
        say: where a long wait is reported, one line each.
    """

    def __init__(
        self,
        bucket: Bucket,
        me: Membership,
        rounds: int,
        siblings: Siblings | None,
        closer: Closer | None,
        say: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.me = me
        self.rounds = rounds
        self.siblings = siblings
        self.closer = closer
        self.say = say
        self._just_closed = self._close_tried = False
        self._await_none()

    def newest(self) -> GlobalWeights | None:
        """The newest global weights, None before the first; where a member starts that has never trained."""
        if has_finished(self.bucket, self.me.group):
            return self._weights(self.rounds)
        newest = closed_rounds(self.bucket, self.me.group, self.rounds)
        return self._weights(newest) if newest else None

    # -- waiting for one round -----------------------------------------------------------------------

    @property
    def close_due(self) -> bool:
        return self.closer is not None and self.bucket.clock.now() >= self._close_at and not self._just_closed

    @property
    def look_due(self) -> bool:
        return self.bucket.clock.now() >= self._look_at and not self._just_closed

    def poll(self, round_: int) -> GlobalWeights | None:
        """One GET of a round's weights, after a pause if it is not the first one.

        If the first one finds them, this member may be several rounds late; then it gets the newest.
        """
        first = self._round != round_
        if first:
            self._await(round_)
        elif not self._just_closed:
            self._pause()
        self._just_closed = False
        body = self.bucket.get(keys.global_weights(self.me.group, round_), WEIGHTS_BYTES)
        if body is None:
            return None
        self._await_none()
        newest = closed_rounds(self.bucket, self.me.group, self.rounds, round_) if first else round_
        return replace(self._checked(round_, body), at_once=first) if newest == round_ else self._weights(newest)

    def look(self) -> GlobalWeights | None:
        """The last global weights if all rounds are closed.

        Raises:
            FederationFailed: the federation ended without a result, or was purged.
        """
        self._look_at = self.bucket.clock.now() + self._look_every()
        if not has_finished(self.bucket, self.me.group):
            return None
        self._await_none()
        return self._weights(self.rounds)

    def close(self, round_: int) -> None:
        """Close the round if it can be closed. The member that delivered last does so at once; the others only if that
        one seems to have died over it."""
        if self.closer is None:
            return
        if self.closer.round != round_:
            self.closer.start_round(round_)
        jitter = self.bucket.clock.jitter
        if self.closer.step(grace_s=SPREAD_S * (0.5 + jitter()) if self._close_tried else 0.0):
            has_finished(self.bucket, self.me.group)
        self._just_closed, self._close_tried = self.closer.round > round_, True
        if not self._just_closed:
            now = self.bucket.clock.now()
            self._close_at = now + self._until_next_close(self.closer, now - self._since)

    def conclude(self) -> None:
        """After the last round: see to it that the federation has its outcome."""
        if self.closer and not self.bucket.exists(keys.outcome(self.me.group)):
            self.closer.start_round(self.rounds + 1)
            self.closer.step()

    def _await(self, round_: int) -> None:
        now = self.bucket.clock.now()
        self._round, self._since = round_, now
        self._close_at = now
        self._look_at = now if self.siblings and self.siblings.unowned else now + self._look_every()
        self._warn_at = now + PATIENT_S

    def _await_none(self) -> None:
        self._round, self._since = 0, 0.0
        self._close_at = self._look_at = self._warn_at = math.inf
        self._close_tried = self._just_closed = False

    def _pause(self) -> None:
        clock = self.bucket.clock
        now = clock.now()
        if now >= self._warn_at:
            self._warn_at = now + 10 * PATIENT_S
            hint = "are the other members running?" if self.closer else "is a sync-server running?"
            self.say(f"waited {now - self._since:.0f} s for round {self._round} to close; {hint}")
        clock.sleep(poll_delay(now - self._since, clock.jitter()))

    def _until_next_close(self, closer: Closer, waited_s: float) -> float:
        """Seconds until the next look at the updates: the longer the wait the later, and at the round's deadline."""
        jitter = self.bucket.clock.jitter()
        first, last = CLOSE_EVERY_S
        pause = min(last, max(first, waited_s)) * (0.5 + jitter)
        if closer.time_left_s is None or closer.time_left_s < 0:
            return pause
        return min(pause, closer.time_left_s + 1.0 + SPREAD_S * jitter)  # S3's clock counts whole seconds

    def _look_every(self) -> float:
        return self.siblings.ttl_s / 3 if self.siblings else LOOK_EVERY_S

    def _weights(self, round_: int) -> GlobalWeights:
        body = self.bucket.get(keys.global_weights(self.me.group, round_), WEIGHTS_BYTES)
        if body is None:
            raise FederationFailed(f"the global weights of round {round_} are gone; was the group purged?")
        return self._checked(round_, body)

    def _checked(self, round_: int, body: bytes) -> GlobalWeights:
        """Where members close rounds none goes on from what another one averaged before it has made it again."""
        if self.closer is not None:
            self.closer.audit(round_, body)
        return GlobalWeights(round_, body)
