"""What controllers may do to the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from env.engine.events import Recorder
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import Pod
from env.trace.document import WorkloadRef


class Plane(Protocol):
    """The API server and the clock, as controllers see them; `ControlPlane` is the one implementation."""

    recorder: Recorder

    @property
    def now_s(self) -> float:
        """Seconds on the virtual clock (unix time while a trace is replayed)."""
        ...

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        ...

    def create_pod(self, template: PodTemplate, owner: Any, *, name: str = "", ordinal: int = 0) -> Pod:
        """Make a pod and queue it for scheduling; without `name` it gets a generated one."""
        ...

    def delete_pods(self, pods: Iterable[Pod]) -> None:
        """Remove pods at once, as KWOK's nodes do."""
        ...

    def wake(self, workload: Workload, at_s: float) -> None:
        """Sync the workload again at that time."""
        ...


class Workload(Protocol):
    """An object that makes pods: one class per kind, each the state of its controller."""

    @property
    def kind(self) -> str:
        """As in manifests."""
        ...

    @property
    def ref(self) -> WorkloadRef:
        """Namespace and name."""
        ...

    def sync(self, plane: Plane) -> bool:
        """One sync of its controller; whether it changed anything."""
        ...

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        ...
