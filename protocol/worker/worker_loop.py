"""A worker's loop: find a free job, run an attempt at it, go on with the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress

from env.errors import ClusterError, SimArenaError
from env.printable import traceback_lines
from protocol.jobs import queue
from protocol.jobs.lease import Attempts
from protocol.jobs.queue import ClaimedJob
from protocol.rounds.aggregate import AggregateOf
from protocol.rounds.closer import Closer
from protocol.rounds.federation import unfinished
from protocol.wire import documents, keys
from protocol.wire.bucket import Bucket
from protocol.wire.choices import Closers
from protocol.wire.errors import NotInstalled, OtherRelease, Refused, StoreError, Unfit, Unreadable
from protocol.wire.federation_documents import Federation
from protocol.wire.job_documents import Manifest, ResultStatus
from protocol.worker.attempt import Attempt
from protocol.worker.learner import JobLearner
from protocol.worker.results import AttemptEnd, AttemptResult
from protocol.worker.siblings import Siblings

SPREAD = 8  # contenders choose by chance among so many of the oldest free jobs
TRIES = 6  # jobs that were free in a listing; if others were faster every time, a new one shows who has what
LOOKS = 8  # such listings, before this worker pauses
IDLE_S = (1.0, 30.0)  # pause between looks at an empty queue, at first and at most
CONCLUDE_EVERY_S = 60.0  # how often an idle worker looks for federations whose last member ended without concluding


class WorkerLoop:
    """A worker over a bucket.

    Args:
        worker: this process's id.
        ttl_s: the fleet's lease ttl, seconds.
        start: makes the learner of a manifest, fresh. Raises SimArenaError if the job cannot be run at all.
        aggregate_of: makes the aggregates of federations whose members close the rounds.
        stays: whether a job is kept to its end even while its federation waits for members that no worker runs.
        only: the one job that this worker may touch; None if it takes any free one.
        say: where progress is reported, one line each.
        at_work: called again and again while there is a job, at each renewal of its lease.
        prepare: called before a job is claimed, for what takes longer than a short lease lasts.
    """

    def __init__(
        self,
        bucket: Bucket,
        worker: str,
        ttl_s: float,
        start: Callable[[Manifest], JobLearner],
        aggregate_of: AggregateOf,
        say: Callable[[str], None],
        *,
        stays: bool = False,
        only: str | None = None,
        at_work: Callable[[], None] = lambda: None,
        prepare: Callable[[Manifest], None] = lambda manifest: None,
    ) -> None:
        self.bucket = bucket
        self.worker = worker
        self.ttl_s = ttl_s
        self.start = start
        self.aggregate_of = aggregate_of
        self.say = say
        self.stays = stays
        self.only = only
        self.at_work = at_work
        self.prepare = prepare
        self._avoid: dict[str, float] = {}  # jobs that failed here, until when others go first
        self._told: set[str] = set()  # lines about what cannot be read here: each is said once
        self._conclude_at = bucket.clock.now()

    def run_one(self) -> AttemptResult | None:
        """Run one job to its end, or as far as this worker takes it; None if none is free."""
        taken = self._find()
        if taken is None:
            return None
        result = self._attempt(taken)
        try:
            self._conclude()
        except StoreError as error:
            self.say(f"{error}; left to other workers")  # the job has ended all the same
        return result

    def run_until_stopped(self, *, exit_when_idle: bool = False) -> None:
        """Run jobs until the process is told to stop.

        Args:
            exit_when_idle: Leave once no job is unfinished that this worker could run. While another worker has one,
                this one stays, to take it over.

        Raises:
            Unfit: the endpoint or the permissions do not allow to go on.
        """
        clock = self.bucket.clock
        idle_since = clock.now()
        taken: ClaimedJob | None = None
        while not clock.stopping():
            try:
                taken = taken or self._find()
                if taken is not None:
                    taken = self._attempt(taken).next
                    idle_since = clock.now()
                    continue
                self._conclude()
                if exit_when_idle and self._all_done():
                    return
            except Unfit:
                raise
            except StoreError as error:
                # What was being recorded is recorded by the next attempt, once this one's lease has run out.
                self.say(f"{error}; trying again")
                taken = None
            clock.sleep(idle_delay(clock.now() - idle_since) * (0.5 + clock.jitter()))
        if taken is not None:
            taken.lease.release("the worker was told to stop")

    def _find(self) -> ClaimedJob | None:
        for _ in range(LOOKS):
            listed = queue.list_queue(self.bucket, self.only)
            self._sweep(listed.strays)
            now = self.bucket.clock.now()
            free = [job_id for job_id in listed.free(self.ttl_s) if self._avoid.get(job_id, now) <= now]
            if not free:
                return None
            if taken := self._claim_one_of(free, listed):
                return taken
        return None

    def _all_done(self) -> bool:
        """Whether no unfinished job is left; those that need another release or package are not for this worker."""
        return all(self._avoid.get(job_id) == math.inf for job_id in queue.list_queue(self.bucket).jobs)

    def _sweep(self, strays: tuple[str, ...]) -> None:
        for job_id in strays:
            try:
                queue.sweep(self.bucket, (job_id,))
            except Refused as error:
                self._say_once(f"{job_id}: not cleared away: {error}")

    def _claim_one_of(self, free: list[str], listed: queue.Queue) -> ClaimedJob | None:
        now = self.bucket.clock.now()
        tries = 0
        for job_id in spread(free, self.bucket.clock.jitter):
            if tries == TRIES:
                break
            try:
                taken = self._claim(job_id, listed.jobs[job_id])
            except StoreError:
                raise
            except Exception as error:
                # One job that cannot even be looked at must not keep this worker from the others.
                self.say(f"{job_id}: passed over: {type(error).__name__}: {error}")
                self._avoid[job_id] = now + self.ttl_s
            else:
                if taken is not None:
                    return taken
                if self._avoid.get(job_id) == math.inf:
                    continue  # not for this worker: however many of them there are, the others get their turn
            tries += 1
        return None

    def _claim(self, job_id: str, view: Attempts) -> ClaimedJob | None:
        try:
            return queue.claim(self.bucket, job_id, view, self.worker, self.ttl_s, self.prepare)
        except (OtherRelease, NotInstalled) as error:
            self._pass_over(error)
            self._avoid[job_id] = math.inf  # neither what a manifest says changes, nor what is installed here
            return None
        except (Refused, Unreadable) as error:
            self._say_once(f"{job_id}: passed over: {error}")
            self._avoid[job_id] = self.bucket.clock.now() + self.ttl_s
            return None

    def _pass_over(self, error: OtherRelease | NotInstalled) -> None:
        self._say_once(f"passed over: {error}")

    def _say_traceback(self, error: Exception) -> None:
        for line in traceback_lines(error):
            self.say(f"  | {line}")

    def _say_once(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.say(line)

    def _conclude(self) -> None:
        """End federations whose members close the rounds and have all ended, none of them as the last one should."""
        clock = self.bucket.clock
        if clock.now() < self._conclude_at or self.only is not None:
            return
        self._conclude_at = clock.now() + CONCLUDE_EVERY_S
        listed = [group for row in self.bucket.list(keys.ACTIVE).entries if (group := keys.parse_active(row.key))]
        members = [keys.parse_member_job(job_id) for job_id in (queue.list_queue(self.bucket).jobs if listed else ())]
        for group in sorted(set(listed).difference(member[0] for member in members if member)):
            try:
                federation = documents.read(self.bucket, Federation, keys.federation(group))
                if not federation or federation.barrier is not Closers.WORKERS:
                    continue  # a sync-server's, and workers may not be allowed to touch it
                if unfinished(self.bucket, group, self.say):
                    Closer(self.bucket, federation, self.aggregate_of, self.say).drain()
            except Refused as error:
                self._say_once(f"{group}: cannot be ended: {error}")
            except StoreError:
                raise
            except OtherRelease as error:
                self._pass_over(error)
            except SimArenaError as error:
                self.say(f"{group}: cannot be ended: {error}")
            except Exception as error:
                # One federation that cannot be ended must not keep this worker from its work.
                self.say(f"{group}: cannot be ended")
                self._say_traceback(error)

    def _attempt(self, taken: ClaimedJob) -> AttemptResult:
        """One attempt; on any error in it the job goes on elsewhere or ends with a reason."""
        job_id, lease = taken.manifest.job_id, taken.lease
        self.say(f"{job_id}: attempt {lease.attempt} claimed by {self.worker}")
        lease.start_renewing(self.at_work)
        try:
            learner = self.start(taken.manifest)
            try:
                return Attempt(self.bucket, taken, learner, self._siblings(taken), self.aggregate_of, self.say).run()
            except Unreadable as error:  # its federation's, which another worker may be able to read
                return self._give_up(taken, str(error))
        except Unfit:
            raise
        except Refused as error:
            return self._give_up(taken, str(error))
        except StoreError as error:
            # The bucket cannot be reached: the lease runs out by itself, another attempt resumes.
            self.say(f"{job_id}: given up: {error}")
            if self.bucket.clock.stopping():
                with suppress(StoreError):  # patience ends with the first failure then; the bucket may well be there
                    lease.release("the worker was told to stop")
                return AttemptResult(AttemptEnd.STOPPED)
            return AttemptResult(AttemptEnd.LOST)
        except OtherRelease as error:
            self._pass_over(error)
            lease.release(str(error))
            self._avoid[job_id] = math.inf
            return AttemptResult(AttemptEnd.LOST)
        except ClusterError as error:
            return self._give_up(taken, str(error))
        except SimArenaError as error:
            # Wrong settings or inputs: the same everywhere, so trying elsewhere is of no use.
            self.say(f"{job_id}: failed: {error}")
            queue.finish(self.bucket, queue.ended(job_id, ResultStatus.FAILED, str(error)))
            return AttemptResult(AttemptEnd.DONE, ResultStatus.FAILED)
        except Exception as error:
            self._say_traceback(error)
            return self._give_up(taken, f"{type(error).__name__}: {error}")
        finally:
            lease.close()

    def _give_up(self, taken: ClaimedJob, reason: str) -> AttemptResult:
        """This worker could not; another one may."""
        job_id = taken.manifest.job_id
        self.say(f"{job_id}: attempt {taken.lease.attempt} failed: {reason}")
        taken.lease.release(f"{self.worker}: {reason}", failed=True)
        self._avoid[job_id] = self.bucket.clock.now() + self.ttl_s
        return AttemptResult(AttemptEnd.LOST)

    def _siblings(self, taken: ClaimedJob) -> Siblings | None:
        member = taken.manifest.federation
        if member is None or member.size == 1 or self.stays:
            return None
        return Siblings(self.bucket, member, taken.manifest.turns.sampling, self.ttl_s, self._claim)


def idle_delay(idle_s: float) -> float:
    """Seconds until the next look at an empty queue: slower the longer it has been empty."""
    shortest, longest = IDLE_S
    return min(longest, max(shortest, 0.1 * idle_s))


def spread(free: list[str], jitter: Callable[[], float]) -> Iterator[str]:
    """By chance one of the SPREAD oldest, then of twice as many each time, so that contenders soon part."""
    left, width = list(free), SPREAD
    while left:
        yield left.pop(int(jitter() * min(width, len(left))))
        width *= 2
