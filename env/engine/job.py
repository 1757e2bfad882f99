"""The Job controller: pods until enough of them have succeeded."""

from __future__ import annotations

from dataclasses import dataclass, field

from env.engine.plane import Plane
from env.engine.pod_template import PodTemplate
from env.engine.pods import Phase, Pod
from env.trace import WorkloadRef


@dataclass(frozen=True, eq=False)
class JobSpec:
    """What a Job asks for.

    Attributes:
        completions: Pods that must succeed; None: one success ends it (a work queue).
        parallelism: Pods at one time.
        suspended: No pods for now.
    """

    ref: WorkloadRef
    template: PodTemplate
    completions: int | None = 1
    parallelism: int = 1
    suspended: bool = False


@dataclass(eq=False)
class Job:
    """A Job and its pods, those that succeeded included.

    Attributes:
        parent: The CronJob it belongs to, if any.
    """

    spec: JobSpec
    members: list[Pod] = field(default_factory=list)
    parent: object | None = None
    kind: str = "Job"

    @property
    def ref(self) -> WorkloadRef:
        return self.spec.ref

    @property
    def finished(self) -> bool:
        succeeded = sum(pod.phase is Phase.SUCCEEDED for pod in self.members)
        if self.spec.completions is None:
            return succeeded > 0 and succeeded == len(self.members)
        return succeeded >= self.spec.completions

    def pods(self) -> list[Pod]:
        return self.members

    def forget(self, gone: set[Pod]) -> None:
        self.members = [pod for pod in self.members if pod not in gone]

    def sync(self, plane: Plane) -> bool:
        active = [pod for pod in self.members if pod.phase is not Phase.SUCCEEDED]
        succeeded = len(self.members) - len(active)
        wanted = self._wanted(succeeded, len(active))
        # Slow start: 1 pod, then 2, 4, ... as long as the last batch went well.
        batch = min(wanted - len(active), len(self.members) + 1)
        for _ in range(batch):
            self.members.append(plane.create_pod(self.spec.template, self))
        if wanted < len(active):
            # Pods that wait go first, then the newest, as for a ReplicaSet.
            leaving = sorted(active, key=lambda pod: (pod.ready, -pod.number))
            plane.delete_pods(leaving[: len(active) - wanted])
        return wanted != len(active)

    def _wanted(self, succeeded: int, active: int) -> int:
        spec = self.spec
        if spec.suspended:
            return 0
        if spec.completions is None:
            return active if succeeded else spec.parallelism
        return min(spec.parallelism, max(0, spec.completions - succeeded))
