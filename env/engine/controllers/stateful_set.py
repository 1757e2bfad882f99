"""The StatefulSet controller: numbered pods, one after another.

Follows kubernetes `pkg/controller/statefulset/stateful_set_control.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from env.engine.manifests.pod_template import PodTemplate
from env.engine.plane import Plane
from env.engine.pods import Pod
from env.engine.scheduling.node import Ints
from env.trace.document import WorkloadRef


@dataclass(frozen=True, eq=False)
class StatefulSetSpec:
    """What a StatefulSet asks for.

    Attributes:
        parallel: podManagementPolicy Parallel: pods do not wait for each other.
        on_delete: updateStrategy OnDelete: old pods stay until somebody deletes them.
        partition: So many pods, those of the lowest numbers, are not updated.
        first: The lowest number (`ordinals.start`).
    """

    ref: WorkloadRef
    template: PodTemplate
    replicas: int
    parallel: bool = False
    on_delete: bool = False
    partition: int = 0
    first: int = 0


@dataclass(eq=False)
class StatefulSet:
    """A StatefulSet and its pods by number."""

    spec: StatefulSetSpec
    node_counts: Ints
    members: dict[int, Pod] = field(default_factory=dict)
    settled: PodTemplate | None = None  # the revision that new pods below the partition get
    kind: str = "StatefulSet"

    @property
    def ref(self) -> WorkloadRef:
        return self.spec.ref

    def pods(self) -> list[Pod]:
        return sorted(self.members.values(), key=lambda pod: pod.number)

    def forget(self, gone: set[Pod]) -> None:
        self.members = {number: pod for number, pod in self.members.items() if pod not in gone}

    def sync(self, plane: Plane) -> bool:
        spec = self.spec
        self.settled = self.settled or spec.template
        wanted = range(spec.first, spec.first + spec.replicas)
        created = self._create(plane, wanted)
        if created is not None:
            return created
        removed = self._condemn(plane, wanted)
        if removed is not None:
            return removed
        return self._update(plane, wanted)

    def _create(self, plane: Plane, wanted: range) -> bool | None:
        """Make the first missing pod (all of them in parallel); None when nothing stands in the way of going on."""
        changed = False
        for number in wanted:
            pod = self.members.get(number)
            if pod is None:
                template = self._revision(number)
                name = f"{self.ref.name}-{number}"
                self.members[number] = plane.create_pod(template, self, name=name, ordinal=number)
                changed = True
                if not self.spec.parallel:
                    return True
            elif not pod.ready and not self.spec.parallel:
                return False
        return True if changed else None

    def _condemn(self, plane: Plane, wanted: range) -> bool | None:
        """Remove what is beyond the replicas, the highest number first."""
        condemned = sorted((number for number in self.members if number not in wanted), reverse=True)
        if not condemned:
            return None
        if self.spec.parallel:
            plane.delete_pods([self.members[number] for number in condemned])
        else:
            plane.delete_pods([self.members[condemned[0]]])
        return True

    def _update(self, plane: Plane, wanted: range) -> bool:
        """Replace old pods from the highest number down, each once the one above it is Ready."""
        if self.spec.on_delete:
            return False
        for number in reversed(wanted):
            if number < self.spec.first + self.spec.partition:
                break
            pod = self.members[number]
            if pod.template.revision != self.spec.template.revision:
                plane.delete_pods([pod])
                return True
            if not pod.ready:
                return False
        if not self.spec.partition:
            self.settled = self.spec.template
        return False

    def _revision(self, number: int) -> PodTemplate:
        """Pods below the partition are made as they were before the update."""
        before = self.settled or self.spec.template
        return before if number < self.spec.first + self.spec.partition else self.spec.template
