"""Whether the engine places everything on a set of nodes, and still does when one of them or a zone is lost.

Of nodes of one kind and zone the fullest is lost: it has the most to place elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from env.embedded.cluster import EmbeddedCluster
from env.embedded.neighbours import lacking
from env.engine.control_plane import ControlPlane
from env.engine.node_changes import change_nodes
from env.engine.scheduling.cluster_shape import ClusterShape
from env.plan.demand import Key
from env.plan.offers import ZONE, Counts, Offer, most_allowed, named, pools_of
from env.problems.nodes import MAX_NODES, NodePool, NodePools
from env.problems.virtual_nodes import virtual_nodes
from env.trace.document import Trace


class Survive(StrEnum):
    """What may happen with every workload Ready afterwards.

    A restart is one of all nodes at once: pods come in the order in which the workloads were written or created.
    """

    NODE = "node"
    ZONE = "zone"
    RESTART = "restart"


@dataclass(eq=False)
class Trial:
    """Replays of one trace on sets of nodes; what is found of a set is kept.

    Attributes:
        trace: The workloads, in the order in which a plan creates them.
        written: The same in the order in which they came.
        offers: What the sets are made of.
        spare: Many more nodes than are needed: what workloads lack there no number of nodes mends.
        survive: What may happen.
        cluster: Replays.
        spared: Workloads whose pods may be lost with a node.
        replays: How many there were.
        looks: How much work they were, in units of `env.engine.budget`.
    """

    trace: Trace
    written: Trace
    offers: Sequence[Offer]
    spare: Counts
    survive: frozenset[Survive] = frozenset()
    cluster: EmbeddedCluster = field(default_factory=EmbeddedCluster)
    spared: frozenset[Key] = frozenset()
    replays: int = 0
    looks: int = 0
    _known: dict[Counts, dict[Key, int]] = field(default_factory=dict)

    def holds(self, counts: Counts) -> bool:
        """Whether every workload has all its pods Ready on these nodes, whatever of `survive` happens."""
        return most_allowed(sum(counts)) and not self.missing(counts)

    def missing(self, counts: Counts) -> dict[Key, int]:
        """Pods that each workload lacks there, beyond what it may lack; workloads that are whole are left out."""
        found = self._known.get(counts)
        if found is None:
            found = self._known[counts] = next(filter(None, self._missing(counts)), {})
        return found

    @cached_property
    def allowed(self) -> Mapping[Key, int]:
        """Pods that each workload may lack, where no number of nodes helps."""
        return lacking_of(self._replayed(self.trace, self.spare))

    def allowed_without(self, zone: str) -> Mapping[Key, int]:
        """Pods that each workload may lack after the loss of a zone: those that may go nowhere else."""
        if zone not in self._without:
            self._without[zone] = self._after_loss(self.spare, lambda node: dict(node.labels).get(ZONE) == zone)
        return self._without[zone]

    @cached_property
    def _without(self) -> dict[str, Mapping[Key, int]]:
        return {}

    def _missing(self, counts: Counts) -> Iterator[dict[Key, int]]:
        yield beyond(lacking_of(self._replayed(self.trace, counts)), self.allowed)
        if Survive.RESTART in self.survive:
            yield beyond(lacking_of(self._replayed(self.written, counts)), self.allowed)
        if Survive.ZONE in self.survive:
            for zone in sorted({offer.zone for offer, many in zip(self.offers, counts, strict=True) if many}):
                lost = self._after_loss(counts, lambda node, zone=zone: dict(node.labels).get(ZONE, "") == zone)  # type: ignore[misc]
                yield beyond(lost, self.allowed_without(zone))
        if Survive.NODE in self.survive:
            for offer, many in zip(self.offers, counts, strict=True):
                if many:
                    lost = self._after_loss(counts, lambda node, like=offer.node: _alike(node, like), most=1)  # type: ignore[misc]
                    yield beyond(lost, self.allowed)

    def _after_loss(self, counts: Counts, gone: Callable[[NodePool], bool], most: int = MAX_NODES) -> dict[Key, int]:
        """What workloads lack after the fullest of some nodes are lost."""
        nodes = named(pools_of(self.offers, counts))
        plane = self._replayed(self.trace, counts)
        held = Counter(pod.row for pod in plane.api.scheduler.bound.pods if pod.owner.kind != "DaemonSet")
        rows = plane.api.scheduler.bound.table.set.row
        lost = sorted((each for each in nodes if gone(each)), key=lambda each: -held[rows[each.names[0]]])[:most]
        left = tuple(each for each in nodes if each not in lost)
        if not left:
            return {key: 1 for key in self._keys(plane)}
        change_nodes(plane, ClusterShape(virtual_nodes(NodePools(left))))
        self.looks += plane.api.budget.spent
        return {key: pods for key, pods in lacking_of(plane).items() if key not in self.spared}

    def _keys(self, plane: ControlPlane) -> Iterator[Key]:
        return ((kind, ref.namespace, ref.name) for kind, ref in plane.workloads)

    def _replayed(self, trace: Trace, counts: Counts) -> ControlPlane:
        plane = self.cluster.replayed(trace, pools_of(self.offers, counts))
        self.replays += 1
        self.looks += plane.api.budget.spent
        return plane


def beyond(lacking_by_key: Mapping[Key, int], allowed: Mapping[Key, int]) -> dict[Key, int]:
    """Pods that workloads lack beyond what they may."""
    return {key: pods for key, pods in lacking_by_key.items() if pods > allowed.get(key, 0)}


def _alike(node: NodePool, like: NodePool) -> bool:
    return replace(node, count=1, names=()) == like


def lacking_of(plane: ControlPlane) -> dict[Key, int]:
    """Pods that each workload lacks at the end of a replay; those that lack none are left out."""
    every = {(kind, ref.namespace, ref.name): lacking(workload) for (kind, ref), workload in plane.workloads.items()}
    return {key: pods for key, pods in every.items() if pods}
