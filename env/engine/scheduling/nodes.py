"""Nodes: what they are, and what their pods use of them, as arrays that the compiled cycle works on.

The numbers are those of kubernetes 1.36 `pkg/scheduler/framework/types.go` (`NodeInfo`), the order that of
`pkg/scheduler/backend/cache/node_tree.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from env.engine.manifests.fields import Manifest, as_count, as_flag, as_map, as_maps, as_text
from env.engine.manifests.labels import HOSTNAME, with_beta_copies
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import Taint
from env.engine.scheduling.kernel import NodeArrays
from env.jit import Ints
from env.quantity import parse_cpu, parse_memory

CPU, MEMORY = 0, 1
_ZONE_KEYS = (  # `GetZoneKey` in k8s.io/component-helpers: the old labels go before the new ones
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
)
DEFAULT_PODS = 110


@dataclass(frozen=True)
class Node:
    """A node's allocatable resources, and what keeps pods away from it.

    Attributes:
        name: Unique in the cluster; also its hostname label where it has none.
        cpu_m: Allocatable CPU, millicores.
        memory_bytes: Allocatable memory.
        pods: Pods that it takes.
        labels: For selectors, affinity and spreading.
        taints: Pods must tolerate them.
        unschedulable: Cordoned.
        extended: Further allocatable resources by name.
    """

    name: str
    cpu_m: int
    memory_bytes: int
    pods: int = DEFAULT_PODS
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    extended: Mapping[str, int] = field(default_factory=dict)


def read_node(node: Manifest) -> Node:
    """A node of a truth file: name, cpu, memory, and if need be pods, labels, taints, unschedulable, other resources.

    Its labels are those it says, since kubelets of recordings need not be real ones, and what a control plane adds.

    Raises:
        ValueError, QuantityError: A field that is missing or wrong.
    """
    name = as_text(node, "name")
    known = {"name", "cpu", "memory", "pods", "labels", "taints", "unschedulable"}
    labels = {key: str(value) for key, value in as_map(node, "labels").items()}
    return Node(
        name=name,
        cpu_m=parse_cpu(node.get("cpu", 0)),
        memory_bytes=parse_memory(node.get("memory", 0)),
        pods=as_count(node, "pods", DEFAULT_PODS),
        labels=with_beta_copies({HOSTNAME: name, **labels}),
        taints=tuple(
            Taint(as_text(t, "key"), as_text(t, "value"), as_text(t, "effect", "NoSchedule"))
            for t in as_maps(node, "taints")
        ),
        unschedulable=as_flag(node, "unschedulable"),
        extended={key: parse_memory(value) for key, value in node.items() if key not in known},
    )


def by_zone(nodes: Sequence[Node]) -> list[Node]:
    """In the order in which the scheduler looks at them: one of each zone in turn (`nodeTree.list`)."""
    zones: dict[tuple[str, ...], list[Node]] = {}
    for node in nodes:
        zones.setdefault(tuple(_first_of(node.labels, keys) for keys in _ZONE_KEYS), []).append(node)
    rounds = zip_longest(*zones.values())
    return [node for nodes_of_round in rounds for node in nodes_of_round if node is not None]


def _first_of(labels: Mapping[str, str], keys: Sequence[str]) -> str:
    return next((labels[key] for key in keys if key in labels), "")


class NodeSet:
    """What is fixed about a set of nodes, worked out once and shared by all replays on them.

    Attributes:
        nodes: In the order of the rows.
        row: The row of each node by name.
        extended: Column of each extended resource; grows when a pod asks for one that no node has.
        allocatable: int64 of shape (nodes, resources): millicores, bytes, then extended resources.
        pods: Pods that each node takes.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.row = {node.name: row for row, node in enumerate(nodes)}
        self.extended = {
            name: 2 + i for i, name in enumerate(sorted({name for node in nodes for name in node.extended}))
        }
        columns = [[n.cpu_m, n.memory_bytes, *(n.extended.get(name, 0) for name in self.extended)] for n in nodes]
        self.allocatable: Ints = np.array(columns, dtype=np.int64).reshape(len(nodes), 2 + len(self.extended))
        self.pods: Ints = np.array([node.pods for node in nodes], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.nodes)

    def requests(self, templates: Sequence[PodTemplate]) -> tuple[Ints, Ints]:
        """What pods take, int64 of shape (templates, resources), and what they count for in scores: (templates, 2)."""
        for template in templates:
            if template.extended:
                self._add_columns(template)
        columns = self.allocatable.shape[1]
        request: Ints = np.zeros((len(templates), columns), dtype=np.int64)
        room = [(each.cpu_m, each.memory_bytes) for each in templates]
        request[:, :2] = np.array(room, dtype=np.int64).reshape(-1, 2)  # there may be none
        for row, template in enumerate(templates):
            for name, amount in template.extended:
                request[row, self.extended[name]] = amount
        scored = [(each.score_cpu_m, each.score_memory_bytes) for each in templates]
        return request, np.array(scored, dtype=np.int64).reshape(-1, 2)

    def _add_columns(self, template: PodTemplate) -> None:
        new = [name for name, _ in template.extended if name not in self.extended]
        if new:
            self.extended |= {name: self.allocatable.shape[1] + i for i, name in enumerate(new)}
            self.allocatable = np.pad(self.allocatable, ((0, 0), (0, len(new))))


class NodeTable:
    """The books: what is used of the nodes.

    Attributes:
        used: What the bound pods take, int64 of shape (nodes, resources).
        scored: What they count for in scores: int64 of shape (nodes, 2).
        pods: int64 of shape (nodes, 2): pods that a node takes, and pods that it has.
    """

    def __init__(self, nodes: NodeSet) -> None:
        self.set = nodes
        self.used: Ints = np.zeros_like(nodes.allocatable)
        self.scored: Ints = np.zeros((len(nodes), 2), dtype=np.int64)
        self.pods: Ints = np.zeros((len(nodes), 2), dtype=np.int64)
        self.pods[:, 0] = nodes.pods

    def __len__(self) -> int:
        return len(self.set)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """In the order of the rows."""
        return self.set.nodes

    def widen(self) -> None:
        """Take in columns that the nodes have got since."""
        missing = self.set.allocatable.shape[1] - self.used.shape[1]
        if missing:
            self.used = np.pad(self.used, ((0, 0), (0, missing)))

    def arrays(self) -> NodeArrays:
        """The table as the compiled cycle takes it."""
        return NodeArrays(self.set.allocatable, self.used, self.scored, self.pods)

    def lacks(self, template: PodTemplate, row: int) -> bool:
        """Whether a node lacks the CPU, the memory or the place for a pod; as `kernel._lacks`."""
        if self.pods[row, 1] >= self.pods[row, 0]:
            return True
        free = self.set.allocatable[row, :2] - self.used[row, :2]
        return bool(0 < template.cpu_m > free[CPU] or 0 < template.memory_bytes > free[MEMORY])

    def account(self, template: PodTemplate, row: int, sign: int) -> None:
        """A pod takes (1) or gives back (-1) what it needs of a node."""
        self.used[row, CPU] += sign * template.cpu_m
        self.used[row, MEMORY] += sign * template.memory_bytes
        for name, amount in template.extended:
            self.used[row, self.set.extended[name]] += sign * amount
        self.scored[row, CPU] += sign * template.score_cpu_m
        self.scored[row, MEMORY] += sign * template.score_memory_bytes
        self.pods[row, 1] += sign
