"""The other members of a federation, one of which a worker runs while its own member waits."""

from __future__ import annotations

from collections.abc import Callable

from protocol.jobs import queue
from protocol.jobs.lease import Attempts, attempts
from protocol.jobs.queue import ClaimedJob
from protocol.rounds.updates import delivered_updates
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.job_documents import Membership
from protocol.wire.sampling import Sampling

Take = Callable[[str, Attempts], ClaimedJob | None]


class Siblings:
    """The other members of a federation, as a worker sees them that could run one of them while it waits.

    Args:
        me: whose barrier it is.
        sampling: which members a round draws.
        take: claims a job, or answers None where that is not possible.
    """

    def __init__(self, bucket: Bucket, me: Membership, sampling: Sampling, ttl_s: float, take: Take) -> None:
        self.bucket = bucket
        self.me = me
        self.sampling = sampling
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
        drawn = {self._job(member) for member in self.sampling.members(round_)}
        if drawn.isdisjoint(unowned):
            return None
        delivered = delivered_updates(self.bucket.list(keys.updates(self.me.group, round_)).entries)
        owing = drawn - {self._job(member) for member in delivered}
        for job_id in filter(owing.__contains__, unowned):
            if taken := self.take(job_id, views.get(job_id, Attempts())):
                return taken
            if queue.is_over(self.bucket, job_id):
                self._ended.add(job_id)
        return None

    def _job(self, member: int) -> str:
        return keys.member_job(self.me.group, member)
