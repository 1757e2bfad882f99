"""kube-scheduler: the queue, and each pod's cycle through filters, scores, binding and preemption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from env.engine.budget import ReplayBudget
from env.engine.events import Recorder
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.terms import Placement
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.diagnosis import NO_VICTIMS, NOT_HELPFUL, Obstacle, futile, message, obstacles, summary
from env.engine.scheduling.kernel import place
from env.engine.scheduling.node import Fleet, Node, NodeTable
from env.engine.scheduling.placement import Barrier, static_table
from env.engine.scheduling.pod_affinity import Block, Crowd, blocks, preferences
from env.engine.scheduling.preemption import Candidate, best_candidate, find_victims
from env.engine.scheduling.spreading import NO_SPREAD, Spread, Topology
from env.errors import ClusterError
from env.jit import Ints

_LONGEST_BACKOFF_S = 10.0
_MOST_CACHED = 1024
MOST_RESOURCES = 1000  # by name, besides CPU and memory
_NONE: Ints = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False, slots=True)
class _Cycle:
    """What one pod's cycle needs besides the books."""

    request: Ints
    scored: Ints
    static: Ints
    blocked: Ints
    hard: Spread


class Surroundings:
    """What is fixed about the nodes, worked out once and shared by all replays on them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.fleet = Fleet(nodes)
        self.topology = Topology(nodes)
        self._statics: dict[Placement, Ints] = {}
        self._cycles: dict[PodTemplate, _Cycle] = {}

    def cycle(self, template: PodTemplate) -> _Cycle:
        """What is fixed about the cycles of a template's pods: nothing is blocked, and nothing spread."""
        found = self._cycles.get(template)
        if found is None:
            if len(self._cycles) >= _MOST_CACHED:
                self._cycles.clear()
            request, scored = self.fleet.requests(template)
            found = self._cycles[template] = _Cycle(request, scored, self._static(template.placement), _NONE, NO_SPREAD)
        return found

    def _static(self, placement: Placement) -> Ints:
        """See `placement.static_table`."""
        found = self._statics.get(placement)
        if found is None:
            if len(self._statics) >= _MOST_CACHED:
                self._statics.clear()
            found = self._statics[placement] = self._computed(placement)
        return found

    def _computed(self, placement: Placement) -> Ints:
        if placement.only_node is None:
            return static_table(placement, self.fleet.nodes)
        everywhere = self._static(replace(placement, only_node=None))
        table = np.zeros_like(everywhere)
        table[0] = Barrier.OTHER_NODE
        row = self.fleet.row[placement.only_node]
        table[:, row] = everywhere[:, row]
        return table


