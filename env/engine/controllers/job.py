"""The Job controller: pods until enough of them have succeeded, or too many have failed.

Follows kubernetes `pkg/controller/job/job_controller.go` and `backoff_utils.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from env.engine.manifests.pod_template import PodTemplate
from env.engine.plane import Plane, Workload
from env.engine.pods import Phase, Pod, next_restart_s
from env.trace.document import WorkloadRef

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 10.0, 600.0


@dataclass(frozen=True, eq=False)
class JobSpec:
    """What a Job asks for.

    Attributes:
        completions: Pods that must succeed; None: one success ends it (a work queue).
        parallelism: Pods at one time.
        suspended: No pods for now.
        backoff_limit: Failures that it bears.
    """

    ref: WorkloadRef
    template: PodTemplate
    completions: int | None = 1
    parallelism: int = 1
    suspended: bool = False
    backoff_limit: int = 6


@dataclass(eq=False)
class Job:
    """A Job and its pods, those that have ended included.

    Attributes:
        failed: It has given up (BackoffLimitExceeded).
        parent: The CronJob it belongs to, if any.
    """

    spec: JobSpec
    members: list[Pod] = field(default_factory=list)
    parent: Workload | None = None
    failed: bool = False
    kind: str = "Job"

    @property
    def ref(self) -> WorkloadRef:
        return self.spec.ref

    @property
    def finished(self) -> bool:
        """It is complete, or has failed."""
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        if self.spec.completions is None:
            return self.failed or (succeeded > 0 and all(pod.ended for pod in self.members))
        return self.failed or succeeded >= self.spec.completions

    def pods(self) -> list[Pod]:
        return self.members

    def forget(self, gone: set[Pod]) -> None:
        self.members = [pod for pod in self.members if pod not in gone]

    def sync(self, plane: Plane) -> bool:
        active = [pod for pod in self.members if not pod.ended]
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        self._look_at_failures(plane, active)
        wanted = 0 if self.failed else self._wanted(succeeded, len(active))
        if wanted > len(active) and self._backs_off(plane):
            return False
        # Slow start: 1 pod, then 2, 4, ... as long as the last batch went well.
        batch = min(wanted - len(active), len(self.members) + 1)
        for _ in range(batch):
            self.members.append(plane.create_pod(self.spec.template, self))
        if wanted < len(active):
            # Pods that wait go first, then the newest, as for a ReplicaSet.
            leaving = sorted(active, key=lambda pod: (pod.ready, -pod.number))
            plane.delete_pods(leaving[: len(active) - wanted])
        return wanted != len(active)

    def _look_at_failures(self, plane: Plane, active: list[Pod]) -> None:
        """Give up after more failed pods than the limit, or as many restarts of containers in pods that are kept."""
        limit = self.spec.backoff_limit
        failures = sum(pod.phase is Phase.FAILED for pod in self.members)
        looping = [pod for pod in active if pod.is_crash_looping]
        restarts = sum(pod.restarts(plane.now_s) for pod in looping)
        self.failed = self.failed or failures > limit or (restarts > 0 and restarts >= limit)
        if not self.failed and looping:
            at_s = min(pod.started_s + next_restart_s(plane.now_s - pod.started_s) for pod in looping)
            plane.wake(self.parent or self, at_s)

    def _backs_off(self, plane: Plane) -> bool:
        """Whether it waits before it replaces failed pods: 10 s, doubling to 10 minutes."""
        failed = [pod for pod in self.members if pod.phase is Phase.FAILED]
        if not failed:
            return False
        wait_s = min(_FIRST_BACKOFF_S * 2.0 ** min(len(failed) - 1, 10), _LONGEST_BACKOFF_S)
        due_s = max(pod.ended_s for pod in failed) + wait_s
        plane.wake(self.parent or self, due_s)
        return due_s > plane.now_s

    def _wanted(self, succeeded: int, active: int) -> int:
        spec = self.spec
        if spec.suspended:
            return 0
        if spec.completions is None:
            return active if succeeded else spec.parallelism
        return min(spec.parallelism, max(0, spec.completions - succeeded))
