"""Who has to go for a pod of higher priority.

Follows kubernetes `pkg/scheduler/framework/plugins/defaultpreemption` and `framework/preemption`: on each node all
pods of lower priority are taken away, and put back one by one, the most important first, where the pod still fits;
the node with the least loss is chosen. PodDisruptionBudgets are not modelled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from env.engine.pods import Pod


@dataclass(frozen=True, eq=False)
class Candidate:
    """A node, and the pods that would have to leave it (most important first)."""

    row: int
    victims: tuple[Pod, ...]


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
