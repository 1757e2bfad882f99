"""kube-scheduler's decision for one pod: which nodes can take it, and which of those is best.

Filters run in the scheduler's order and the first that refuses a node gives the reasons for that node: node
unschedulable, taints, node selector, then resources (`NodeResourcesFit`), which may name several. Nodes are scored by
LeastAllocated (`noderesources/least_allocated.go`); where the scheduler breaks ties at random, the first node wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"


class Refusal(StrEnum):
    """Why a node cannot take a pod, in the words of the pod's PodScheduled condition."""

    UNSCHEDULABLE = "node(s) were unschedulable"
    TAINT = "node(s) had untolerated taint(s)"
    SELECTOR = "node(s) didn't match Pod's node affinity/selector"
    TOO_MANY_PODS = "Too many pods"
    INSUFFICIENT_CPU = "Insufficient cpu"
    INSUFFICIENT_MEMORY = "Insufficient memory"


@dataclass(frozen=True)
class Taint:
    key: str
    value: str = ""
    effect: str = "NoSchedule"


@dataclass(frozen=True)
class Toleration:
    """As in a pod's spec: no key tolerates every key, no effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        if self.effect not in ("", taint.effect):
            return False
        if self.operator == "Exists":
            return self.key in ("", taint.key)
        return self.key == taint.key and self.value == taint.value


@dataclass(frozen=True, eq=False, slots=True)
class PodShape:
    """What the scheduler needs to know of a pod; all pods of one ReplicaSet share one shape.

    Attributes:
        cpu_m: CPU that the pod takes from a node, millicores.
        memory_bytes: Memory that it takes.
        score_cpu_m: CPU that it counts for when nodes are scored (a container without a request counts 100m).
        score_memory_bytes: Memory that it counts for (200Mi for a container without a request).
        node_selector: Labels that a node must have.
        tolerations: Taints that it bears.
    """

    cpu_m: int
    memory_bytes: int
    score_cpu_m: int
    score_memory_bytes: int
    node_selector: tuple[tuple[str, str], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(eq=False, slots=True)
class Node:
    """A node's allocatable resources, and what the pods bound to it use of them."""

    name: str
    cpu_m: int
    memory_bytes: int
    pods: int = 110
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    used_cpu_m: int = 0
    used_memory_bytes: int = 0
    used_pods: int = 0
    score_cpu_m: int = 0
    score_memory_bytes: int = 0

    def bind(self, shape: PodShape) -> None:
        self._account(shape, 1)

    def release(self, shape: PodShape) -> None:
        self._account(shape, -1)

    def _account(self, shape: PodShape, pods: int) -> None:
        self.used_pods += pods
        self.used_cpu_m += pods * shape.cpu_m
        self.used_memory_bytes += pods * shape.memory_bytes
        self.score_cpu_m += pods * shape.score_cpu_m
        self.score_memory_bytes += pods * shape.score_memory_bytes


def admitting(shape: PodShape, nodes: Iterable[Node]) -> list[Node]:
    """The nodes whose labels, taints and cordon let the pod in, whatever they have left."""
    return [node for node in nodes if _barred(shape, node) is None]


def best_node(shape: PodShape, admitting: Sequence[Node]) -> Node | None:
    """The node with room for the pod and the highest LeastAllocated score; the first one of several.

    Args:
        shape: The pod.
        admitting: Nodes that let it in, see `admitting`.
    """
    best, best_score = None, -1
    for node in admitting:
        if _has_room(shape, node):
            score = _least_allocated(shape, node)
            if score > best_score:
                best, best_score = node, score
    return best


def refusals(shape: PodShape, node: Node) -> tuple[Refusal, ...]:
    """All reasons of the first filter that refuses the pod on this node; empty when it can be bound."""
    barred = _barred(shape, node)
    if barred is not None:
        return (barred,)
    lacking = (
        (Refusal.TOO_MANY_PODS, node.used_pods >= node.pods),
        (Refusal.INSUFFICIENT_CPU, 0 < shape.cpu_m > node.cpu_m - node.used_cpu_m),
        (Refusal.INSUFFICIENT_MEMORY, 0 < shape.memory_bytes > node.memory_bytes - node.used_memory_bytes),
    )
    return tuple(reason for reason, holds in lacking if holds)


def _has_room(shape: PodShape, node: Node) -> bool:
    """Whether `refusals` would name no resource; a request of nothing fits even an overfull node."""
    cpu_m, memory_bytes = shape.cpu_m, shape.memory_bytes
    return (
        node.used_pods < node.pods
        and (cpu_m <= node.cpu_m - node.used_cpu_m or not cpu_m)
        and (memory_bytes <= node.memory_bytes - node.used_memory_bytes or not memory_bytes)
    )


def _least_allocated(shape: PodShape, node: Node) -> int:
    """Mean of the percentages of CPU and memory that stay free, both rounded down; 0 to 100."""
    cpu_m = node.cpu_m - node.score_cpu_m - shape.score_cpu_m
    memory_bytes = node.memory_bytes - node.score_memory_bytes - shape.score_memory_bytes
    free_cpu = cpu_m * 100 // node.cpu_m if cpu_m > 0 else 0
    free_memory = memory_bytes * 100 // node.memory_bytes if memory_bytes > 0 else 0
    return (free_cpu + free_memory) // 2


def _barred(shape: PodShape, node: Node) -> Refusal | None:
    tolerations = shape.tolerations
    if node.unschedulable and not _tolerated(Taint(UNSCHEDULABLE_TAINT), tolerations):
        return Refusal.UNSCHEDULABLE
    for taint in node.taints:
        if taint.effect != "PreferNoSchedule" and not _tolerated(taint, tolerations):
            return Refusal.TAINT
    for key, value in shape.node_selector:
        if node.labels.get(key) != value:
            return Refusal.SELECTOR
    return None


def _tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)
