"""Deployments, ReplicaSets and pods on nodes, driven to a fixed point instead of through time.

A pod is Ready as soon as it is bound, as on KWOK's virtual nodes, and capacity that is freed is noticed at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from env.errors import ClusterError
from env.rollout import SetSize, next_sizes
from env.scheduler import Node, PodShape, admitting, best_node
from env.trace import WorkloadRef
from env.workload import Asked

MAX_PODS = 150_000  # the most that Kubernetes supports in one cluster


@dataclass(eq=False, slots=True)
class Pod:
    """A pod; `node` is None while it is pending."""

    shape: PodShape
    node: Node | None = None
    deleted: bool = False


@dataclass(eq=False, slots=True)
class ReplicaSet:
    revision: tuple[Any, ...]
    shape: PodShape
    pods: list[Pod] = field(default_factory=list)

    def size(self) -> SetSize:
        return SetSize(len(self.pods), sum(pod.node is not None for pod in self.pods))


@dataclass(eq=False, slots=True)
class Workload:
    """A Deployment: what it asks for now, its old ReplicaSets (oldest first) and the current one."""

    asked: Asked
    current: ReplicaSet
    old: list[ReplicaSet] = field(default_factory=list)

    def pods(self) -> list[Pod]:
        """All pods in order of creation, ReplicaSet by ReplicaSet."""
        return [pod for each in (*self.old, self.current) for pod in each.pods]


class ControlPlane:
    """API server, Deployment controller and scheduler in one: apply or delete, then settle."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self.workloads: dict[WorkloadRef, Workload] = {}
        self._pending: list[Pod] = []
        self._unsettled: dict[WorkloadRef, Workload] = {}
        self._admitting: dict[PodShape, list[Node]] = {}
        self._no_room: set[PodShape] = set()  # shapes that fit nowhere until a pod leaves
        self._pods = 0

    def apply(self, asked: Asked) -> None:
        """Create the Deployment or bring it to what is asked now."""
        workload = self.workloads.get(asked.ref)
        if workload is None:
            workload = self.workloads[asked.ref] = Workload(asked, ReplicaSet(asked.revision, asked.shape))
        elif workload.current.revision != asked.revision:
            _change_revision(workload, asked)
        workload.asked = asked
        self._unsettled[asked.ref] = workload

    def delete(self, ref: WorkloadRef) -> None:
        """Remove a Deployment and its pods; nothing happens when there is none."""
        workload = self.workloads.pop(ref, None)
        self._unsettled.pop(ref, None)
        if workload is not None:
            self._remove(workload.pods())

    def settle(self) -> None:
        """Let controller and scheduler act in turns until neither has anything to do."""
        self._schedule()
        while any([self._sync(workload) for workload in self._unsettled.values()]):
            self._schedule()
        # A rollout that is stuck goes on when another workload frees capacity; all others are done.
        self._unsettled = {ref: each for ref, each in self._unsettled.items() if each.old}

    def _sync(self, workload: Workload) -> bool:
        """One sync of the Deployment controller; whether it changed anything."""
        asked, current, old = workload.asked, workload.current, workload.old
        if old:
            sizes = [each.size() for each in old]
            old_sizes, new_size = next_sizes(asked.resources.replicas, asked.strategy, sizes, current.size())
            changed = [self._scale(each, size) for each, size in zip(old, old_sizes, strict=True)]
            workload.old = [each for each in old if each.pods]
            return self._scale(current, new_size) or any(changed)
        return self._scale(current, asked.resources.replicas)

    def _scale(self, replica_set: ReplicaSet, size: int) -> bool:
        missing = size - len(replica_set.pods)
        if missing > 0:
            self._create(replica_set, missing)
        elif missing < 0:
            leaving = _first_to_leave(replica_set.pods)[:-missing]
            self._remove(leaving)
            replica_set.pods = [pod for pod in replica_set.pods if not pod.deleted]
        return missing != 0

    def _create(self, replica_set: ReplicaSet, count: int) -> None:
        self._pods += count
        if self._pods > MAX_PODS:
            raise ClusterError(f"{self._pods} pods: the embedded cluster simulates at most {MAX_PODS}")
        pods = [Pod(replica_set.shape) for _ in range(count)]
        replica_set.pods += pods
        self._pending += pods

    def _remove(self, pods: Iterable[Pod]) -> None:
        for pod in pods:
            pod.deleted = True
            self._pods -= 1
            if pod.node is not None:
                pod.node.release(pod.shape)
                self._no_room.clear()

    def _schedule(self) -> None:
        """Bind what fits, one pod at a time in order of creation."""
        if self._pending:
            self._pending = [pod for pod in self._pending if not (pod.deleted or self._bound(pod))]

    def _bound(self, pod: Pod) -> bool:
        shape = pod.shape
        if shape in self._no_room:
            return False
        nodes = self._admitting.get(shape)
        if nodes is None:
            nodes = self._admitting[shape] = admitting(shape, self.nodes)
        node = best_node(shape, nodes)
        if node is None:
            self._no_room.add(shape)
            return False
        node.bind(shape)
        pod.node = node
        return True


def _change_revision(workload: Workload, asked: Asked) -> None:
    """Make the ReplicaSet of the asked revision the current one: a rollout, or a rollback to one that still exists."""
    sets = [each for each in (*workload.old, workload.current) if each.pods]
    same = [each for each in sets if each.revision == asked.revision]
    workload.current = same[0] if same else ReplicaSet(asked.revision, asked.shape)
    workload.old = [each for each in sets if each is not workload.current]


def _first_to_leave(pods: Sequence[Pod]) -> list[Pod]:
    """Pending pods first, then those that share their node with most siblings, then the newest.

    See `ActivePodsWithRanks` in kubernetes `pkg/controller/controller_utils.go`.
    """
    siblings = Counter(pod.node for pod in pods)
    return sorted(reversed(pods), key=lambda pod: (pod.node is not None, -siblings[pod.node]))
