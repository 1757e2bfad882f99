"""What the cycle of a pod looks at now: the pods on the nodes, and those for which nodes were cleared.

Pods for which nodes were cleared are `nominated`: kubernetes 1.36 `pkg/scheduler/framework/runtime/framework.go`
(`RunFilterPluginsWithNominatedPods`) and `pkg/scheduler/schedule_one.go` (`evaluateNominatedNode`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from env.engine.budget import ReplayBudget
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.bound_pods import BoundPods
from env.engine.scheduling.cluster_shape import MOST_RESOURCES, ClusterShape
from env.engine.scheduling.diagnosis import Obstacle, obstacles
from env.engine.scheduling.kernel import Cycle, SpreadArrays
from env.engine.scheduling.pod_affinity import NOTHING, Block
from env.engine.scheduling.spreading import NO_SPREAD
from env.errors import ClusterError
from env.jit import Ints


class Cycles:
    """Makes the cycle of any pod.

    Args:
        cluster: The cluster's nodes.
        bound: The pods that hold them.
        budget: Counts the work.

    Attributes:
        nominated: Pods for which a node was cleared.
    """

    def __init__(self, cluster: ClusterShape, bound: BoundPods, budget: ReplayBudget) -> None:
        self.nominated: dict[Pod, None] = {}
        self._cluster = cluster
        self._bound = bound
        self._budget = budget
        self._met: set[PodTemplate] = set()
        self._resources: set[str] = set()

    def filters(self, pod: Pod) -> Cycle:
        """The pod's cycle as far as filters look at it."""
        template = pod.template
        self._budget.spend(self.looks(template))
        cycle = self._cluster.cycle(template)
        if len(cycle.request) > self._bound.table.used.shape[1]:
            self._bound.table.widen()
        if self._bound.with_terms or not template.is_alone or template.spread:
            cycle = cycle._replace(blocked=self._blocked(template), hard=self._spread(pod, hard=True))
        return cycle

    def whole(self, pod: Pod) -> Cycle:
        """The pod's cycle with nominated pods in its way, and with all that scores look at."""
        cycle = self._without_rivals(pod, self.filters(pod))
        if pod.nominated != UNBOUND:
            cycle = self._towards_nomination(pod, cycle)
        soft, affinity = self._spread(pod, hard=False), self._preferences(pod.template)
        return cycle._replace(soft=soft, affinity=affinity, own_counts=pod.owner.node_counts)

    def obstacles(self, pod: Pod, rows: list[int] | None = None) -> list[Obstacle]:
        """What keeps the pod from each node now, or from those of `rows`."""
        return obstacles(self._bound.table, self.filters(pod), rows)

    @contextmanager
    def with_rivals(self, pod: Pod) -> Iterator[list[int]]:
        """Nodes as if nominated pods of at least its priority were on them already; yields those rows."""
        table, least = self._bound.table, pod.template.priority
        rivals = [each for each in self.nominated if each is not pod and each.template.priority >= least]
        for each in rivals:
            table.account(each.template, each.nominated, 1)
        try:
            yield [each.nominated for each in rivals]
        finally:
            for each in rivals:
                table.account(each.template, each.nominated, -1)

    def looks(self, template: PodTemplate) -> int:
        """The work of a cycle: its arrays, other pods' terms and ports, and at first what its selectors cost.

        Raises:
            ClusterError: More kinds of resources than columns that the table may have.
        """
        bound = self._bound
        nodes = len(bound.table)
        looks = 500 + nodes // 10 + len(bound.pods) * 4 * len(template.spread)
        if bound.with_terms or not template.is_alone:
            looks += bound.counts.looks(template)
        if template not in self._met:
            self._met.add(template)
            looks += nodes // 10 if template.placement.only_node else nodes * template.placement.size // 16
            self._resources.update(name for name, _ in template.extended)
            if len(self._resources) > MOST_RESOURCES:
                raise ClusterError(f"pods ask for more than {MOST_RESOURCES} kinds of resources")
        return looks

    def _spread(self, pod: Pod, *, hard: bool) -> SpreadArrays:
        template, topology = pod.template, self._cluster.topology
        if template.spread:
            return topology.spread(template, pod.owner, self._bound.pods, hard=hard)
        if hard or not len(pod.owner.node_counts):
            return NO_SPREAD
        return topology.default_spread(template, pod.owner.node_counts)

    def _blocked(self, template: PodTemplate) -> Ints:
        if self._bound.with_terms or not template.is_alone:
            return self._bound.counts.blocks(template)
        return NOTHING

    def _preferences(self, template: PodTemplate) -> Ints:
        if template.affinity or template.anti_affinity or self._bound.with_terms:
            return self._bound.counts.preferences(template)
        return NOTHING

    def _without_rivals(self, pod: Pod, cycle: Cycle) -> Cycle:
        """Nodes that pods of at least its priority will fill are no choice."""
        if not self.nominated:
            return cycle
        table = self._bound.table
        blocked = cycle.blocked.copy() if len(cycle.blocked) else np.zeros(len(table), dtype=np.int64)
        with self.with_rivals(pod) as rows:
            found = obstacles(table, cycle, rows)
        for row, obstacle in zip(rows, found, strict=True):
            if obstacle.reasons:
                blocked[row] = Block.NOMINATED
        return cycle._replace(blocked=blocked)

    def _towards_nomination(self, pod: Pod, cycle: Cycle) -> Cycle:
        """The node that was cleared for the pod is tried first, and alone if it fits."""
        table = self._bound.table
        if obstacles(table, cycle, [pod.nominated])[0].reasons:
            return cycle
        only = np.full(len(table), Block.NOMINATED, dtype=np.int64)
        only[pod.nominated] = Block.NONE
        return cycle._replace(blocked=only)
