"""Waiting for a round to close, and what a worker does meanwhile when there are more members than workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from protocol.jobs import queue
from protocol.jobs.lease import Attempts, attempts
from protocol.jobs.queue import ClaimedJob
from protocol.rounds.closer import Closer
from protocol.rounds.decide import WEIGHTS_BYTES, closed_rounds, delivered_updates
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket, poll_delay
from protocol.wire.documents import Ending, Membership, Outcome
from protocol.wire.errors import FederationFailed

PATIENT_S = 60.0  # a wait this long is worth a line about sync-server
LOOK_S = (1.0, 20.0)  # where members close rounds: how long until the next look at the updates, at first and at most
SPREAD_S = 2.0  # members that could all close a round do not begin at the same moment

Take = Callable[[str, Attempts], ClaimedJob | None]


@dataclass(frozen=True)
class Arrived:
    """The global weights of `round`, from which the next round starts."""

    round: int
    weights: bytes


class Interrupted(Exception):
    """The process was told to stop, or the attempt is not its own any more."""


class Siblings:
    """The other members of a federation, as a worker sees them that could run one of them while it waits.

    Args:
        me: whose barrier it is.
        take: claims a job, or answers None where that is not possible.
    """

    def __init__(self, bucket: Bucket, me: Membership, ttl_s: float, take: Take) -> None:
        self.bucket = bucket
        self.me = me
        self.ttl_s = ttl_s
        self.take = take
        self.unowned = True  # whether the last look saw any without an owner; unknown before the first
        self._ended: set[str] = set()

    def idle_one(self, round_: int) -> ClaimedJob | None:
        """Take a member that still owes its update of this round and has no living owner."""
        listing = self.bucket.list(keys.in_progress_of_group(self.me.group))
        views = attempts(listing.entries)
        others = [self._job((self.me.member + i) % self.me.size) for i in range(1, self.me.size)]
        unowned = [
            job_id
            for job_id in others
            if job_id not in self._ended and not views.get(job_id, Attempts()).alive(listing.server_time, self.ttl_s)
        ]
        self.unowned = bool(unowned)
        if not unowned:
            return None
        delivered = delivered_updates(self.bucket.list(keys.updates(self.me.group, round_)).entries)
        owing = [job_id for job_id in unowned if job_id not in {self._job(member) for member in delivered}]
        for job_id in owing:
            if taken := self.take(job_id, views.get(job_id, Attempts())):
                return taken
            if queue.is_over(self.bucket, job_id):
                self._ended.add(job_id)
        return None

    def _job(self, member: int) -> str:
        return keys.member_job(self.me.group, member)


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
