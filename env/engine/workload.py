"""What controllers keep: an object that makes pods, and what pods need of the one that made them.

Follows no Kubernetes source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from env.jit import Ints
from env.workload import ObjectRef

if TYPE_CHECKING:
    from env.engine.api_server import ApiServer
    from env.engine.pods import Pod

NOT_COUNTED: Ints = np.zeros(0, dtype=np.int64)
"""`node_counts` of owners whose pods the scheduler does not spread by default."""


class Workload(Protocol):
    """An object that makes pods, and the state of its controller; one class a kind."""

    @property
    def kind(self) -> str:
        """As in manifests."""
        ...

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        ...

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        ...

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        ...

    def selects(self, pod: Pod) -> bool:
        """Whether it would acquire the pod if that has no controller."""
        ...


class PodOwner(Workload, Protocol):
    """A workload that pods name as their controller: any but a Deployment and a CronJob."""

    @property
    def parent(self) -> Workload | None:
        """The workload that owns this one: a ReplicaSet's Deployment, a Job's CronJob."""
        ...

    @property
    def node_counts(self) -> Ints:
        """Its pods per node, int64 of shape (nodes,), kept by the scheduler; NOT_COUNTED, of shape (0,), for others."""
        ...

    @property
    def batch_s(self) -> float:
        """Seconds for which its controller collects changes of its pods before it looks at them."""
        ...

    def forget(self, pods: set[Pod]) -> None:
        """Some of its pods are being deleted (`leaving`), or gone (`deleted`), or not its own any more."""
        ...
