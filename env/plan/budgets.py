"""PodDisruptionBudgets: how many pods may be evicted now.

Follows kubernetes 1.36 `pkg/controller/disruption/disruption.go` (`getExpectedPodCount`, `countHealthyPods`) and
`pkg/registry/core/pod/storage/eviction.go`: a pod of two budgets is never evicted, and one that is not Ready only while
the others suffice (`IfHealthyBudget`), or always (`AlwaysAllow`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from env.embedded.neighbours import wanted_pods
from env.engine.control_plane import ControlPlane
from env.engine.manifests.fields import as_count_or_percent, as_map, as_text, naming
from env.engine.manifests.labels import Predicate, label_selector
from env.engine.manifests.strategy import resolve
from env.engine.pods import Pod
from env.engine.workload import Workload
from env.trace.document import Manifest, Trace
from env.workload import ObjectRef, object_ref


@dataclass(frozen=True)
class Budget:
    """A PodDisruptionBudget.

    Attributes:
        ref: Namespace and name.
        selects: Whether a pod with these labels in its namespace is meant.
        least: Pods that must be healthy, a number or a percentage; None: `most` says it.
        most: Pods that may be missing, likewise; None: `least` says it.
        always: Pods that are not Ready may always be evicted.
    """

    ref: ObjectRef
    selects: Predicate
    least: int | str | None
    most: int | str | None
    always: bool = False

    def needed(self, expected: int) -> int:
        """Healthy pods that there must be of so many."""
        if self.least is not None:
            return resolve(self.least, expected, round_up=True)
        return max(0, expected - resolve(self.most or 0, expected, round_up=True))


def budgets_of(trace: Trace) -> tuple[Budget, ...]:
    """The budgets that a trace applies.

    Raises:
        TraceError: One that the API server would refuse.
    """
    every = (each for event in trace.events for each in event["applied_objs"])
    found = []
    for each in every:
        if each["kind"] != "PodDisruptionBudget":
            continue
        with naming(f"PodDisruptionBudget {object_ref(each)}"):
            found.append(_budget(each))
    return tuple(found)


def _budget(manifest: Manifest) -> Budget:
    spec = as_map(manifest, "spec")
    least = as_count_or_percent(spec, "minAvailable", "0") if "minAvailable" in spec else None
    most = as_count_or_percent(spec, "maxUnavailable", "0") if "maxUnavailable" in spec else None
    return Budget(
        object_ref(manifest),
        label_selector(spec.get("selector")),
        0 if least is None and most is None else least,
        most,
        as_text(spec, "unhealthyPodEvictionPolicy") == "AlwaysAllow",
    )


class Disruptions:
    """What the budgets allow at one moment of a replay; evictions are counted as they are allowed.

    Args:
        budgets: Those of the cluster.
        plane: Whose pods.
        pods: Those that may have to go.
    """

    def __init__(self, budgets: Sequence[Budget], plane: ControlPlane, pods: Iterable[Pod]) -> None:
        self._budgets = budgets
        self._of = {pod: self._meant(pod) for pod in pods} if budgets else {}
        concerned = {number for mine in self._of.values() for number in mine}
        namespaces = {budgets[number].ref.namespace for number in concerned}
        expected: dict[int, dict[Workload, int]] = {number: {} for number in concerned}
        self._healthy: Counter[int] = Counter()
        for workload in plane.workloads.values() if concerned else ():
            for pod in workload.pods() if workload.ref.namespace in namespaces else ():
                for number in self._meant(pod) if not (pod.ended or pod.deleted) else ():
                    if number in concerned:
                        expected[number][workload] = max(1, wanted_pods(workload))
                        self._healthy[number] += pod.ready and not pod.leaving
        self._needed = {number: budgets[number].needed(sum(each.values())) for number, each in expected.items()}

    def allows(self, pod: Pod) -> bool:
        """Whether the pod may be evicted now; if so, it counts as evicted."""
        mine = self._of.get(pod, [])
        if len(mine) > 1:
            return False
        for number in mine:
            left = self._healthy[number] - self._needed[number]
            if not pod.ready:
                return self._budgets[number].always or left >= 0
            if left <= 0:
                return False
            self._healthy[number] -= 1
        return True

    def why(self) -> str:
        """What keeps pods from being evicted: the names of their budgets."""
        return ", ".join(sorted({str(self._budgets[number].ref) for mine in self._of.values() for number in mine}))

    def _meant(self, pod: Pod) -> list[int]:
        return [
            number
            for number, each in enumerate(self._budgets)
            if each.ref.namespace == pod.template.namespace and each.selects(pod.template.labels)
        ]
