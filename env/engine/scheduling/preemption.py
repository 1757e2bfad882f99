"""Which pods have to go for one of higher priority.

Follows kubernetes 1.36 `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go` and
`pkg/scheduler/framework/preemption/preemption.go`: on each node all pods of lower priority are taken away, and put back
one by one, the most important first, where the pod still fits; the node with the least loss is chosen.
PodDisruptionBudgets are not modelled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from env.engine.budget import ReplayBudget
from env.engine.events import EventRecorder
from env.engine.lots import Lots
from env.engine.pods import UNBOUND, Pod
from env.engine.scheduling.bound_pods import BoundPods
from env.engine.scheduling.cycles import Cycles
from env.engine.scheduling.diagnosis import NO_VICTIMS, NOT_HELPFUL, Obstacle, futile, summary
from env.engine.scheduling.queue import SchedulingQueue


@dataclass(frozen=True, eq=False)
class Candidate:
    """A node, and the pods that would have to leave it (most important first)."""

    row: int
    victims: tuple[Pod, ...]


class Preemption:
    """Clears nodes for pods that fit nowhere.

    Args:
        bound: The pods that hold nodes.
        cycles: Knows what each pod asks for.
        queue: Knows the lowest priority.
        recorder: Where events go.
        budget: Counts the work.
        lots: Choose between equally good nodes; None: the first of them is taken.

    Attributes:
        victims: Pods to be deleted for others.
    """

    def __init__(
        self,
        bound: BoundPods,
        cycles: Cycles,
        queue: SchedulingQueue,
        recorder: EventRecorder,
        budget: ReplayBudget,
        lots: Lots | None = None,
    ) -> None:
        self.victims: dict[Pod, None] = {}
        self._bound = bound
        self._cycles = cycles
        self._queue = queue
        self._recorder = recorder
        self._budget = budget
        self._lots = lots or Lots()

    def may_help(self, pod: Pod) -> bool:
        """Whether there may be pods of lower priority, and the pod may preempt them."""
        return pod.template.priority > self._queue.lowest and pod.template.may_preempt

    def post_filter(self, pod: Pod, every: list[Obstacle]) -> str | None:
        """Preempt if that helps; otherwise what is said about it.

        Args:
            pod: It fits nowhere.
            every: What keeps it from each node.
        """
        if not pod.template.may_preempt:
            return futile("not eligible due to preemptionPolicy=Never.")
        if self._awaits_victims(pod, every):
            return futile("not eligible due to a terminating pod on the nominated node.")
        candidates: list[Candidate] = []
        reasons: Counter[str] = Counter()
        lower = self._lower(pod.template.priority)
        enough = max(len(every) // 10, 100)  # `GetOffsetAndNumCandidates`; from a random node there
        before = dict(self._bound.pods)
        for row, obstacle in enumerate(every):
            if len(candidates) >= enough:
                break
            found = (NOT_HELPFUL,) if obstacle.hopeless else self._candidate(pod, row, lower.get(row, []))
            if isinstance(found, Candidate):
                candidates.append(found)
            else:
                reasons.update(found)
        self._bound.pods = before  # the same pods, in order of binding again
        if not candidates:
            pod.nominated = UNBOUND
            self._cycles.nominated.pop(pod, None)
            return futile(summary(len(every), reasons))
        self._nominate(pod, best_candidate(self._lots.in_any_order(candidates)))
        return None

    def _lower(self, priority: int) -> dict[int, list[Pod]]:
        """The bound pods of lower priority, by row."""
        found: dict[int, list[Pod]] = {}
        if priority > self._queue.lowest:
            self._budget.spend(2 * len(self._bound.pods))
            for pod in self._bound.pods:
                if pod.template.priority < priority:
                    found.setdefault(pod.row, []).append(pod)
        return found

    def _candidate(self, pod: Pod, row: int, lower: list[Pod]) -> Candidate | tuple[str, ...]:
        """Which pods of lower priority to remove from a node for the pod; or why that is no use."""
        if not lower:
            return (NO_VICTIMS,)
        reasons: tuple[str, ...] = ()

        def fits() -> bool:
            nonlocal reasons
            found = self._cycles.obstacles(pod, [row])[0].reasons
            reasons = reasons or found
            return not found

        victims = find_victims(lower, self._bound.remove, self._bound.add, fits)
        return reasons if victims is None else Candidate(row, victims)

    def _awaits_victims(self, pod: Pod, every: list[Obstacle]) -> bool:
        """Whether pods that it has preempted still hold the node that is cleared for it."""
        row, priority = pod.nominated, pod.template.priority
        return (
            row != UNBOUND
            and not every[row].hopeless
            and any(
                each.preempted and each.row == row and each.template.priority < priority for each in self._bound.pods
            )
        )

    def _nominate(self, pod: Pod, chosen: Candidate) -> None:
        nominated = self._cycles.nominated
        for each in [each for each in nominated if each.nominated == chosen.row]:
            if each.template.priority < pod.template.priority:
                each.nominated = UNBOUND
                del nominated[each]
        pod.nominated = chosen.row
        nominated[pod] = None
        for victim in (each for each in chosen.victims if not each.leaving):
            victim.preempted = True
            self._recorder.preempted(victim, pod, self._bound.table.nodes[chosen.row].name)
            self.victims[victim] = None


def find_victims(
    pods: Sequence[Pod], remove: Callable[[Pod], None], restore: Callable[[Pod], None], fits: Callable[[], bool]
) -> tuple[Pod, ...] | None:
    """The fewest of `pods` whose removal makes `fits` true; None where not even removing all does. Books end as before.

    Args:
        pods: All pods of lower priority on the node, not empty.
        remove, restore: Take a pod out of the books, and put it back.
        fits: Whether the waiting pod fits what is left.
    """
    for pod in pods:
        remove(pod)
    victims: list[Pod] = []
    helps = fits()
    for pod in sorted(pods, key=_importance):
        restore(pod)
        if helps and not fits():
            remove(pod)
            victims.append(pod)
    for pod in victims:
        restore(pod)
    return tuple(victims) if helps else None


def best_candidate(candidates: Sequence[Candidate]) -> Candidate:
    """Least: highest victim's priority, sum of priorities, number of victims; then the latest start; then the first."""
    return min(candidates, key=_loss)


def _loss(candidate: Candidate) -> tuple[int, int, int, float]:
    priorities = [pod.template.priority for pod in candidate.victims]
    highest = max(priorities)
    earliest = min(pod.started_s for pod in candidate.victims if pod.template.priority == highest)
    # Priorities may be negative; the offset keeps a sum of many from being less than a sum of few.
    return highest, sum(priority + 2**31 for priority in priorities), len(priorities), -earliest


def _importance(pod: Pod) -> tuple[int, float, int]:
    return -pod.template.priority, pod.started_s, pod.number
