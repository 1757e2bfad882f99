"""One attempt at a job, from resume to result. Torch-free: training itself comes in as a `Learner`.

    resume from the highest state ─▶ [wait for the round before ─▶] train its episodes ─▶ state ─▶ update ─▶ … ─▶ result

State comes before update: a crash in between resumes at that round's end and only publishes again. A member's state is
that of a whole round, so a stop in the middle of one costs its episodes. All a Learner's randomness is a function of
(seed, member, episode), so it does not matter who runs which episode, or how often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from protocol.jobs import queue
from protocol.jobs.lease import EndReason
from protocol.jobs.queue import ClaimedJob
from protocol.rounds.aggregation import AggregateOf
from protocol.rounds.closer import Closer
from protocol.rounds.updates import update_facts
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.errors import BadDocument, FederationFailed
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Closers, JobType, Membership, Result, ResultStatus
from protocol.wire.schedule import Schedule
from protocol.worker.barrier import Barrier
from protocol.worker.learner import Episode, Interrupted, Learner
from protocol.worker.siblings import Siblings

SAVE_EVERY_S = 30.0  # a job without a federation keeps its state this often; an embedded episode takes milliseconds
SAY_EVERY_S = 5.0  # and tells its log this often how it does
GRACE_S = (
    5.0  # how long a running episode, or a member's round, may go on to its end after the process was told to stop
)


class AttemptEnd(Enum):
    """How an attempt ended."""

    DONE = "done"  # the job has a result
    STOPPED = "stopped"  # the process was told to stop; the attempt was released
    LOST = "lost"  # somebody else owns the job now
    SWITCHED = "switched"  # released for a sibling that nobody ran


@dataclass(frozen=True)
class AttemptResult:
    """`status` with DONE, `next` with SWITCHED."""

    end: AttemptEnd
    status: ResultStatus | None = None
    next: ClaimedJob | None = None


class Attempt:
    """Runs one claimed job.

    Args:
        taken: the job and the claim on it.
        learner: of this job's manifest, fresh.
        siblings: None if the worker stays with this job (`--run-once`, or no federation).
        aggregate_of: for a federation whose members close the rounds.
        say: where progress is reported, one line each.
    """

    def __init__(
        self,
        bucket: Bucket,
        taken: ClaimedJob,
        learner: Learner,
        siblings: Siblings | None,
        aggregate_of: AggregateOf,
        say: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.aggregate_of = aggregate_of
        self.lease = taken.lease
        self.manifest = taken.manifest
        self.taken = taken
        self.learner = learner
        self.siblings = siblings
        self.say = say
        self._episode_ends_by: float | None = None
        self._stop_seen: float | None = None

    def run(self) -> AttemptResult:
        """Train until the result, or until there is a reason to stop.

        Raises:
            SimArenaError: the work itself failed; what that means is the caller's decision.
        """
        try:
            done = self._resume()
            if self.manifest.federation is None:
                self._alone(done)
            elif sibling := self._federated(self.manifest.federation, done):
                self.lease.release("runs a member that nobody ran")
                return AttemptResult(AttemptEnd.SWITCHED, next=sibling)
            return self._finish(ResultStatus.SUCCESS)
        except FederationFailed as failure:
            return self._finish(ResultStatus.FAILED, str(failure))
        except Interrupted:
            return self._interrupted()

    # -- episodes ------------------------------------------------------------------------------------

    def _alone(self, done: int) -> None:
        clock = self.bucket.clock
        saved_at, said_at = clock.now(), -math.inf
        for episode in range(done + 1, self.manifest.training.episodes + 1):
            finished = self._train(episode, f"episode {episode}")
            now, stopping = clock.now(), clock.stopping()
            if now - said_at >= SAY_EVERY_S or episode == self.manifest.training.episodes:
                self._say_how(f"episode {episode}/{self.manifest.training.episodes}", [finished])
                said_at = now
            if self._keeps_state() and (stopping or now - saved_at >= SAVE_EVERY_S):
                self._save(episode)
                saved_at = now
            if stopping:
                raise Interrupted

    def _federated(self, member: Membership, done: int) -> ClaimedJob | None:
        """All rounds that are left; returns a sibling to run instead, if this member should wait without a worker."""
        schedule = Schedule(self.manifest.training.episodes, member.episodes_per_round)
        delivered = schedule.round_after(done)
        if delivered is None:
            raise BadDocument(f"{self.taken.newest_state}: episode {done} is not the last one of a round")
        barrier = self._barrier(member, schedule, closed=max(0, delivered - 1))
        round_ = delivered
        if delivered:
            self._publish(member, schedule, delivered)
        elif late := barrier.late_start():
            if further := self._overtaken(done):
                return self._federated(member, further)
            self.learner.load_weights(late.weights)
            round_ = late.round
        while round_ < schedule.rounds:
            if round_ and round_ == delivered:
                self.lease.doing = f"waiting for round {round_}"
                arrived = barrier.wait(round_)
                if isinstance(arrived, ClaimedJob):
                    return arrived
                if arrived.round > round_ and (further := self._overtaken(schedule.last(round_))):
                    return self._federated(member, further)
                self.learner.load_weights(arrived.weights)
                round_ = arrived.round
                if round_ >= schedule.rounds:
                    break
            round_ += 1
            episodes = [self._train(n, f"round {round_}, episode {n}") for n in schedule.of(round_)]
            self._say_how(f"round {round_}/{schedule.rounds}", episodes)
            self._save(schedule.last(round_))
            self._publish(member, schedule, round_)
            delivered = round_
        return self._last_barrier(barrier, schedule) if barrier.closer else None

    def _barrier(self, member: Membership, schedule: Schedule, closed: int) -> Barrier:
        closer = None
        if member.barrier is Closers.WORKERS:
            federation = documents.read(self.bucket, Federation, keys.federation(member.group))
            if federation is None:
                raise FederationFailed(f"federation {member.group}: was purged, or never submitted as a whole")
            federation.require_current(keys.federation(member.group))
            closer = Closer(self.bucket, federation, self.aggregate_of, self.say, closed)
        return Barrier(self.bucket, member, schedule.rounds, self._must_stop, self.siblings, closer, self.say)

    def _last_barrier(self, barrier: Barrier, schedule: Schedule) -> ClaimedJob | None:
        """Nobody else would close the last round: no member ends before it is closed and the outcome recorded."""
        self.lease.doing = f"waiting for round {schedule.rounds}"
        arrived = barrier.wait(schedule.rounds)
        if isinstance(arrived, ClaimedJob):
            return arrived
        barrier.finish()
        return None

    def _overtaken(self, done: int) -> int | None:
        """Rounds closed that this attempt knows nothing of: it may be late, or the attempt before it did not know yet
        that it had lost the job and went further. Then go on from there; the episode, None if nobody did."""
        newest = queue.newest_state(self.bucket, self.manifest.job_id)
        if newest is None or (keys.parse_state(newest) or 0) <= done:
            return None
        return self._restore(newest)

    def _train(self, episode: int, doing: str) -> Episode:
        self.lease.episode = episode
        self.lease.doing = doing
        self._episode_ends_by = self.bucket.clock.now() + self.manifest.training.episode_timeout_s
        finished = self.learner.run_episode(episode, self._must_stop)
        self._episode_ends_by = None
        self.lease.reward = finished.reward
        return finished

    def _say_how(self, what: str, episodes: Sequence[Episode]) -> None:
        if len(episodes) == 1:
            [only] = episodes
            how = f"reward {only.reward:+.2f} in {only.steps} steps{', solved' if only.solved else ''}"
        else:
            how = f"mean reward {_mean_reward(episodes):+.2f}, {_solved(episodes)} of {len(episodes)} episodes solved"
        self.say(f"{self.manifest.job_id}: {what}: {how}")

    # -- what is kept ----------------------------------------------------------------------------------

    def _resume(self) -> int:
        """Restore the newest state of this job (or of the one it retries); returns its episode, 0 for none."""
        newest = self.taken.newest_state
        if newest is None and self.manifest.retry_of:
            newest = queue.newest_state(self.bucket, self.manifest.retry_of)
        if newest is None or not self._keeps_state():
            return 0
        return self._restore(newest)

    def _restore(self, newest: str) -> int:
        body = self.bucket.get(newest, WEIGHTS_BYTES)
        if body is None:
            raise BadDocument(f"{newest}: was listed and is gone")
        done = self.learner.restore(body)
        self.say(f"{self.manifest.job_id}: goes on after episode {done}")
        return done

    def _keeps_state(self) -> bool:
        return self.manifest.training.job_type is JobType.TRAINING

    def _save(self, episode: int) -> None:
        self.bucket.ensure_created(keys.state(self.manifest.job_id, episode), self.learner.state())

    def _publish(self, member: Membership, schedule: Schedule, round_: int) -> None:
        episodes = self.learner.history[-len(schedule.of(round_)) :]
        self.bucket.ensure_created(
            keys.update(member.group, round_, member.member),
            self.learner.weights(),
            update_facts(sum(e.steps for e in episodes), _mean_reward(episodes), _solved(episodes)),
        )

    # -- ends ------------------------------------------------------------------------------------------

    def _must_stop(self) -> bool:
        now = self.bucket.clock.now()
        if self.bucket.clock.stopping() and self._stop_seen is None:
            self._stop_seen = now
        waiting = self._episode_ends_by is None
        told = self._stop_seen is not None and (waiting or now - self._stop_seen > GRACE_S)
        return told or self._timed_out() or self.lease.end_reason() is not None

    def _timed_out(self) -> bool:
        return self._episode_ends_by is not None and self.bucket.clock.now() > self._episode_ends_by

    def _interrupted(self) -> AttemptResult:
        over = self.lease.end_reason()
        if over is EndReason.CANCELLED:
            return self._finish(ResultStatus.CANCELLED, "cancelled by a user")
        if over is EndReason.LOST:
            self.say(f"{self.manifest.job_id}: attempt {self.lease.attempt} is over: {EndReason.LOST.value}")
            return AttemptResult(AttemptEnd.LOST)
        if self._timed_out():
            limit = self.manifest.training.episode_timeout_s
            return self._finish(ResultStatus.FAILED, f"episode {self.lease.episode} took longer than {limit:g} s")
        self.lease.release("the worker was told to stop")
        return AttemptResult(AttemptEnd.STOPPED)

    def _finish(self, status: ResultStatus, error: str | None = None) -> AttemptResult:
        """Upload what was made, then the result: whoever sees the result finds all it names.

        Only a whole training has files: they are a function of the manifest, the same whichever attempt uploads them.
        What an attempt that failed has made stands in the job's states.
        """
        if self.lease.end_reason() is EndReason.LOST:
            return AttemptResult(AttemptEnd.LOST)  # the result is another's to write
        self.lease.doing = "finishing"
        job_id = self.manifest.job_id
        names = {}
        for name, body in self.learner.artifacts().items() if status is ResultStatus.SUCCESS else ():
            self.bucket.ensure_created(keys.artifact(job_id, name), body)
            names[name] = keys.artifact(job_id, name)
        self.lease.close()
        queue.finish(self.bucket, self._result(status, error, names))
        self.say(f"{job_id}: {status}{f': {error}' if error else ''}")
        return AttemptResult(AttemptEnd.DONE, status)

    def _result(self, status: ResultStatus, error: str | None, names: dict[str, str]) -> Result:
        history = self.learner.history
        return Result(
            job_id=self.manifest.job_id,
            status=status,
            error=error[:4000] if error else None,
            worker=self.lease.worker,
            attempt=self.lease.attempt,
            finished_at=documents.timestamp(),
            episodes_completed=len(history),
            env_steps=sum(episode.steps for episode in history),
            total_reward=float(sum(episode.reward for episode in history)) if history else None,
            final_reward=float(history[-1].reward) if history else None,
            solved_episodes=_solved(history),
            artifacts=names,
            transitions=names.get("transitions.msgpack"),
            fingerprint=self.learner.fingerprint(),
        )


def _mean_reward(episodes: Sequence[Episode]) -> float:
    return sum(episode.reward for episode in episodes) / len(episodes)


def _solved(episodes: Sequence[Episode]) -> int:
    return sum(bool(episode.solved) for episode in episodes)
