"""The move from the nodes that there are to those of a plan, replayed in the engine drain by drain.

New nodes join first and the nodes that leave are cordoned, so that no pod moves twice. Then their pods are evicted as
PodDisruptionBudgets allow, and each next eviction waits until the pods in their place are Ready. Nodes that are empty
leave. Three ways are tried, the least work first:

- DRAIN: node after node, as `kubectl drain` does, those with the fewest pods first;
- LARGEST_FIRST: workload after workload, the largest pods first, so that small pods do not take the room of large ones;
- REPLACE: the same with all nodes new: as if everything were created anew on the plan's nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from env.embedded.cluster import EmbeddedCluster
from env.engine.control_plane import ControlPlane
from env.engine.node_changes import change_nodes, evict
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.plan.budgets import Disruptions, budgets_of
from env.plan.demand import Key
from env.plan.offers import Counts, Offer, is_open, kind_name, named, offer_of
from env.plan.trial import beyond, lacking_of
from env.problems.nodes import NodePool, NodePools
from env.problems.virtual_nodes import virtual_nodes
from env.trace.document import Trace
from env.workload import ObjectRef

_MOST_STEPS = 30  # changes of nodes while they are drained: each costs a look at every pod


class Way(StrEnum):
    """How pods are moved."""

    DRAIN = "node by node"
    LARGEST_FIRST = "the largest pods first"
    REPLACE = "to new nodes alone, the largest pods first"


@dataclass(frozen=True)
class Lowest:
    """The fewest pods of a workload that were Ready during a move.

    Attributes:
        ready: So many.
        wanted: Of so many.
    """

    ready: int
    wanted: int


@dataclass(frozen=True)
class Move:
    """A move, replayed.

    Attributes:
        way: How pods were moved.
        joined: Nodes that joined, by kind.
        drained: Nodes that left, in order.
        evictions: Pods that were evicted.
        lowest: Of each workload of which pods were evicted, how few were Ready at least.
        blocked: Why pods could not be evicted; empty: all were.
        missing: Pods that workloads lack at the end, beyond those that no number of nodes helps.
    """

    way: Way
    joined: Mapping[str, int]
    drained: tuple[str, ...]
    evictions: int
    lowest: Mapping[Key, Lowest]
    blocked: tuple[str, ...]
    missing: Mapping[Key, int]

    @property
    def is_done(self) -> bool:
        """All leaving nodes are empty, and no workload lacks a pod for want of room."""
        return not (self.blocked or self.missing)


@dataclass(frozen=True, eq=False)
class Journey:
    """From where to where.

    Attributes:
        trace: The workloads, as they came.
        order: Workloads, the largest pods first.
        now: The nodes that there are.
        offers: Kinds of nodes.
        then: How many the plan has of each.
    """

    trace: Trace
    order: Sequence[Key]
    now: NodePools
    offers: Sequence[Offer]
    then: Counts


def best_move(journey: Journey, allowed: Mapping[Key, int]) -> Move:
    """The first way in which the move is done; else that which leaves the fewest pods out.

    Args:
        journey: From where to where.
        allowed: Pods that workloads may lack, as no number of nodes helps.
    """
    cluster, tried = EmbeddedCluster(), list[Move]()
    for way in Way:
        made = move(journey, way, allowed, cluster)
        if made.is_done:
            return made
        tried.append(made)
    return min(tried, key=lambda each: (len(each.blocked), sum(each.missing.values())))


def move(journey: Journey, way: Way, allowed: Mapping[Key, int], cluster: EmbeddedCluster) -> Move:
    """Replay the move in one way."""
    there = named(journey.now)
    plane = cluster.replayed(journey.trace, NodePools(there))
    kept = _kept(journey, there, plane) if way is not Way.REPLACE else dict[str, int]()
    joining = _joining(journey, kept)
    leaving = [pool.names[0] for pool in there if pool.names[0] not in kept]
    cordoned = [replace(pool, unschedulable=pool.unschedulable or pool.names[0] not in kept) for pool in there]
    change_nodes(plane, _shape([*cordoned, *joining]))
    mover = Mover(plane, journey.trace, journey.order)
    drain = mover.node_by_node if way is Way.DRAIN else mover.largest_first
    drain(leaving, [*cordoned, *joining])
    if not mover.blocked:
        change_nodes(plane, _shape([each for each in (*cordoned, *joining) if each.names[0] not in leaving]))
    missing = beyond(lacking_of(plane), allowed)
    joined = Counter(kind_name(pool) for pool in joining)
    return Move(way, dict(joined), tuple(mover.drained), mover.evictions, mover.lowest, tuple(mover.blocked), missing)


class Mover:
    """Evicts pods within budgets, and keeps what came of it.

    Args:
        plane: Whose pods; it is changed.
        trace: Holds the budgets.
        order: Workloads, the largest pods first.

    Attributes:
        drained: Nodes that are empty, in order.
        evictions: Pods that were evicted.
        lowest: The fewest Ready pods of each workload of which pods were evicted.
        blocked: Why pods could not be evicted.
    """

    def __init__(self, plane: ControlPlane, trace: Trace, order: Sequence[Key] = ()) -> None:
        self._plane = plane
        self._budgets = budgets_of(trace)
        self._order = {key: number for number, key in enumerate(order)}
        self.drained: list[str] = []
        self.evictions = 0
        self.lowest: dict[Key, Lowest] = {}
        self.blocked: list[str] = []

    def node_by_node(self, leaving: Sequence[str], nodes: Sequence[NodePool]) -> None:
        """Drain one node after the other, those with the fewest pods first; it leaves when it is empty."""
        pods = self._on(leaving)
        order = sorted(leaving, key=lambda name: (sum(each == name for each in pods.values()), name))
        batch = max(1, len(leaving) // _MOST_STEPS)
        left = list(nodes)
        for number, name in enumerate(order, 1):
            while waiting := [pod for pod, node in self._on([name]).items() if node == name]:
                if not self._evict(waiting):
                    self._say(waiting, name)
                    return
            self.drained.append(name)
            if number % batch == 0:
                left = [each for each in left if each.names[0] not in self.drained]
                change_nodes(self._plane, _shape(left))

    def largest_first(self, leaving: Sequence[str], nodes: Sequence[NodePool]) -> None:
        """Move one workload after the other, a pod at a time or as its budget allows."""
        by_key: dict[Key, list[Pod]] = {}
        for pod in self._on(leaving):
            by_key.setdefault(root_of(pod), []).append(pod)
        for key in sorted(by_key, key=lambda key: (self._order.get(key, len(self._order)), key)):
            while waiting := [pod for pod in by_key[key] if not pod.deleted]:  # their nodes are cordoned: none comes
                if not self._evict(waiting[:1]):
                    self._say(waiting, key[2])
                    return
        self.drained += leaving

    def _evict(self, pods: Sequence[Pod]) -> int:
        """Evict those that their budgets allow; how many."""
        allowed = Disruptions(self._budgets, self._plane, pods)
        going = [pod for pod in pods if pod.owner.kind != "Pod" and allowed.allows(pod)]
        gone = Counter(root_of(pod) for pod in going if pod.ready)
        for key, many in gone.items():
            there = self._plane.workloads[key[0], ObjectRef(key[1], key[2])].pods()
            ready = sum(pod.ready for pod in there) - many
            last = self.lowest.get(key)
            self.lowest[key] = Lowest(ready if last is None else min(ready, last.ready), len(there))
        if going:
            evict(self._plane, going)
        self.evictions += len(going)
        return len(going)

    def _say(self, waiting: Sequence[Pod], place: str) -> None:
        bare = [pod for pod in waiting if pod.owner.kind == "Pod"]
        if bare:
            self.blocked.append(f"{place}: Pod {bare[0].owner.ref} has no controller that would make it again")
            return
        why = Disruptions(self._budgets, self._plane, waiting).why()
        self.blocked.append(
            f"{place}: PodDisruptionBudget {why} allows no eviction" if why else f"{place}: no eviction"
        )

    def _on(self, names: Sequence[str]) -> dict[Pod, str]:
        """Pods that have to leave these nodes, and where they are."""
        nodes, wanted = self._plane.api.scheduler.bound.table.nodes, set(names)
        return {
            pod: nodes[pod.row].name
            for pod in self._plane.pods()
            if pod.row != UNBOUND and nodes[pod.row].name in wanted and pod.owner.kind != "DaemonSet" and not pod.ended
        }


def _kept(journey: Journey, there: Sequence[NodePool], plane: ControlPlane) -> dict[str, int]:
    """Nodes that stay, with their offers: as many as the plan has, those with the most pods that are open."""
    pods = Counter(pod.row for pod in plane.api.scheduler.bound.pods if pod.owner.kind != "DaemonSet")
    bare = {pod.row for pod in plane.api.scheduler.bound.pods if pod.owner.kind == "Pod"}
    rows = plane.api.scheduler.bound.table.set.row
    left, kept = list(journey.then), dict[str, int]()
    for pool in sorted(
        there, key=lambda each: (rows[each.names[0]] not in bare, -pods[rows[each.names[0]]], each.names)
    ):
        offer = offer_of(pool, journey.offers) if is_open(pool) else None
        if offer is not None and left[offer]:
            left[offer] -= 1
            kept[pool.names[0]] = offer
    return kept


def _joining(journey: Journey, kept: Mapping[str, int]) -> list[NodePool]:
    stay = Counter(kept.values())
    nodes = [
        offer.node
        for number, (offer, many) in enumerate(zip(journey.offers, journey.then, strict=True))
        for _ in range(many - stay[number])
    ]
    return [replace(node, count=1, names=(f"new-{number}",)) for number, node in enumerate(nodes, 1)]


def _shape(nodes: Sequence[NodePool]) -> ClusterShape:
    return ClusterShape(virtual_nodes(NodePools(tuple(nodes))))


def root_of(pod: Pod) -> Key:
    """The workload that a pod is of in the end: of a ReplicaSet the Deployment, of a Job the CronJob."""
    top = pod.owner.parent or pod.owner
    return top.kind, top.ref.namespace, top.ref.name
