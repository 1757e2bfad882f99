"""The StatefulSet controller: numbered pods, one after another.

Follows kubernetes 1.36 `pkg/controller/statefulset/stateful_set_control.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from env.engine.api_server import ApiServer
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.replicated import StatefulSetSpec
from env.engine.pods import Pod
from env.engine.workload import Workload
from env.jit import Ints
from env.workload import ObjectRef


@dataclass(eq=False)
class StatefulSet:
    """A StatefulSet and its pods by number."""

    spec: StatefulSetSpec
    node_counts: Ints
    members: dict[int, Pod] = field(default_factory=dict)
    settled: PodTemplate | None = None  # the revision that new pods below the partition get
    kind: ClassVar[str] = "StatefulSet"
    parent: ClassVar[Workload | None] = None
    batch_s: ClassVar[float] = 0.0

    @classmethod
    def make(cls, spec: StatefulSetSpec, api: ApiServer) -> StatefulSet:
        """One without pods."""
        return cls(spec, np.zeros(api.nodes, dtype=np.int64))

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return self.spec.ref

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return sorted(self.members.values(), key=lambda pod: pod.number)

    def forget(self, pods: set[Pod]) -> None:
        """A number is free again when the last pod that had it is gone."""
        staying = {pod for pod in self.members.values() if pod not in pods or (pod.leaving and not pod.deleted)}
        self.members = {number: pod for number, pod in self.members.items() if pod in staying}

    def selects(self, pod: Pod) -> bool:
        """See `Workload`."""
        parent, _, number = pod.name.rpartition("-")
        named = parent == self.ref.name and number.isdecimal() and str(int(number)) == number
        return named and pod.template.namespace == self.ref.namespace and self.spec.selector(pod.template.labels)

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        spec = self.spec
        self.settled = self.settled or spec.template
        for pod in api.claim(self):
            pod.ordinal = int(pod.name.rpartition("-")[2])
            self.members[pod.ordinal] = pod
        wanted = range(spec.first, spec.first + spec.replicas)
        created = self._create(api, wanted)
        if created is not None:
            return created
        removed = self._condemn(api, wanted)
        if removed is not None:
            return removed
        return self._update(api, wanted)

    def _create(self, api: ApiServer, wanted: range) -> bool | None:
        """Make the first missing pod (all of them in parallel); None when nothing stands in the way of going on."""
        changed, room = False, len(wanted)
        if self.spec.parallel and api.lots.drawn:
            room = api.batch(self, sum(number not in self.members for number in wanted))
        for number in api.lots.in_any_order(wanted) if self.spec.parallel else wanted:
            pod = self.members.get(number)
            if pod is None and room == 0:
                return True
            if pod is None:
                room -= 1
                made = self._make(api, number)
                changed = changed or made
                if not self.spec.parallel:
                    return made
            elif pod.ended and not pod.leaving:
                api.delete_pods([pod])
                return True
            elif not self.spec.parallel and not self._is_available(api, pod):
                return False
        return True if changed else None

    def _make(self, api: ApiServer, number: int) -> bool:
        """Make a pod, unless another one has its name, or it is refused."""
        name = f"{self.ref.name}-{number}"
        if not api.names.is_free(self, name):
            return False
        pod = api.create_pod(self._revision(number), self, name=name, ordinal=number)
        if pod is None:
            return False
        self.members[number] = pod
        return True

    def _condemn(self, api: ApiServer, wanted: range) -> bool | None:
        """Remove what is beyond the replicas, the highest number first, each once the one before is gone."""
        condemned = sorted((number for number in self.members if number not in wanted), reverse=True)
        if not condemned:
            return None
        pods = [self.members[number] for number in condemned]
        if self.spec.parallel:
            staying = [pod for pod in pods if not pod.leaving]
            api.delete_pods(staying)
            return True if staying else None
        first = next((pod for pod in reversed(pods) if not self._is_available(api, pod)), None)
        if pods[0].leaving or (pods[0] is not first and not self._is_available(api, pods[0])):
            return False
        api.delete_pods([pods[0]])
        return True

    def _update(self, api: ApiServer, wanted: range) -> bool:
        """Replace old pods from the highest number down, each once the one above it is available."""
        if self.spec.on_delete:
            return False
        for number in reversed(wanted):
            if number < self.spec.first + self.spec.partition:
                break
            pod = self.members.get(number)
            if pod is None:
                return False
            if not self._is_current(pod) and not pod.leaving:
                api.delete_pods([pod])
                return True
            if not self._is_available(api, pod):
                return False
        if not self.spec.partition:
            self.settled = self.spec.template
        return False

    def _is_current(self, pod: Pod) -> bool:
        return not pod.adopted and pod.template.revision == self.spec.template.revision

    def _is_available(self, api: ApiServer, pod: Pod) -> bool:
        """`isUnavailable`, the other way round; if only time is missing, the set is synced when it has passed."""
        available = pod.is_available(self.spec.min_ready_s, api.now_s)
        if not available and pod.ready and not pod.leaving:
            api.wake(self, pod.started_s + self.spec.min_ready_s)
        return available

    def _revision(self, number: int) -> PodTemplate:
        """Pods below the partition are made as they were before the update."""
        before = self.settled or self.spec.template
        return before if number < self.spec.first + self.spec.partition else self.spec.template
