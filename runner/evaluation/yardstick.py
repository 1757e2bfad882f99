"""What an episode is held against: the fewest steps that solve its scenario, and the smallest requests that do.

Both come from this process: in closed form for plain scenarios (`env.embedded.closed_form`), by replays on the embedded
cluster for others, also where the episodes themselves are played on a real cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from env.actions import CPU_STEP_M, MEMORY_STEP_BYTES, MIN_CPU_M, MIN_MEMORY_BYTES, Action
from env.cluster import Cluster
from env.embedded.closed_form import observe_plain, plain_workload
from env.gym.reward import goal
from env.gym.search import WITHIN, searched, solved_plain
from env.observation import Observation
from env.problems.scenario import Scenario, ceiling_of
from env.workload import Resources


class Yardstick:
    """A scenario's optimum.

    Args:
        scenario: What was played.
        cluster: Where it is replayed if it is not plain.
    """

    def __init__(self, scenario: Scenario, cluster: Cluster) -> None:
        self._scenario = scenario
        self._cluster = cluster
        self._plain = plain_workload(scenario)

    def shortest(self, solutions: Sequence[Sequence[int]]) -> list[int] | None:
        """A shortest list of actions that solves the scenario; empty if the start is the goal.

        A scenario that is not plain is searched for one that is shorter than the shortest of `solutions`, over at
        most `env.gym.search.WITHIN` actions.

        Args:
            solutions: Actions that are known to solve it.

        Returns:
            None if there is none, or if it is not known which is the shortest.

        Raises:
            ClusterError: The workload could not be observed.
        """
        if self._plain is not None:
            return _indices(solved_plain(*self._plain, self._scenario.target, ceiling_of(self._scenario).most))
        if not solutions:
            return None
        best = min(solutions, key=len)
        shorter = searched(self._scenario, self._cluster, min(len(best) - 1, WITHIN))
        if shorter is None and len(best) - 1 <= WITHIN:
            return list(best)
        return _indices(shorter)

    def over_allocation(self, end: Resources) -> float | None:
        """What `end` holds beyond the least, as a share of the cluster: the mean of CPU's and memory's.

        The least is what remains when CPU, and then memory, are lowered by whole actions as far as the goal stays.
        One action less of either misses it.

        Returns:
            0 to 1; None if `end` is not the goal here.

        Raises:
            ClusterError: The workload could not be observed.
        """
        if not self._is_goal(end):
            return None
        cpu_m = _lowest(end.cpu_m, CPU_STEP_M, MIN_CPU_M, lambda value: self._is_goal(end._replace(cpu_m=value)))
        lean = end._replace(cpu_m=cpu_m)
        memory_bytes = _lowest(
            end.memory_bytes,
            MEMORY_STEP_BYTES,
            MIN_MEMORY_BYTES,
            lambda value: self._is_goal(lean._replace(memory_bytes=value)),
        )
        all_cpu_m, all_memory_bytes = self._scenario.nodes.total
        cpu = end.replicas * (end.cpu_m - cpu_m) / all_cpu_m
        memory = end.replicas * (end.memory_bytes - memory_bytes) / all_memory_bytes
        return (cpu + memory) / 2

    def _is_goal(self, asked: Resources) -> bool:
        return goal(self._observe(asked), self._scenario.target)

    def _observe(self, asked: Resources) -> Observation:
        if self._plain is not None:
            return observe_plain(self._plain[0], asked)
        return self._cluster.observe(self._scenario, asked)


def _lowest(value: int, step: int, minimum: int, reaches: Callable[[int], bool]) -> int:
    """By bisection, the lowest of value, value - step, … down to the minimum that reaches the goal, as `value` does."""
    fewest, most = 0, max(0, (value - minimum) // step) + 1
    while most - fewest > 1:
        middle = (fewest + most) // 2
        if reaches(value - middle * step):
            fewest = middle
        else:
            most = middle
    return value - fewest * step


def _indices(actions: Sequence[Action] | None) -> list[int] | None:
    return None if actions is None else [int(action) for action in actions]
