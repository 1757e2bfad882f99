"""The pods that hold nodes, and what they use and count for there: kube-scheduler's cache.

See kubernetes 1.36 `pkg/scheduler/backend/cache/cache.go`.
"""

from __future__ import annotations

from env.engine.budget import ReplayBudget
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import Pod
from env.engine.scheduling.nodes import NodeSet, NodeTable
from env.engine.scheduling.pod_affinity import PodCounts
from env.engine.scheduling.spreading import Topology
from env.engine.workload import PodOwner
from env.jit import Ints


class BoundPods:
    """Who holds a node, and every number that follows from it.

    Attributes:
        table: What is used of the nodes.
        pods: Those that hold a node, in order of binding.
        counts: How many there are of each kind, by node.
        with_terms: How many of them have affinity terms of their own.
    """

    def __init__(self, nodes: NodeSet, topology: Topology, budget: ReplayBudget) -> None:
        self.table = NodeTable(nodes)
        self.pods: dict[Pod, None] = {}
        self.counts = PodCounts(topology, len(nodes), budget)
        self.with_terms = 0

    def placed(self, pods: list[Pod], rows: Ints) -> None:
        """Take in equal pods for which the compiled cycle has updated the table, and the counts of their owner."""
        template = pods[0].template
        for pod, row in zip(pods, rows.tolist(), strict=True):
            pod.row = row
            self.pods[pod] = None
        if template.affinity or template.anti_affinity:
            self.with_terms += len(pods)
        self.counts.count(template, rows, 1)

    def add(self, pod: Pod) -> None:
        """Take in a pod whose row is set."""
        self._account(pod, 1)
        self.pods[pod] = None

    def give(self, pod: Pod, owner: PodOwner) -> None:
        """Let a pod belong to another owner."""
        before, pod.owner = pod.owner, owner
        for each, sign in ((before, -1), (owner, 1)):
            if pod in self.pods and not pod.leaving and len(each.node_counts):
                each.node_counts[pod.row] += sign

    def relabel(self, pod: Pod, before: PodTemplate) -> None:
        """A pod has other labels than its template of before."""
        self.counts.count(before, pod.row, -1)
        self.counts.count(pod.template, pod.row, 1)

    def leave(self, pod: Pod) -> None:
        """A pod is being deleted: it holds what it has, but spreading does not count it any more."""
        own = pod.owner.node_counts
        if len(own):
            own[pod.row] -= 1

    def remove(self, pod: Pod) -> None:
        """Free what a pod holds."""
        del self.pods[pod]
        self._account(pod, -1)

    def _account(self, pod: Pod, sign: int) -> None:
        self.table.account(pod.template, pod.row, sign)
        self.counts.count(pod.template, pod.row, sign)
        if pod.template.affinity or pod.template.anti_affinity:
            self.with_terms += sign
        own = pod.owner.node_counts
        if len(own) and not pod.leaving:
            own[pod.row] += sign
