"""The Job controller: pods until enough of them have succeeded, or too many have failed.

Follows kubernetes 1.36 `pkg/controller/job` (`job_controller.go`, `backoff_utils.go`, `pod_failure_policy.go`), and
`pkg/controller/ttlafterfinished/ttlafterfinished_controller.go` for what happens then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

from env.engine.api_server import ApiServer
from env.engine.manifests.jobs import JobSpec
from env.engine.pods import Phase, Pod, next_restart_s
from env.engine.workload import NOT_COUNTED, Workload
from env.jit import Ints
from env.workload import ObjectRef

_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 10.0, 600.0
_LOOKS_PER_MEMBER = 10  # of one sync


@dataclass(eq=False)
class Job:
    """A Job and its pods, those that have ended included.

    Attributes:
        members: Without those that are being deleted.
        leaving: Those.
        lost_s: When others deleted pods of it that had not ended: these count as failed.
        failed: It has given up (BackoffLimitExceeded, DeadlineExceeded, PodFailurePolicy).
        started_s: When it was created or resumed; None while it is suspended.
        finished_s: When it was first seen to be finished.
        parent: The CronJob it belongs to, if any.
    """

    spec: JobSpec
    members: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)
    lost_s: list[float] = field(default_factory=list)
    parent: Workload | None = None
    failed: bool = False
    started_s: float | None = None
    finished_s: float | None = None
    kind: ClassVar[str] = "Job"
    node_counts: ClassVar[Ints] = NOT_COUNTED
    batch_s: ClassVar[float] = 1.0  # SyncJobBatchPeriod

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return self.spec.ref

    @property
    def finished(self) -> bool:
        """It is complete, or has failed."""
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        if self.spec.completions is None:
            return self.failed or (succeeded > 0 and all(pod.ended for pod in self.members))
        return self.failed or succeeded >= self.spec.completions

    def expired(self, now_s: float) -> bool:
        """Whether it is deleted with its pods, as it was finished `ttlSecondsAfterFinished` ago."""
        ttl_s = self.spec.ttl_s
        return self.finished_s is not None and ttl_s is not None and self.finished_s + ttl_s <= now_s

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return self.members

    def forget(self, pods: set[Pod]) -> None:
        """Pods that are being deleted do not count any more; but as failed, if others delete them (`isPodFailed`)."""
        if not self.spec.replaces_failed_only:
            self.lost_s += [pod.ended_s for pod in self.members if pod in pods and not pod.ended]
        self.members = [pod for pod in self.members if pod not in pods]
        self.leaving = [pod for pod in self.leaving if not pod.deleted] + [pod for pod in pods if not pod.deleted]

    def selects(self, pod: Pod) -> bool:
        """See `Workload`."""
        selector = None if self.finished else self.spec.selector
        return selector is not None and pod.template.namespace == self.ref.namespace and selector(pod.template.labels)

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        spec = self.spec
        api.budget.spend(_LOOKS_PER_MEMBER * len(self.members))
        if spec.selector is not None:
            self.members += api.claim(self)
        active = [pod for pod in self.members if not pod.ended]
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        self._look_at_failures(api, active)
        self._look_at_deadline(api)
        wanted = 0 if self.failed else self._wanted(succeeded, len(active))
        missing = wanted - len(active) - (len(self.leaving) if spec.replaces_failed_only else 0)
        if missing > 0 and not self._backs_off(api):
            # Slow start: 1 pod, then 2, 4, ... as long as the last batch went well.
            for made in range(min(missing, len(self.members) + 1)):
                pod = api.create_pod(spec.template, self)
                if pod is None:
                    return made > 0
                self.members.append(pod)
            return True
        excess = len(active) - wanted
        if excess > 0:
            # Pods that wait go first, then the newest, as for a ReplicaSet.
            leaving = sorted(active, key=lambda pod: (pod.ready, -pod.number))[:excess]
            self.members = [pod for pod in self.members if pod not in leaving]
            api.delete_pods(leaving)
        self._look_at_end(api)
        return excess > 0

    def _look_at_failures(self, api: ApiServer, active: list[Pod]) -> None:
        """Give up after more failed pods than the limit, or as many restarts of containers in pods that are kept."""
        spec = self.spec
        actions = [spec.action_on(pod.template.killed_container) for pod in self._failures()]
        failures = len(self.lost_s) + sum(action != "Ignore" for action in actions)
        looping = [pod for pod in active if pod.is_crash_looping]
        restarts = sum(pod.restarts(api.now_s) for pod in looping)
        exceeded = failures > spec.backoff_limit or (restarts > 0 and restarts >= spec.backoff_limit)
        self.failed = self.failed or exceeded or "FailJob" in actions
        if not self.failed and looping:
            at_s = min(pod.started_s + next_restart_s(api.now_s - pod.started_s) for pod in looping)
            api.wake(self.parent or self, at_s)

    def _look_at_deadline(self, api: ApiServer) -> None:
        """Give up after `activeDeadlineSeconds`."""
        if self.spec.suspended:
            self.started_s = None
        elif self.started_s is None:
            self.started_s = api.now_s
        if self.spec.deadline_s is not None and self.started_s is not None and not self.finished:
            due_s = self.started_s + self.spec.deadline_s
            self.failed = due_s <= api.now_s
            api.wake(self.parent or self, due_s if due_s > api.now_s else inf)

    def _look_at_end(self, api: ApiServer) -> None:
        """Note when it has finished. That it is deleted later gives no room to others, so nothing waits for it."""
        if self.finished and self.finished_s is None:
            self.finished_s = api.now_s
            if self.spec.ttl_s is not None:
                api.wake(self.parent or self, api.now_s + self.spec.ttl_s, matters=False)

    def _failures(self) -> list[Pod]:
        return [pod for pod in self.members if pod.phase is Phase.FAILED]

    def _backs_off(self, api: ApiServer) -> bool:
        """Whether it waits before it replaces failed pods: 10 s, doubling to 10 minutes with each since a success."""
        succeeded_s = max((pod.ended_s for pod in self.members if pod.phase is Phase.SUCCEEDED), default=-inf)
        ends_s = [at_s for at_s in (*self.lost_s, *(pod.ended_s for pod in self._failures())) if at_s > succeeded_s]
        if not ends_s:
            return False
        wait_s = min(_FIRST_BACKOFF_S * 2.0 ** min(len(ends_s) - 1, 10), _LONGEST_BACKOFF_S)
        due_s = max(ends_s) + wait_s
        api.wake(self.parent or self, due_s)
        return due_s > api.now_s

    def _wanted(self, succeeded: int, active: int) -> int:
        spec = self.spec
        if spec.suspended:
            return 0
        if spec.completions is None:
            return active if succeeded else spec.parallelism
        return min(spec.parallelism, max(0, spec.completions - succeeded))
