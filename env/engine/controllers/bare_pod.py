"""A Pod that no controller owns.

Follows no Kubernetes source: the API server keeps such a pod as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from env.engine.api_server import ApiServer
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import Pod
from env.engine.workload import NOT_COUNTED, Workload
from env.jit import Ints
from env.workload import ObjectRef


@dataclass(eq=False)
class BarePod:
    """A Pod as an object of its own; once gone, it stays away until it is applied again."""

    template: PodTemplate
    ref: ObjectRef
    member: Pod | None = None
    wanted: bool = True
    kind: ClassVar[str] = "Pod"
    parent: ClassVar[Workload | None] = None
    node_counts: ClassVar[Ints] = NOT_COUNTED
    batch_s: ClassVar[float] = 0.0

    def pods(self) -> list[Pod]:
        """Its pod, as long as no controller has acquired it."""
        return [pod for pod in self.whole() if pod.owner is self]

    def whole(self) -> list[Pod]:
        """Its pod, whoever owns it now."""
        return [self.member] if self.member is not None and not self.member.deleted else []

    def selects(self, pod: Pod) -> bool:
        """It owns no other pods."""
        return False

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        if not (self.wanted and api.names.is_free(self, self.ref.name)):
            return False
        self.wanted = False
        self.member = api.create_pod(self.template, self, name=self.ref.name)
        return True

    def forget(self, pods: set[Pod]) -> None:
        """See `PodOwner`."""
        if self.member in pods and self.member.deleted:
            self.member = None
