"""The ReplicaSet controller: as many pods as asked for, and which of them go first.

Follows kubernetes 1.36 `pkg/controller/replicaset/replica_set.go`, and `pkg/controller/controller_utils.go`
(`ActivePodsWithRanks`) for the order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from env.engine.api_server import ApiServer
from env.engine.manifests.labels import Predicate
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.workload import Workload
from env.jit import Ints
from env.workload import ObjectRef


@dataclass(eq=False)
class ReplicaSet:
    """A ReplicaSet, of a Deployment or on its own.

    Attributes:
        replicas: Pods that it should have.
        desired: Replicas of its Deployment when it was last scaled (annotation desired-replicas).
        most: The same with the surge (annotation max-replicas).
        members: Its pods, in order of creation, without those that are being deleted.
        leaving: Those.
        node_counts: How many of them are on each node.
        selector: Labels of pods that it acquires; None for one of a Deployment, whose pods have a label of their own
            (pod-template-hash).
        parent: Its Deployment; None for one on its own.
    """

    ref: ObjectRef
    template: PodTemplate
    replicas: int
    node_counts: Ints
    desired: int = 0
    most: int = 0
    min_ready_s: float = 0
    selector: Predicate | None = None
    members: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)
    parent: Workload | None = None
    kind: ClassVar[str] = "ReplicaSet"
    batch_s: ClassVar[float] = 0.0

    @classmethod
    def make(cls, ref: ObjectRef, template: PodTemplate, replicas: int, api: ApiServer) -> ReplicaSet:
        """One that has no pods yet."""
        return cls(ref, template, replicas, np.zeros(api.nodes, dtype=np.int64))

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return self.members

    def selects(self, pod: Pod) -> bool:
        """See `Workload`."""
        if self.selector is None or pod.ended:
            return False
        return pod.template.namespace == self.ref.namespace and self.selector(pod.template.labels)

    def available(self, now_s: float) -> int:
        """Pods that have been Ready for `min_ready_s`."""
        return sum(pod.ready and pod.started_s + self.min_ready_s <= now_s for pod in self.members)

    def next_available_s(self, now_s: float) -> float | None:
        """When the next of its pods that are Ready becomes available; None where all are."""
        if not self.min_ready_s:
            return None
        times = (pod.started_s + self.min_ready_s for pod in self.members if pod.ready)
        return min((at_s for at_s in times if at_s > now_s), default=None)

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        if self.selector is not None:
            self.members += api.claim(self)
        missing = self.replicas - len(self.members)
        for made in range(api.batch(self, missing)):
            pod = api.create_pod(self.template, self)
            if pod is None:
                return made > 0
            self.members.append(pod)
        if missing < 0:
            related = self.members if self.parent is None else self.parent.pods()
            # Of the same age, to a power of two, it is the random UID that decides.
            api.delete_pods(first_to_leave(api.lots.in_any_order(self.members), related)[:-missing])
        return missing != 0 and self not in api.amid_batches

    def forget(self, pods: set[Pod]) -> None:
        """Pods that are being deleted do not count any more (`FilterActivePods`)."""
        self.members = [pod for pod in self.members if pod not in pods]
        self.leaving = [pod for pod in (*self.leaving, *pods) if pod.leaving and not pod.deleted]


def first_to_leave(pods: Sequence[Pod], related: Sequence[Pod]) -> list[Pod]:
    """Pods in the order in which a ReplicaSet removes them.

    Unassigned before assigned, Pending before Running, not Ready before Ready, more related pods on the node before
    fewer, then the newest: see `ActivePodsWithRanks` in kubernetes `pkg/controller/controller_utils.go`.

    Args:
        pods: The ReplicaSet's.
        related: Those of all ReplicaSets of its Deployment.
    """
    siblings = Counter(pod.row for pod in related)
    return sorted(
        reversed(pods),
        key=lambda pod: (
            pod.row != UNBOUND,
            pod.phase is not Phase.PENDING,
            pod.ready,
            -siblings[pod.row] if pod.ready else 0,
        ),
    )
