"""Whether the engine places everything on a set of nodes, and still does when one of them or a zone is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from env.embedded.cluster import EmbeddedCluster
from env.embedded.neighbours import lacking
from env.engine.control_plane import ControlPlane
from env.plan.demand import Key
from env.plan.offers import Counts, Offer, most_allowed, pools_of
from env.trace.document import Trace


class Survive(StrEnum):
    """What may be lost with every workload Ready afterwards."""

    NODE = "node"
    ZONE = "zone"


@dataclass(eq=False)
class Trial:
    """Replays of one trace on sets of nodes; each set is replayed once.

    Attributes:
        trace: The workloads.
        offers: What the sets are made of.
        survive: What may be lost; None: nothing.
        allowed: Pods that each workload may lack, where no number of nodes helps.
        cluster: Replays.
        replays: How many there were.
        looks: How much work they were, in units of `env.engine.budget`.
    """

    trace: Trace
    offers: Sequence[Offer]
    survive: Survive | None = None
    allowed: Mapping[Key, int] = field(default_factory=dict)
    cluster: EmbeddedCluster = field(default_factory=EmbeddedCluster)
    replays: int = 0
    looks: int = 0
    _known: dict[Counts, dict[Key, int]] = field(default_factory=dict)

    def holds(self, counts: Counts) -> bool:
        """Whether every workload has all its pods Ready on these nodes."""
        return most_allowed(sum(counts)) and not self.missing(counts)

    def missing(self, counts: Counts) -> dict[Key, int]:
        """Pods that each workload lacks there, beyond what it may lack; workloads that are whole are left out."""
        found = self._known.get(counts)
        if found is None:
            found = self._known[counts] = self._beyond(lacking_of(self.replayed(counts)))
        return found

    def replayed(self, counts: Counts) -> ControlPlane:
        """The end of a replay on these nodes."""
        plane = self.cluster.replayed(self.trace, pools_of(self.offers, counts))
        self.replays += 1
        self.looks += plane.api.budget.spent
        return plane

    def _beyond(self, lacking_by_key: Mapping[Key, int]) -> dict[Key, int]:
        return {key: pods for key, pods in lacking_by_key.items() if pods > self.allowed.get(key, 0)}


def lacking_of(plane: ControlPlane) -> dict[Key, int]:
    """Pods that each workload lacks at the end of a replay; those that lack none are left out."""
    every = {(kind, ref.namespace, ref.name): lacking(workload) for (kind, ref), workload in plane.workloads.items()}
    return {key: pods for key, pods in every.items() if pods}
