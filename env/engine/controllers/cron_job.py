"""The CronJob controller: a Job at every tick of a schedule, in virtual time.

Follows kubernetes 1.36 `pkg/controller/cronjob/cronjob_controllerv2.go`. Schedules are read by cronsim.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import inf
from typing import ClassVar

from cronsim import CronSim

from env.engine.api_server import ApiServer
from env.engine.controllers.job import Job
from env.engine.manifests.jobs import CronJobSpec
from env.engine.pods import Pod
from env.workload import ObjectRef

# Calendars of Python go from year 1 to 9999, and cronsim looks ahead for decades; a trace may hold any time.
_FIRST_S = datetime(100, 1, 1, tzinfo=UTC).timestamp()
_LAST_S = datetime(9900, 1, 1, tzinfo=UTC).timestamp()


@dataclass(eq=False)
class CronJob:
    """A CronJob and its Jobs, oldest first.

    Attributes:
        since_s: When the last Job was due; before the first one, when it was created.
    """

    spec: CronJobSpec
    since_s: float
    jobs: list[Job] = field(default_factory=list)
    kind: ClassVar[str] = "CronJob"

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return self.spec.ref

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return [pod for job in self.jobs for pod in job.members]

    def selects(self, pod: Pod) -> bool:
        """It owns no pods itself."""
        return False

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        changed = any([job.sync(api) for job in self.jobs])
        for job in [job for job in self.jobs if job.expired(api.now_s)]:
            self.jobs.remove(job)
            api.terminate(job.members)
        self._clean(api)
        if self.spec.suspended:
            return changed
        api.wake(self, next_tick(self.spec, api.now_s))
        # Of several missed ticks only the last one counts.
        due_s = last_tick(self.spec, api.now_s)
        return (due_s > self.since_s and self._start(api, due_s)) or changed

    def _start(self, api: ApiServer, due_s: float) -> bool:
        running = [job for job in self.jobs if not job.finished]
        if running and self.spec.concurrency == "Forbid":
            return False
        if self.spec.concurrency == "Replace":
            for job in running:
                self._remove(api, job)
        # Jobs are named after the minute they were due, so that a tick never starts two.
        name = f"{self.ref.name}-{int(due_s) // 60}"
        spec = replace(self.spec.job, ref=ObjectRef(self.ref.namespace, name))
        self.jobs.append(Job(spec, parent=self))
        self.since_s = due_s
        self._tell(api, "SuccessfulCreate", f"Created job {name}")
        return True

    def _clean(self, api: ApiServer) -> None:
        for failed, kept in ((False, self.spec.kept), (True, self.spec.kept_failed)):
            finished = [job for job in self.jobs if job.finished and job.failed == failed]
            for job in finished[: max(0, len(finished) - kept)]:
                self._remove(api, job)

    def _remove(self, api: ApiServer, job: Job) -> None:
        api.delete_pods(list(job.members))
        self.jobs.remove(job)
        self._tell(api, "SuccessfulDelete", f"Deleted job {job.ref.name}")

    def _tell(self, api: ApiServer, reason: str, text: str) -> None:
        api.recorder.owner(self.kind, self.ref.namespace, self.ref.name, reason, text, "cronjob-controller")


def next_tick(spec: CronJobSpec, after_s: float) -> float:
    """When the schedule is next due after a time, both in unix seconds; infinity for never."""
    if not spec.schedule or not _FIRST_S <= after_s <= _LAST_S:
        return inf
    tick: datetime | None = next(CronSim(spec.schedule, _local(spec, after_s)), None)
    return inf if tick is None else tick.timestamp()


def last_tick(spec: CronJobSpec, until_s: float) -> float:
    """When the schedule was last due, at a time or before; minus infinity for never."""
    if not spec.schedule or not _FIRST_S <= until_s <= _LAST_S:
        return -inf
    tick: datetime | None = next(CronSim(spec.schedule, _local(spec, until_s + 1), reverse=True), None)
    return -inf if tick is None else tick.timestamp()


def _local(spec: CronJobSpec, at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC).astimezone(spec.zone)
