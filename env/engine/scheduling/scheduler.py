"""kube-scheduler: each pod's cycle through filters, scores, binding and preemption.

Follows kubernetes 1.36 `pkg/scheduler/schedule_one.go`.
"""

from __future__ import annotations

from collections.abc import Callable

from env.engine.budget import ReplayBudget
from env.engine.events import EventRecorder
from env.engine.lots import Lots
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.bound_pods import BoundPods
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.cycles import Cycles
from env.engine.scheduling.diagnosis import Obstacle, message
from env.engine.scheduling.kernel import place, place_runs
from env.engine.scheduling.preemption import Preemption
from env.engine.scheduling.queue import SchedulingQueue
from env.engine.scheduling.runs import MOST_RUNS, equal_runs, run_arrays
from env.engine.workload import PodOwner


class Scheduler:
    """Binds pods to nodes. Pods come in by `queue.add`; `run` works off the queue; `queue.retry` puts back the failed.

    Args:
        cluster: The cluster's nodes.
        recorder: Where events go.
        clock: The time in seconds.
        budget: Counts the work.
        lots: Choose between nodes of the same score; None: the first of them is taken.

    Attributes:
        bound: The pods that hold nodes.
        queue: Those that wait for one.
        preemption: Makes room; holds the pods to delete for it.
    """

    def __init__(
        self,
        cluster: ClusterShape,
        recorder: EventRecorder,
        clock: Callable[[], float],
        budget: ReplayBudget,
        lots: Lots | None = None,
    ) -> None:
        self.bound = BoundPods(cluster.nodes, cluster.topology, budget)
        self.queue = SchedulingQueue(clock)
        self._cluster = cluster
        self._budget = budget
        self._recorder = recorder
        self._cycles = Cycles(cluster, self.bound, budget)
        self._lots = lots or Lots()
        self.preemption = Preemption(self.bound, self._cycles, self.queue, recorder, budget, self._lots)
        self._start = 0

    def change_nodes(self, cluster: ClusterShape) -> None:
        """Go on with other nodes; every node that holds a pod is among them. Pods that wait are tried again."""
        before, pods = self.bound.table.nodes, list(self.bound.pods)
        self._cluster = cluster
        cluster.nodes.requests([pod.template for pod in pods])  # makes columns for what they ask for
        self.bound = BoundPods(cluster.nodes, cluster.topology, self._budget)
        for pod in pods:
            pod.row = cluster.nodes.row[before[pod.row].name]
            self.bound.add(pod)
        for pod in self._cycles.nominated:
            pod.nominated = UNBOUND
        self._cycles = Cycles(cluster, self.bound, self._budget)
        self.preemption = Preemption(self.bound, self._cycles, self.queue, self._recorder, self._budget, self._lots)
        self.queue.freed = True
        self._start = 0

    def forget(self, pod: Pod) -> None:
        """A pod is gone or has ended: free what it held, and take it out of the queue."""
        self.queue.waiting.pop(pod, None)
        self._cycles.nominated.pop(pod, None)
        if pod in self.bound.pods:
            self.bound.remove(pod)
            self.queue.freed = True

    def change(self, pod: Pod, template: PodTemplate) -> None:
        """A pod's labels have changed, or its scheduling gates are gone."""
        before, pod.template = pod.template, template
        if pod in self.bound.pods:
            self.bound.relabel(pod, before)
            self.queue.bound = True
        elif before.unscheduled and not template.unscheduled:
            self.queue.waiting.pop(pod, None)
            self.queue.add(pod)

    def attach(self, pod: Pod, row: int) -> None:
        """Bind a pod that names its node itself."""
        self.queue.lowest = min(self.queue.lowest, pod.template.priority)
        self._budget.spend(self._cycles.looks(pod.template))
        self._cluster.nodes.requests([pod.template])  # makes columns for what it asks for
        self.bound.table.widen()
        pod.row = row
        self.bound.add(pod)

    def run(self) -> list[Pod]:
        """Work off the queue. Returns the pods bound."""
        bound: list[Pod] = []
        plain: dict[PodOwner, list[Pod]] = {}  # runs that wait to be placed in one call
        for run in equal_runs(self.queue.take()):
            first = run[0]
            is_plain = self._is_plain(first)
            if plain and (not is_plain or first.owner in plain or len(plain) == MOST_RUNS):
                bound += self._place_plain(list(plain.values()))
                plain = {}
            if is_plain:
                plain[first.owner] = run
                continue
            is_simple = self._is_simple(first.template)
            if is_simple and self._has_one_node(first):
                bound += [pod for pod in run if self._is_taken(pod)]
                continue
            for part in [run] if is_simple else [[pod] for pod in run]:
                bound += self._place(part)
        return bound + self._place_plain(list(plain.values())) if plain else bound

    def obstacles_of(self, pod: Pod) -> list[Obstacle]:
        """What keeps the pod from each node now."""
        return self._cycles.obstacles(pod)

    def _is_simple(self, template: PodTemplate) -> bool:
        """Whether no other pod matters to one of the template, but those that take room."""
        alone = template.is_alone and not self.bound.with_terms and not self._cycles.nominated
        return alone and template.priority == self.queue.lowest

    def _is_plain(self, pod: Pod) -> bool:
        """Whether a pod can be placed by `place_runs`, and nothing has to be said about it."""
        template = pod.template
        own_rules = template.spread or template.placement.only_node is not None
        return not (own_rules or self._recorder.wanted or self._lots.drawn) and self._is_simple(template)

    def _has_one_node(self, pod: Pod) -> bool:
        """Whether only one node is in question for a pod to which no other matters, and room alone decides there."""
        template = pod.template
        plain = not (template.spread or template.extended or self._lots.drawn or len(pod.owner.node_counts))
        return plain and template.placement.only_node is not None

    def _is_taken(self, pod: Pod) -> bool:
        """Place a pod on its one node if that takes it: what `_place` does, without a look at all other nodes."""
        template, table = pod.template, self.bound.table
        if pod.deleted:
            return False
        self._budget.spend(self._cycles.looks(template))
        row = self._cluster.nodes.row[template.placement.only_node or ""]
        if self._cluster.barrier(template, row) or table.lacks(template, row):
            self._fail([pod])
            return False
        pod.row = row
        self.bound.add(pod)
        self.queue.bound = True
        self._recorder.scheduled(pod, table.nodes[row].name)
        return True

    def _place_plain(self, runs: list[list[Pod]]) -> list[Pod]:
        bound: list[Pod] = []
        self._budget.spend(sum(self._cycles.looks(run[0].template) for run in runs))
        arrays = run_arrays(runs, self._cluster)
        self.bound.table.widen()
        rows, placed, self._start = place_runs(self._start, arrays, self.bound.table.arrays())
        start = 0
        for run, many, counts in zip(runs, placed.tolist(), arrays.own_counts, strict=True):
            if many:
                done = run if many == len(run) else run[:many]
                if len(run[0].owner.node_counts):
                    run[0].owner.node_counts[:] = counts
                self.bound.placed(done, rows[start : start + many])
                self.queue.bound = True
                bound += done
                start += many
            if many < len(run):
                self._fail(run[many:])
        return bound

    def _place(self, pods: list[Pod]) -> list[Pod]:
        if pods[0].deleted:
            return []
        cycle = self._cycles.whole(pods[0])
        lots = self._lots.numbers(len(pods))
        rows, self._start = place(len(pods), self._start, lots, cycle, self.bound.table.arrays())
        placed = pods[: len(rows)]
        if placed:
            self.bound.placed(placed, rows)
            self.queue.bound = True
        for pod in placed:
            pod.nominated = UNBOUND
            self._cycles.nominated.pop(pod, None)
            self._recorder.scheduled(pod, self.bound.table.nodes[pod.row].name)
        if len(placed) < len(pods):
            self._fail(pods[len(placed) :])
        return placed

    def _fail(self, pods: list[Pod]) -> None:
        for pod in pods:
            self.queue.fail(pod)
        if pods[0].template.priority == self.queue.lowest:
            # There is no pod to preempt, so all of them get the same message.
            self._explain(pods)
        else:
            for pod in pods:
                self._explain([pod])

    def _explain(self, pods: list[Pod]) -> None:
        """Say why equal pods fit nowhere, and preempt others if that helps."""
        pod, nodes = pods[0], len(self.bound.table)
        if not (self.preemption.may_help(pod) or self._recorder.wanted):
            return
        self._budget.spend(20 * nodes)
        with self._cycles.with_rivals(pod):
            every = self.obstacles_of(pod)
            text = message(every, self.preemption.post_filter(pod, every))
        for each in pods:
            self._recorder.failed_scheduling(each, text)
