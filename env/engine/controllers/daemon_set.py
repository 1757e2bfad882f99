"""The DaemonSet controller: one pod on every node that lets it in.

Follows kubernetes 1.36 `pkg/controller/daemon` (`daemon_controller.go`, `update.go`, `util/daemonset_util.go`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from env.engine.api_server import ApiServer
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.replicated import DaemonSetSpec
from env.engine.manifests.strategy import resolve
from env.engine.manifests.terms import Toleration
from env.engine.pods import Pod
from env.engine.scheduling.nodes import Node
from env.engine.scheduling.placement import StaticFilter, static_table
from env.engine.workload import NOT_COUNTED, Workload
from env.jit import Ints
from env.workload import WorkloadRef

# What the controller adds to every pod, so that a node's conditions do not evict it.
_TOLERATIONS = (
    *(Toleration(f"node.kubernetes.io/{key}", "Exists", effect="NoExecute") for key in ("not-ready", "unreachable")),
    *(
        Toleration(f"node.kubernetes.io/{key}", "Exists", effect="NoSchedule")
        for key in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
    ),
)


@dataclass(eq=False)
class DaemonSet:
    """A DaemonSet and its pods by node."""

    spec: DaemonSetSpec
    nodes: Sequence[Node]
    members: dict[str, Pod] = field(default_factory=dict)
    kind: ClassVar[str] = "DaemonSet"
    parent: ClassVar[Workload | None] = None
    node_counts: ClassVar[Ints] = NOT_COUNTED
    batch_s: ClassVar[float] = 0.0

    @property
    def ref(self) -> WorkloadRef:
        """Namespace and name."""
        return self.spec.ref

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return sorted(self.members.values(), key=lambda pod: pod.number)

    def forget(self, pods: set[Pod]) -> None:
        """A node gets its next pod when the last one is gone."""
        self.members = {node: pod for node, pod in self.members.items() if pod not in pods or not pod.deleted}

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        template = self._everywhere(self.spec.template)
        filters = static_table(template.placement, self.nodes)[0].tolist()
        wanted = [
            node.name
            for node, refusing in zip(self.nodes, filters, strict=True)
            if refusing == StaticFilter.NONE and template.node_name in ("", node.name)
        ]
        allowed = set(wanted)
        stray = [pod for node, pod in self.members.items() if node not in allowed and not pod.leaving]
        missing = [node for node in wanted if node not in self.members]
        for node in missing:
            self.members[node] = api.create_pod(self._for_node(template, node), self)
        api.delete_pods(stray)
        return bool(missing or stray) or self._update(api, wanted)

    def _update(self, api: ApiServer, wanted: list[str]) -> bool:
        """Remove old pods: those that are not Ready at once, others as long as few enough are missing."""
        if self.spec.on_delete:
            return False
        revision = self.spec.template.revision
        members = [self.members[node] for node in wanted]
        staying = [pod for pod in members if not pod.leaving]
        old = [pod for pod in staying if pod.template.revision != revision]
        if not old:
            return False
        allowed = max(1, resolve(self.spec.max_unavailable, len(wanted), round_up=True))
        missing = len(members) - len(staying) + sum(not pod.ready for pod in staying)
        leaving = [pod for pod in old if not pod.ready]
        leaving += [pod for pod in old if pod.ready][: max(0, allowed - missing)]
        api.delete_pods(leaving)
        return bool(leaving)

    def _everywhere(self, template: PodTemplate) -> PodTemplate:
        placement = template.placement
        return replace(template, placement=replace(placement, tolerations=(*placement.tolerations, *_TOLERATIONS)))

    def _for_node(self, template: PodTemplate, node: str) -> PodTemplate:
        return replace(template, placement=replace(template.placement, only_node=node))
