"""The DaemonSet controller: one pod on every node that lets it in.

Follows kubernetes 1.36 `pkg/controller/daemon` (`daemon_controller.go`, `update.go`, `util/daemonset_util.go`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from weakref import WeakKeyDictionary

from env.engine.api_server import ApiServer
from env.engine.manifests.replicated import DaemonSetSpec
from env.engine.manifests.strategy import resolve
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.nodes import Node
from env.engine.scheduling.placement import StaticFilter, static_table
from env.engine.workload import NOT_COUNTED, Workload
from env.jit import Ints
from env.workload import ObjectRef

_WANTED: WeakKeyDictionary[DaemonSetSpec, tuple[Sequence[Node], list[str]]] = WeakKeyDictionary()
"""For which nodes a spec was looked at last, and the names of those that let its pods in; all replays share it."""


@dataclass(eq=False)
class DaemonSet:
    """A DaemonSet and its pods, those that are being deleted included."""

    spec: DaemonSetSpec
    nodes: Sequence[Node]
    members: list[Pod] = field(default_factory=list)
    kind: ClassVar[str] = "DaemonSet"
    parent: ClassVar[Workload | None] = None
    node_counts: ClassVar[Ints] = NOT_COUNTED
    batch_s: ClassVar[float] = 0.0

    @property
    def ref(self) -> ObjectRef:
        """Namespace and name."""
        return self.spec.ref

    def pods(self) -> list[Pod]:
        """All its pods, in order of creation."""
        return self.members

    def selects(self, pod: Pod) -> bool:
        """See `Workload`."""
        return pod.template.namespace == self.ref.namespace and self.spec.selector(pod.template.labels)

    def forget(self, pods: set[Pod]) -> None:
        """A node gets its next pod when the last one is gone."""
        self.members = [pod for pod in self.members if pod not in pods or (pod.leaving and not pod.deleted)]

    def sync(self, api: ApiServer) -> bool:
        """One sync of its controller; whether it changed anything."""
        self.members += api.claim(self)
        by_node = self._by_node()
        surges = self._allowance(self.spec.max_surge) > 0
        wanted = self.wanted_nodes
        lacking, excess = list[str](), list[Pod]()
        for node in wanted:
            pods = by_node.get(node)
            if not pods:
                lacking.append(node)
                continue
            if len(pods) == 1 and not (pods[0].leaving or pods[0].ended):
                continue  # as it should be: the common case, decided quickly
            if self._lacks_pod(pods, surges=surges):
                lacking.append(node)
            excess += self._excess(pods, api.now_s, surges=surges)
        there = set(wanted)
        excess += [pod for node, pods in by_node.items() if node not in there for pod in pods if not pod.leaving]
        if not (lacking or excess or self.spec.on_delete or all(map(self._is_current, self.members))):
            excess, lacking = self._surged(by_node, api) if surges else (self._replaced(by_node, api), [])
        created = self._create(api, lacking)
        api.delete_pods(excess)
        return (created or bool(excess)) and self not in api.amid_batches

    # --- `podsShouldBeOnNode` ----------------------------------------------------------------------------------------

    def _lacks_pod(self, pods: list[Pod], *, surges: bool) -> bool:
        """Whether a node needs one. A pod that is being deleted counts, unless new pods come before old ones go."""
        return not any(not pod.leaving for pod in pods) if surges else not pods

    def _excess(self, pods: list[Pod], now_s: float, *, surges: bool) -> list[Pod]:
        """Pods of a node that have ended, and all but one of the others; amid a surge, an old and a new one stay."""
        staying = [pod for pod in pods if not pod.leaving]
        gone = [pod for pod in staying if pod.ended]
        running = sorted((pod for pod in staying if not pod.ended), key=lambda pod: (pod.row == UNBOUND, pod.number))
        if not surges:
            return gone + running[1:]
        new = [pod for pod in running if self._is_current(pod)]
        old = [pod for pod in running if not self._is_current(pod)]
        gone += new[1:] + old[1:]
        if new and old and (not old[0].ready or self._is_available(new[0], now_s)):
            gone.append(old[0])
        return gone

    # --- `rollingUpdate` ---------------------------------------------------------------------------------------------

    def _replaced(self, by_node: dict[str, list[Pod]], api: ApiServer) -> list[Pod]:
        """Old pods to delete: those that are not available, and others while few enough are missing."""
        most = self._allowance(self.spec.max_unavailable) or 1
        missing, unavailable, candidates = 0, list[Pod](), list[Pod]()
        for node in self.wanted_nodes:
            new, old = self._pair(by_node.get(node, []))
            if old is None:
                missing += new is None or not self._is_available(new, api.now_s)
            elif not self._is_available(old, api.now_s):
                unavailable.append(old)
                missing += 1
            elif missing < most:
                candidates.append(old)
        self._wait(api)
        return unavailable + candidates[: max(0, most - missing)]

    def _surged(self, by_node: dict[str, list[Pod]], api: ApiServer) -> tuple[list[Pod], list[str]]:
        """Old pods to delete, as a new one is available on their node; and nodes that get a new pod beside the old."""
        going, urgent, candidates, surging = list[Pod](), list[str](), list[str](), 0
        for node in self.wanted_nodes:
            new, old = self._pair(by_node.get(node, []))
            if old is None:
                continue
            if new is not None:
                surging += not self._is_available(new, api.now_s)
                going += [old] if self._is_available(new, api.now_s) else []
            elif self._is_available(old, api.now_s):
                candidates.append(node)
            else:
                urgent.append(node)
        self._wait(api)
        return going, urgent + candidates[: max(0, self._allowance(self.spec.max_surge) - surging)]

    def _pair(self, pods: list[Pod]) -> tuple[Pod | None, Pod | None]:
        """The new and the old pod of a node."""
        if len(pods) == 1 and not pods[0].leaving:
            return (pods[0], None) if self._is_current(pods[0]) else (None, pods[0])
        staying = [pod for pod in pods if not pod.leaving]
        new = next((pod for pod in staying if self._is_current(pod)), None)
        return new, next((pod for pod in staying if not self._is_current(pod)), None)

    def _wait(self, api: ApiServer) -> None:
        """Look again when the next pod has been Ready for minReadySeconds, as long as old ones are there."""
        if self.spec.min_ready_s and not all(map(self._is_current, self.members)):
            times = (pod.started_s + self.spec.min_ready_s for pod in self.members if pod.ready)
            api.wake(self, min((at_s for at_s in times if at_s > api.now_s), default=float("inf")))

    def _is_current(self, pod: Pod) -> bool:
        return not pod.adopted and pod.template.revision == self.spec.template.revision

    def _is_available(self, pod: Pod, now_s: float) -> bool:
        return pod.is_available(self.spec.min_ready_s, now_s)

    def _allowance(self, asked: int | str) -> int:
        return resolve(asked, len(self.wanted_nodes), round_up=True)

    # --- where pods go -----------------------------------------------------------------------------------------------

    def _by_node(self) -> dict[str, list[Pod]]:
        """Its pods by the node that they are on or are made for; one without either is not looked at."""
        found: dict[str, list[Pod]] = {}
        for pod in self.members:
            node = pod.template.placement.only_node if pod.row == UNBOUND else self.nodes[pod.row].name
            if node is not None:
                found.setdefault(node, []).append(pod)
        return found

    @property
    def wanted_nodes(self) -> list[str]:
        """The names of the nodes on which there should be a pod."""
        found = _WANTED.get(self.spec)
        if found is None or found[0] is not self.nodes:
            filters = static_table(self.spec.on_any_node.placement, self.nodes)[0].tolist()
            wanted = [
                node.name
                for node, refusing in zip(self.nodes, filters, strict=True)
                if refusing == StaticFilter.NONE and self.spec.template.node_name in ("", node.name)
            ]
            found = _WANTED[self.spec] = self.nodes, wanted
        return found[1]

    def _create(self, api: ApiServer, nodes: Sequence[str]) -> bool:
        """Make a pod for each node, up to the first that is refused; whether there is a new one."""
        before = len(self.members)
        for node in nodes[: api.batch(self, len(nodes))]:
            pod = api.create_pod(self.spec.on_node(node), self)
            if pod is None:
                break
            self.members.append(pod)
        return len(self.members) > before
