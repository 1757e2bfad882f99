"""One attempt at a job, from resume to result: look, ask `next_step` what to do, do it.

All decisions are in `protocol.worker.next_step`; here is one method for each step. Training itself comes in as a
`JobLearner`, whose randomness is a function of (seed, member, episode): so it does not matter who runs which episode,
or how often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from protocol.jobs import queue
from protocol.jobs.lease import EndReason
from protocol.jobs.queue import ClaimedJob
from protocol.rounds.aggregate import AggregateOf
from protocol.rounds.closer import Closer
from protocol.rounds.participation import read_participation
from protocol.rounds.updates import update_facts
from protocol.wire import documents, keys
from protocol.wire.bucket import WEIGHTS_BYTES, Bucket
from protocol.wire.choices import Closers, JobType
from protocol.wire.errors import BadDocument, FederationFailed, ProtocolError
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Membership, ResultStatus
from protocol.wire.schedule import Schedule
from protocol.worker import next_step as steps
from protocol.worker.barrier import Barrier, GlobalWeights
from protocol.worker.learner import Episode, Interrupted, JobLearner
from protocol.worker.next_step import View, next_step
from protocol.worker.results import AttemptEnd, AttemptResult, difference, in_words, job_result, mean_reward, solved
from protocol.worker.siblings import Siblings

SAY_EVERY_S = 5.0  # how often a job without a federation tells its log how it does
GRACE_S = 5.0  # after the process was told to stop: how long a running episode, or a member's round, may go on


class Attempt:
    """Runs one claimed job.

    Args:
        claimed: the job and the claim on it.
        learner: of this job's manifest, fresh.
        siblings: None if the worker stays with this job (`--run-once`, or no federation).
        aggregate_of: for a federation whose members close the rounds.
        say: where progress is reported, one line each.

    Attributes:
        view: what is known; each step adds what came of it.
    """

    def __init__(
        self,
        bucket: Bucket,
        claimed: ClaimedJob,
        learner: JobLearner,
        siblings: Siblings | None,
        aggregate_of: AggregateOf,
        say: Callable[[str], None],
    ) -> None:
        self.bucket = bucket
        self.claimed = claimed
        self.lease = claimed.lease
        self.manifest = claimed.manifest
        self.learner = learner
        self.siblings = siblings
        self.aggregate_of = aggregate_of
        self.say = say
        member, training = self.manifest.federation, self.manifest.training
        self.schedule = Schedule(training.episodes, member.episodes_per_round if member else 1)
        self.view = View(
            self.schedule,
            member.barrier if member else None,
            keeps_state=training.job_type is JobType.TRAINING,
            turns=self.manifest.turns,
        )
        self._barrier: Barrier  # since Join
        self._weights = b""  # the global weights of the round `view.closed`
        self._may_be_late = False  # whether a round may have closed without this member
        self._differs: str | None = None  # how this attempt's states differ from another's
        self._sibling: ClaimedJob | None = None
        self._saved_at = bucket.clock.now()
        self._said_at = -math.inf
        self._episode_ends_by = math.inf
        self._stop_seen: float | None = None

    def run(self) -> AttemptResult:
        """Step by step to the result, or to a reason to stop.

        Raises:
            SimArenaError: the work itself failed; what that means is the caller's decision.
        """
        while True:
            step = next_step(self._observe())
            try:
                result = METHODS[type(step)](self, step)
            except FederationFailed as failure:
                self.view = replace(self.view, failure=str(failure))
            except Interrupted:
                self.view = replace(self.view, interrupted=True, timed_out=self._timed_out())
            else:
                if result is not None:
                    return result

    def _observe(self) -> View:
        """What may have changed by itself."""
        clock = self.bucket.clock
        self.view = replace(
            self.view,
            end_reason=self.lease.end_reason(),
            stopping=clock.stopping(),
            unsaved_s=clock.now() - self._saved_at,
            close_due=self.view.joined and self._barrier.close_due,
            look_due=self.view.joined and self._barrier.look_due,
        )
        return self.view

    # -- resume --------------------------------------------------------------------------------------

    def _resume(self, _: steps.Resume) -> None:
        newest = self._newest_state() if self.view.keeps_state else None
        if newest is not None and (keys.parse_state(newest) or 0) > self.schedule.last(self.view.trained):
            self._restore(newest)
        self.view = replace(self.view, resumed_at=self.view.closed)
        self._saved_at = self.bucket.clock.now()

    def _newest_state(self) -> str | None:
        """The key of the job's newest state; at first that of the claim, or of the job that this one retries."""
        if self.view.resumed_at is not None:
            return queue.newest_state(self.bucket, self.manifest.job_id)
        if self.claimed.newest_state is None and self.manifest.retry_of:
            return queue.newest_state(self.bucket, self.manifest.retry_of)
        return self.claimed.newest_state

    def _restore(self, key: str) -> None:
        body = self.bucket.get(key, WEIGHTS_BYTES)
        if body is None:
            raise BadDocument(f"{key}: was listed and is gone")
        episode = self.learner.restore(body)
        round_ = self.schedule.round_after(episode)
        if round_ is None:
            raise BadDocument(f"{key}: {self.manifest.training.unit} {episode} is not the last one of a round")
        self.say(f"{self.manifest.job_id}: goes on after {self.manifest.training.unit} {episode}")
        self._may_be_late = True  # what came before is not known here
        self.view = replace(self.view, trained=round_, saved=round_, loaded=0)

    # -- train ---------------------------------------------------------------------------------------

    def _train(self, step: steps.Train) -> None:
        episodes = [self._run_episode(step.round, episode) for episode in self.schedule.of(step.round)]
        self.view = replace(self.view, trained=step.round)
        self._say_how(step.round, episodes)

    def _run_episode(self, round_: int, episode: int) -> Episode:
        self.lease.episode = episode
        in_round = f"round {round_}, " if self.manifest.federation else ""
        self.lease.doing = f"{in_round}{self.manifest.training.unit} {episode}"
        self._episode_ends_by = self.bucket.clock.now() + self.manifest.training.episode_timeout_s
        finished = self.learner.run_episode(episode, self._must_stop)
        self.lease.reward = finished.reward
        return finished

    def _must_stop(self) -> bool:
        """Whether the running episode is broken off; a process that was told to stop grants it some time."""
        now = self.bucket.clock.now()
        if self.bucket.clock.stopping() and self._stop_seen is None:
            self._stop_seen = now
        out_of_grace = self._stop_seen is not None and now - self._stop_seen > GRACE_S
        return out_of_grace or now > self._episode_ends_by or self.lease.end_reason() is not None

    def _timed_out(self) -> str | None:
        if self.bucket.clock.now() <= self._episode_ends_by:
            return None
        wanted = self.manifest.training
        return f"{wanted.unit} {self.lease.episode} took longer than {wanted.episode_timeout_s:g} s"

    def _save(self, step: steps.Save) -> None:
        key = keys.state(self.manifest.job_id, self.schedule.last(step.round))
        state = self.learner.state()
        if not self.bucket.ensure_created(key, state) and (found := difference(self.bucket, key, state)):
            self._differs = found
            self.say(f"{self.manifest.job_id}: {found}; this training does not repeat bit for bit")
        self.view = replace(self.view, saved=step.round)
        self._saved_at = self.bucket.clock.now()

    def _say_how(self, round_: int, episodes: Sequence[Episode]) -> None:
        alone, now = self.manifest.federation is None, self.bucket.clock.now()
        if alone and round_ < self.schedule.rounds and now - self._said_at < SAY_EVERY_S:
            return
        self._said_at, unit = now, self.manifest.training.unit if alone else "round"
        self.say(f"{self.manifest.job_id}: {unit} {round_}/{self.schedule.rounds}: {in_words(episodes)}")

    # -- follow the federation -----------------------------------------------------------------------

    @property
    def _me(self) -> Membership:
        if self.manifest.federation is None:
            raise ProtocolError(f"{self.manifest.job_id}: belongs to no federation")
        return self.manifest.federation

    def _publish(self, step: steps.Publish) -> None:
        episodes = self.learner.history[-len(self.schedule.of(step.round)) :]
        self.bucket.ensure_created(
            keys.update(self._me.group, step.round, self._me.member),
            self.learner.weights(),
            update_facts(sum(e.steps for e in episodes), mean_reward(episodes), solved(episodes)),
        )
        self.view = replace(self.view, delivered=step.round)

    def _join(self, _: steps.Join) -> None:
        closer = self._closer() if self._me.barrier is Closers.WORKERS else None
        self._barrier = Barrier(self.bucket, self._me, self.schedule.rounds, self.siblings, closer, self.say)
        if self.view.trained == 0:  # else the round to wait for is known
            self._take(self._barrier.newest())
        self.view = replace(self.view, joined=True)

    def _closer(self) -> Closer:
        key = keys.federation(self._me.group)
        federation = documents.read(self.bucket, Federation, key)
        if federation is None:
            raise FederationFailed(f"federation {self._me.group}: was purged, or never submitted as a whole")
        federation.require_current(key)
        known = max(0, self.view.trained - 1)  # a round is trained after the one before it was closed
        return Closer(self.bucket, federation, self.aggregate_of, self.say, known)

    def _wait(self, step: steps.Wait) -> None:
        self.lease.doing = f"waiting for round {step.round}"
        self._take(self._barrier.poll(step.round))

    def _take(self, arrived: GlobalWeights | None) -> None:
        if arrived is not None:
            self._weights = arrived.weights
            passed = range(self.view.loaded + 1, arrived.round + 1)
            self._may_be_late |= arrived.at_once and self.view.turns.any(passed)
            self.view = replace(self.view, closed=arrived.round)

    def _close(self, step: steps.Close) -> None:
        self._barrier.close(step.round)

    def _look(self, step: steps.Look) -> None:
        self._take(self._barrier.look())
        if self.siblings and self.view.closed < step.round:
            self._sibling = self.siblings.idle_one(step.round)
            self.view = replace(self.view, sibling=self._sibling is not None)

    def _load(self, step: steps.Load) -> None:
        self.learner.load_weights(self._weights)
        self.view = replace(self.view, loaded=step.round)

    def _conclude(self, _: steps.Conclude) -> None:
        self._barrier.conclude()
        self.view = replace(self.view, concluded=True)

    # -- end -----------------------------------------------------------------------------------------

    def _review(self, _: steps.Review) -> None:
        known, whole = max(self.view.closed, self.view.loaded), self._may_be_late
        turns, rounds = self.view.turns, self.schedule.rounds
        part = read_participation(self.bucket, self._me.group, turns, rounds, known_closed=known, whole=whole)
        self.view = replace(self.view, part=part)

    def _switch(self, _: steps.Switch) -> AttemptResult:
        self.lease.release("runs a member that no worker ran")
        return AttemptResult(AttemptEnd.SWITCHED, next=self._sibling)

    def _release(self, _: steps.Release) -> AttemptResult:
        self.lease.release("the worker was told to stop")
        return AttemptResult(AttemptEnd.STOPPED)

    def _leave(self, _: steps.Leave) -> AttemptResult:
        self.say(f"{self.manifest.job_id}: attempt {self.lease.attempt} is over: {EndReason.LOST.value}")
        return AttemptResult(AttemptEnd.LOST)

    def _finish(self, step: steps.Finish) -> AttemptResult:
        """Upload what was made, then the result: the one who sees the result finds all it names.

        Only a whole training has files: they are a function of the manifest, the same whichever attempt uploads them.
        What an attempt that failed has made stands in the job's states.
        """
        self.lease.doing = "finishing"
        job_id = self.manifest.job_id
        artifacts = self.learner.artifacts() if step.status is ResultStatus.SUCCESS else {}
        names = {name: keys.artifact(job_id, name) for name in artifacts}
        for name, body in artifacts.items():
            self.bucket.ensure_created(names[name], body)
        self.lease.close()
        result = job_result(self.learner, self.lease, step.status, step.error, names, self._differs)
        queue.finish(self.bucket, result)
        self.say(f"{job_id}: {step.status}{f': {step.error}' if step.error else ''}")
        return AttemptResult(AttemptEnd.DONE, step.status)


METHODS: dict[type[steps.Step], Callable[[Attempt, Any], AttemptResult | None]] = {
    steps.Resume: Attempt._resume,
    steps.Join: Attempt._join,
    steps.Train: Attempt._train,
    steps.Save: Attempt._save,
    steps.Publish: Attempt._publish,
    steps.Wait: Attempt._wait,
    steps.Close: Attempt._close,
    steps.Look: Attempt._look,
    steps.Load: Attempt._load,
    steps.Conclude: Attempt._conclude,
    steps.Review: Attempt._review,
    steps.Finish: Attempt._finish,
    steps.Switch: Attempt._switch,
    steps.Release: Attempt._release,
    steps.Leave: Attempt._leave,
}
"""How each step is carried out; only the last four give a result."""
