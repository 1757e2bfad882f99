"""The Job controller: pods until enough of them have succeeded, or too many have failed.

Follows kubernetes 1.36 `pkg/controller/job/job_controller.go` and `backoff_utils.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from env.engine.api_server import ApiServer
from env.engine.manifests.jobs import JobSpec
from env.engine.pods import Phase, Pod, next_restart_s
from env.engine.workload import NOT_COUNTED, Workload
from env.jit import Ints
from env.workload import WorkloadRef

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 10.0, 600.0


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
    kind: ClassVar[str] = "Job"
    node_counts: ClassVar[Ints] = NOT_COUNTED
    batch_s: ClassVar[float] = 1.0  # SyncJobBatchPeriod

    @property
    def ref(self) -> WorkloadRef:
        """Namespace and name."""
        return self.spec.ref

    @property
    def finished(self) -> bool:
        """It is complete, or has failed."""
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        if self.spec.completions is None:
            return self.failed or (succeeded > 0 and all(pod.ended for pod in self.members))
        return self.failed or succeeded >= self.spec.completions

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return self.members

    def forget(self, pods: set[Pod]) -> None:
        """Pods that are being deleted do not count any more."""
        self.members = [pod for pod in self.members if pod not in pods]

    def selects(self, pod: Pod) -> bool:
        """See `Workload`."""
        selector = None if self.finished else self.spec.selector
        return selector is not None and pod.template.namespace == self.ref.namespace and selector(pod.template.labels)

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        if self.spec.selector is not None:
            self.members += api.claim(self)
        active = [pod for pod in self.members if not pod.ended]
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        self._look_at_failures(api, active)
        wanted = 0 if self.failed else self._wanted(succeeded, len(active))
        if wanted > len(active) and self._backs_off(api):
            return False
        # Slow start: 1 pod, then 2, 4, ... as long as the last batch went well.
        batch = min(wanted - len(active), len(self.members) + 1)
        for made in range(batch):
            pod = api.create_pod(self.spec.template, self)
            if pod is None:
                return made > 0
            self.members.append(pod)
        if wanted < len(active):
            # Pods that wait go first, then the newest, as for a ReplicaSet.
            leaving = sorted(active, key=lambda pod: (pod.ready, -pod.number))
            api.delete_pods(leaving[: len(active) - wanted])
        return wanted != len(active)

    def _look_at_failures(self, api: ApiServer, active: list[Pod]) -> None:
        """Give up after more failed pods than the limit, or as many restarts of containers in pods that are kept."""
        limit = self.spec.backoff_limit
        failures = sum(pod.phase is Phase.FAILED for pod in self.members)
        looping = [pod for pod in active if pod.is_crash_looping]
        restarts = sum(pod.restarts(api.now_s) for pod in looping)
        self.failed = self.failed or failures > limit or (restarts > 0 and restarts >= limit)
        if not self.failed and looping:
            at_s = min(pod.started_s + next_restart_s(api.now_s - pod.started_s) for pod in looping)
            api.wake(self.parent or self, at_s)

    def _backs_off(self, api: ApiServer) -> bool:
        """Whether it waits before it replaces failed pods: 10 s, doubling to 10 minutes."""
        failed = [pod for pod in self.members if pod.phase is Phase.FAILED]
        if not failed:
            return False
        wait_s = min(_FIRST_BACKOFF_S * 2.0 ** min(len(failed) - 1, 10), _LONGEST_BACKOFF_S)
        due_s = max(pod.ended_s for pod in failed) + wait_s
        api.wake(self.parent or self, due_s)
        return due_s > api.now_s

    def _wanted(self, succeeded: int, active: int) -> int:
        spec = self.spec
        if spec.suspended:
            return 0
        if spec.completions is None:
            return active if succeeded else spec.parallelism
        return min(spec.parallelism, max(0, spec.completions - succeeded))
