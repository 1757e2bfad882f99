"""The CronJob controller: a Job at every tick of a schedule, in virtual time.

Follows kubernetes `pkg/controller/cronjob/cronjob_controllerv2.go`. Schedules are read by cronsim.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from env.engine.job import Job, JobSpec
from env.engine.plane import Plane
from env.engine.pods import Pod
from env.trace import WorkloadRef


@dataclass(frozen=True, eq=False)
class CronJobSpec:
    """What a CronJob asks for.

    Attributes:
        schedule: Five fields, as in crontab.
        zone: Time zone of the schedule.
        concurrency: Allow, Forbid or Replace.
        suspended: No new Jobs for now.
        job: The Job that each tick makes.
        kept: Finished Jobs that are kept (successfulJobsHistoryLimit).
    """

    ref: WorkloadRef
    schedule: str
    zone: ZoneInfo
    concurrency: str
    suspended: bool
    job: JobSpec
    kept: int = 3


@dataclass(eq=False)
class CronJob:
    """A CronJob and its Jobs, oldest first."""

    spec: CronJobSpec
    since_s: float
    jobs: list[Job] = field(default_factory=list)
    kind: str = "CronJob"

    @property
    def ref(self) -> WorkloadRef:
        return self.spec.ref

    def pods(self) -> list[Pod]:
        return [pod for job in self.jobs for pod in job.members]

    def sync(self, plane: Plane) -> bool:
        changed = False
        due = next_tick(self.spec, self.since_s)
        while due <= plane.now_s:
            self.since_s = due
            changed |= not self.spec.suspended and self._start(plane, due)
            due = next_tick(self.spec, self.since_s)
        plane.wake(self, due)
        self._clean(plane)
        return any([job.sync(plane) for job in self.jobs]) or changed

    def _start(self, plane: Plane, due_s: float) -> bool:
        running = [job for job in self.jobs if not job.finished]
        if running and self.spec.concurrency == "Forbid":
            return False
        if self.spec.concurrency == "Replace":
            for job in running:
                self._remove(plane, job)
        # Jobs are named after the minute they were due, so that a tick never starts two.
        name = f"{self.ref.name}-{int(due_s) // 60}"
        spec = replace(self.spec.job, ref=WorkloadRef(self.ref.namespace, name))
        self.jobs.append(Job(spec, parent=self))
        return True

    def _clean(self, plane: Plane) -> None:
        finished = [job for job in self.jobs if job.finished]
        for job in finished[: max(0, len(finished) - self.spec.kept)]:
            self._remove(plane, job)

    def _remove(self, plane: Plane, job: Job) -> None:
        plane.delete_pods(list(job.members))
        self.jobs.remove(job)


def next_tick(spec: CronJobSpec, after_s: float) -> float:
    """When the schedule is next due after a time, both in unix seconds."""
    tick: datetime = next(CronSim(spec.schedule, datetime.fromtimestamp(after_s, UTC).astimezone(spec.zone)))
    return tick.timestamp()
