"""A cluster that runs in the engine while its nodes come and go: what is free, what waits, what a node holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from env.engine.control_plane import ControlPlane
from env.engine.node_changes import change_nodes
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.placement import static_table
from env.jit import Ints
from env.plan.budgets import budgets_of
from env.plan.demand import CPU, MEMORY, PODS, Demand, Floats, Key, Table, most_fitting
from env.plan.moves import Mover, root_of
from env.plan.offers import Offer
from env.problems.nodes import NodePool, NodePools
from env.problems.virtual_nodes import virtual_nodes
from env.trace.document import Trace

Rows = Mapping[int, int]
"""Pods by the row of their group in a table."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What autoscalers find.

    Attributes:
        trace: The workloads, as they came.
        nodes: Those that there are; None: none yet.
        offers: Kinds of nodes that may join.
        demand, table: What has to be placed, in numbers.
        worth: What a unit of each resource is worth; shape (resources,).
        allowed: Pods that workloads may lack.
        usd_per_hour: What nodes cost by kind, as far as it is known.
    """

    trace: Trace
    nodes: NodePools | None
    offers: tuple[Offer, ...]
    demand: Demand
    table: Table
    worth: Floats
    allowed: Mapping[Key, int]
    usd_per_hour: Mapping[str, float]


class RunningCluster:
    """A control plane and its nodes.

    Args:
        plane: At the end of a replay on `nodes`; it is changed.
        nodes: Pools of one, with names.
        found: What is placed, and on which kinds of nodes.

    Attributes:
        nodes: As they are now.
        budgets: PodDisruptionBudgets.
        evictions: Pods that were evicted so far.
    """

    def __init__(self, plane: ControlPlane, nodes: Sequence[NodePool], found: Situation) -> None:
        self.plane = plane
        self.nodes = list(nodes)
        self.trace = found.trace
        self.table = found.table
        self.budgets = budgets_of(found.trace)
        self.evictions = 0
        self._groups = found.demand.groups
        self._row = {group.key: row for row, group in enumerate(self._groups)}
        self._allowed = found.allowed
        self._offers = found.offers
        self._joined = 0

    def join(self, counts: Sequence[int]) -> None:
        """Let so many nodes of each offer join."""
        for offer, many in zip(self._offers, counts, strict=True):
            for _ in range(many):
                self._joined += 1
                self.nodes.append(replace(offer.node, count=1, names=(f"joined-{self._joined}",)))
        self._change()

    def leave(self, names: Sequence[str]) -> bool:
        """Drain nodes and let them go; whether budgets and owners let all pods go."""
        before = self.nodes
        self.nodes = [replace(each, unschedulable=True) if each.names[0] in names else each for each in before]
        self._change()
        mover = Mover(self.plane, self.trace)
        mover.node_by_node(names, self.nodes)
        self.evictions += mover.evictions
        self.nodes = [each for each in before if each.names[0] not in mover.drained]
        self._change()
        return not mover.blocked

    def waiting(self) -> Rows:
        """Pods without a node, beyond those that no node would take: autoscalers try them in a simulation first."""
        pods = Counter(root_of(pod) for pod in self.plane.pods() if pod.row == UNBOUND and pod.phase is Phase.PENDING)
        more = {key: many - self._allowed.get(key, 0) for key, many in pods.items() if key in self._row}
        return {self._row[key]: many for key, many in more.items() if many > 0}

    def pods_on(self) -> dict[str, list[Pod]]:
        """The pods of each node that have to be placed elsewhere when it goes."""
        names = [node.name for node in self.plane.api.scheduler.bound.table.nodes]
        found: dict[str, list[Pod]] = {name: [] for name in names}
        for pod in self.plane.api.scheduler.bound.pods:
            if pod.owner.kind != "DaemonSet":
                found[names[pod.row]].append(pod)
        return found

    def rows_of(self, pods: Iterable[Pod]) -> Rows | None:
        """Pods by their group; None where one is of none, such as one that names its node."""
        rows = [self._row.get(root_of(pod)) for pod in pods]
        return None if None in rows else Counter(row for row in rows if row is not None)

    def free(self) -> tuple[list[str], Ints]:
        """Names of the nodes, and what each has left: int64 of shape (nodes, resources), as in the table."""
        books = self.plane.api.scheduler.bound.table
        free = np.zeros((len(books), self.table.rooms.shape[1]), dtype=np.int64)
        left = books.set.allocatable[:, : books.used.shape[1]] - books.used
        free[:, [CPU, MEMORY]] = left[:, :2]
        free[:, PODS] = books.pods[:, 0] - books.pods[:, 1]
        extended = sorted({name for group in self._groups for name, _ in group.template.extended})
        for place, name in enumerate(extended, PODS + 1):
            free[:, place] = left[:, books.set.extended[name]] if name in books.set.extended else 0
        return [node.name for node in books.nodes], free

    def utilization(self) -> dict[str, float]:
        """The larger share of CPU and of memory that the pods of each node request."""
        books = self.plane.api.scheduler.bound.table
        shares = books.used[:, :2] / np.maximum(books.set.allocatable[:, :2], 1)
        return {node.name: float(share) for node, share in zip(books.nodes, shares.max(axis=1), strict=True)}

    def unplaced(self, rows: Rows, names: Sequence[str], free: Ints) -> dict[int, int]:
        """Pods that first-fit-decreasing leaves over on what these nodes have left, which is changed."""
        nodes = {node.name: node for node in self.plane.api.scheduler.bound.table.nodes}
        there = [nodes[name] for name in names]
        left: dict[int, int] = {}
        admitted: dict[object, Ints] = {}
        for row in sorted(rows, key=lambda row: (*(-self.table.requests[row]), row)):
            placement = self._groups[row].template.placement
            if placement not in admitted:
                admitted[placement] = np.array(static_table(placement, there)[0] == 0, dtype=np.int64)
            most = most_fitting(free, self.table.requests[row]) * admitted[placement]
            if self._groups[row].alone:
                most = np.minimum(most, 1)
            before = np.concatenate([[0], np.cumsum(most)[:-1]]) if len(most) else most
            taken = np.clip(rows[row] - before, 0, most)
            free -= taken[:, None] * self.table.requests[row]
            if int(taken.sum()) < rows[row]:
                left[row] = rows[row] - int(taken.sum())
        return left

    def _change(self) -> None:
        change_nodes(self.plane, ClusterShape(virtual_nodes(NodePools(tuple(self.nodes)))))