class Scheduler:
    """Binds pods to nodes. Pods come in by `add`; `run` works off the queue; `retry` puts back those that failed.

    Args:
        cluster: The cluster's nodes.
        recorder: Where events go.
        clock: The time in seconds.
        budget: Counts the work.
    """

    def __init__(
        self, cluster: Surroundings, recorder: Recorder, clock: Callable[[], float], budget: ReplayBudget
    ) -> None:
        self.table = NodeTable(cluster.fleet)
        self.bound: dict[Pod, None] = {}  # those that hold a node, in order of binding
        self.waiting: dict[Pod, None] = {}  # unschedulable for now
        self.victims: dict[Pod, None] = {}  # to be deleted for others
        self._active: list[Pod] = []
        self._backing_off: list[Pod] = []
        self._nominated: dict[Pod, None] = {}
        self._cluster = cluster
        self._topology = cluster.topology
        self._crowd = Crowd(len(cluster.fleet))
        self._budget = budget
        self._met: set[PodTemplate] = set()
        self._resources: set[str] = set()
        self._recorder = recorder
        self._clock = clock
        self._terms = 0  # pods that hold a node and have affinity terms of their own
        self._start = 0
        self._queued = 0
        self._lowest = 2**31  # the lowest priority that any pod had so far
        self._freed = False
        self._moved = False

    def add(self, pod: Pod) -> None:
        """Queue a new pod."""
        self._lowest = min(self._lowest, pod.template.priority)
        if pod.template.unscheduled:
            self.waiting[pod] = None
            return
        self._queued += 1
        pod.queued = self._queued
        self._active.append(pod)

    def forget(self, pod: Pod) -> None:
        """A pod is gone or has ended: free what it held, and take it out of the queue."""
        self.waiting.pop(pod, None)
        self._nominated.pop(pod, None)
        if pod in self.bound:
            del self.bound[pod]
            self._account(pod, -1)
            self._freed = True

    def attach(self, pod: Pod, row: int) -> None:
        """Bind a pod that names its node itself."""
        self._lowest = min(self._lowest, pod.template.priority)
        self._budget.spend(self._looks(pod.template))
        self._cluster.fleet.requests(pod.template)  # makes columns for what it asks for
        self.table.widen()
        pod.row = row
        self._account(pod, 1)
        self.bound[pod] = None

    @property
    def has_work(self) -> bool:
        return bool(self._active or self._backing_off)

    def retry(self) -> bool:
        """Queue the pods again that failed before something changed that may help them; whether there are any.

        Those whose back-off is over come first, in order of their last attempt; then the others by when it would be
        over: the scheduler does not let them wait while it has nothing else to do (SchedulerPopFromBackoffQ).
        """
        freed, moved, self._freed, self._moved = self._freed, self._moved, False, False
        if not ((freed or moved) and self.waiting):
            return False
        again = [pod for pod in self.waiting if not pod.template.unscheduled and (freed or _minds_others(pod))]
        for pod in again:
            del self.waiting[pod]
        now_s = self._clock()
        self._active += [pod for pod in again if _backed_off_s(pod) <= now_s]
        self._backing_off += [pod for pod in again if _backed_off_s(pod) > now_s]
        return bool(again)

    def run(self) -> list[Pod]:
        """Work off the queue: higher priority first, then in order of queueing. Returns the pods bound."""
        bound: list[Pod] = []
        queue, self._active = [pod for pod in self._active if not pod.deleted], []
        late, self._backing_off = [pod for pod in self._backing_off if not pod.deleted], []
        if len(queue) > 1:
            queue.sort(key=lambda pod: (-pod.template.priority, pod.queued))
        if len(late) > 1:
            late.sort(key=lambda pod: (_backed_off_s(pod) // 1, -pod.template.priority, pod.queued))
        for run in self._runs(queue + late):
            bound += self._place(run)
        return bound

    def obstacles_of(self, pod: Pod) -> list[Obstacle]:
        """What keeps the pod from each node now."""
        cycle, _ = self._cycle(pod)
        return obstacles(self.table, cycle.request, cycle.static, cycle.blocked, cycle.hard)

    # --- one run of equal pods ---------------------------------------------------------------------------------------

    def _runs(self, queue: list[Pod]) -> Iterator[list[Pod]]:
        """Pods that can be placed in one call: equal, and nothing but their own number matters to them."""
        start = 0
        for end, pod in enumerate(queue, 1):
            following = queue[end] if end < len(queue) else None
            equal = following is not None and following.template is pod.template and following.owner is pod.owner
            if not (equal and self._is_simple(pod.template)):
                yield queue[start:end]
                start = end

    def _is_simple(self, template: PodTemplate) -> bool:
        """Whether no other pod matters to one of the template, but those that take room."""
        alone = template.is_alone and not self._terms and not self._nominated
        return alone and template.priority == self._lowest

    def _place(self, pods: list[Pod]) -> list[Pod]:
        first = pods[0]
        if first.deleted:
            return []
        cycle, soft = self._cycle(first)
        cycle = self._without_rivals(first, cycle)
        if first.nominated != UNBOUND:
            cycle = self._towards_nomination(first, cycle)
        template = first.template
        counts = self._counts(first)
        rows, self._start = place(
            len(pods),
            self._start,
            cycle.request,
            cycle.scored,
            self.table.fleet.allocatable,
            self.table.used,
            self.table.scored,
            self.table.pods,
            cycle.static,
            cycle.blocked,
            self._preferences(template),
            counts,
            cycle.hard.domains,
            cycle.hard.counts,
            cycle.hard.eligible,
            cycle.hard.limits,
            soft.domains,
            soft.counts,
            soft.eligible,
            soft.limits,
            bool(template.spread),
        )
        placed = pods[: len(rows)]
        for pod, row in zip(placed, rows.tolist(), strict=True):
            pod.row = row
            self._bind(pod)
        if placed:
            self._moved = True
            self._crowd.count(template, rows, 1)
        if len(placed) < len(pods):
            self._fail(pods[len(placed) :])
        return placed

    def _bind(self, pod: Pod) -> None:
        pod.nominated = UNBOUND
        self._nominated.pop(pod, None)
        self.bound[pod] = None
        if pod.template.affinity or pod.template.anti_affinity:
            self._terms += 1
        self._recorder.scheduled(pod, self.table.nodes[pod.row].name)

    def _account(self, pod: Pod, sign: int) -> None:
        self.table.account(pod.template, pod.row, sign)
        self._crowd.count(pod.template, pod.row, sign)
        if pod.template.affinity or pod.template.anti_affinity:
            self._terms += sign
        counts = self._counts(pod)
        if len(counts):
            counts[pod.row] += sign

    def _cycle(self, pod: Pod) -> tuple[_Cycle, Spread]:
        template = pod.template
        self._budget.spend(self._looks(template))
        cycle = self._cluster.cycle(template)
        if len(cycle.request) > self.table.used.shape[1]:
            self.table.widen()
        hard, soft = self._spread(pod)
        if self._terms or not template.is_alone or template.spread:
            cycle = replace(cycle, blocked=self._blocked(template), hard=hard)
        return cycle, soft

    def _looks(self, template: PodTemplate) -> int:
        """The work of a cycle: its arrays, other pods' terms and ports, and at first what its selectors cost.

        Raises:
            ClusterError: More kinds of resources than columns that the books may have.
        """
        nodes = len(self.table)
        looks = 500 + nodes // 10 + len(self.bound) * 4 * len(template.spread)
        if self._terms or not template.is_alone:
            own_terms = len(template.affinity) + len(template.anti_affinity)
            terms = sum(1 + own_terms + len(each.affinity) + len(each.anti_affinity) for each, _ in self._crowd)
            ports = sum(len(template.host_ports) * len(each.host_ports) for each, _ in self._crowd)
            looks += terms * (60 + nodes // 4) + ports
        if template not in self._met:
            self._met.add(template)
            looks += nodes // 10 if template.placement.only_node else nodes * template.placement.size // 16
            self._resources.update(name for name, _ in template.extended)
            if len(self._resources) > MOST_RESOURCES:
                raise ClusterError(f"pods ask for more than {MOST_RESOURCES} kinds of resources")
        return looks

    def _spread(self, pod: Pod) -> tuple[Spread, Spread]:
        template = pod.template
        if template.spread:
            hard = self._topology.spread(template, pod.owner, self.bound, hard=True)
            return hard, self._topology.spread(template, pod.owner, self.bound, hard=False)
        counts = self._counts(pod)
        if not len(counts):
            return NO_SPREAD, NO_SPREAD
        return NO_SPREAD, self._topology.default_spread(template, counts)

    def _counts(self, pod: Pod) -> Ints:
        """Pods of the same owner per node, where the scheduler spreads by them."""
        return pod.owner.node_counts

    def _blocked(self, template: PodTemplate) -> Ints:
        if self._terms or not template.is_alone:
            return blocks(template, self._crowd, self._topology, len(self.table))
        return _NONE

    def _without_rivals(self, pod: Pod, cycle: _Cycle) -> _Cycle:
        """Nodes that pods of at least its priority will fill are no choice."""
        if not self._nominated:
            return cycle
        blocked = cycle.blocked.copy() if len(cycle.blocked) else np.zeros(len(self.table), dtype=np.int64)
        with self._rivals(pod) as rows:
            found = obstacles(self.table, cycle.request, cycle.static, cycle.blocked, cycle.hard, rows)
        for row, obstacle in zip(rows, found, strict=True):
            if obstacle.reasons:
                blocked[row] = Block.NOMINATED
        return replace(cycle, blocked=blocked)

    def _preferences(self, template: PodTemplate) -> Ints:
        if template.affinity or template.anti_affinity or self._terms:
            return preferences(template, self._crowd, self._topology, len(self.table))
        return _NONE

    # --- a pod that fits nowhere -------------------------------------------------------------------------------------

    def _towards_nomination(self, pod: Pod, cycle: _Cycle) -> _Cycle:
        """The node that was cleared for the pod is tried first, and alone if it fits."""
        found = obstacles(self.table, cycle.request, cycle.static, cycle.blocked, cycle.hard, [pod.nominated])
        if found[0].reasons:
            return cycle
        only = np.full(len(self.table), Block.NOMINATED, dtype=np.int64)
        only[pod.nominated] = Block.NONE
        return replace(cycle, blocked=only)

    @contextmanager
    def _rivals(self, pod: Pod) -> Iterator[list[int]]:
        """The books as if pods of at least its priority were on the nodes cleared for them; yields those rows."""
        rivals = [
            each for each in self._nominated if each is not pod and each.template.priority >= pod.template.priority
        ]
        for each in rivals:
            self.table.account(each.template, each.nominated, 1)
        try:
            yield [each.nominated for each in rivals]
        finally:
            for each in rivals:
                self.table.account(each.template, each.nominated, -1)

    def _fail(self, pods: list[Pod]) -> None:
        for pod in pods:
            pod.attempts += 1
            pod.failed_s = self._clock()
            self._queued += 1
            pod.queued = self._queued
            self.waiting[pod] = None
        if pods[0].template.priority == self._lowest:
            # Nobody can be preempted, so all of them are told the same.
            self._explain(pods)
        else:
            for pod in pods:
                self._explain([pod])

    def _explain(self, pods: list[Pod]) -> None:
        pod = pods[0]
        may_preempt = pod.template.priority > self._lowest and pod.template.may_preempt
        if not (may_preempt or self._recorder.wanted):
            return
        self._budget.spend(20 * len(self.table))
        with self._rivals(pod):
            every = self.obstacles_of(pod)
            text = message(every, self._post_filter(pod, every))
        for each in pods:
            self._recorder.failed_scheduling(each, text)

    def _post_filter(self, pod: Pod, every: list[Obstacle]) -> str | None:
        """Preempt if that helps; otherwise what is said about it."""
        if not pod.template.may_preempt:
            return futile("not eligible due to preemptionPolicy=Never.")
        candidates: list[Candidate] = []
        reasons: Counter[str] = Counter()
        lower = self._lower(pod.template.priority)
        enough = max(len(every) // 10, 100)  # `GetOffsetAndNumCandidates`; from a node drawn by lot there
        before = dict(self.bound)
        for row, obstacle in enumerate(every):
            if len(candidates) >= enough:
                break
            found = (NOT_HELPFUL,) if obstacle.hopeless else self._candidate(pod, row, lower.get(row, []))
            if isinstance(found, Candidate):
                candidates.append(found)
            else:
                reasons.update(found)
        self.bound = before  # the same pods, in order of binding again
        if not candidates:
            pod.nominated = UNBOUND
            self._nominated.pop(pod, None)
            return futile(summary(len(every), reasons))
        self._nominate(pod, best_candidate(candidates))
        return None

    def _lower(self, priority: int) -> dict[int, list[Pod]]:
        """The bound pods of lower priority, by row."""
        found: dict[int, list[Pod]] = {}
        if priority > self._lowest:
            self._budget.spend(2 * len(self.bound))
            for pod in self.bound:
                if pod.template.priority < priority:
                    found.setdefault(pod.row, []).append(pod)
        return found

    def _candidate(self, pod: Pod, row: int, lower: list[Pod]) -> Candidate | tuple[str, ...]:
        """Whom of the pods of lower priority to remove from a node for the pod; or why that is no use."""
        if not lower:
            return (NO_VICTIMS,)
        reasons: tuple[str, ...] = ()

        def fits() -> bool:
            nonlocal reasons
            cycle, _ = self._cycle(pod)
            found = obstacles(self.table, cycle.request, cycle.static, cycle.blocked, cycle.hard, [row])[0].reasons
            reasons = reasons or found
            return not found

        victims = find_victims(lower, self._take_out, self._put_back, fits)
        return reasons if victims is None else Candidate(row, victims)

    def _nominate(self, pod: Pod, chosen: Candidate) -> None:
        pod.nominated = chosen.row
        self._nominated[pod] = None
        for victim in chosen.victims:
            self._recorder.preempted(victim, pod, self.table.nodes[chosen.row].name)
            self.victims[victim] = None

    def _take_out(self, pod: Pod) -> None:
        del self.bound[pod]
        self._account(pod, -1)

    def _put_back(self, pod: Pod) -> None:
        self.bound[pod] = None
        self._account(pod, 1)


def _minds_others(pod: Pod) -> bool:
    """Whether pods that were bound may have made room: only where affinity or spreading refuses."""
    template = pod.template
    return bool(template.affinity or any(each.hard for each in template.spread))


def _backed_off_s(pod: Pod) -> float:
    """When the pod's back-off is over: 1 s after its first attempt, doubling to 10 s."""
    return pod.failed_s + min(2.0 ** (pod.attempts - 1), _LONGEST_BACKOFF_S) if pod.attempts else 0.0
