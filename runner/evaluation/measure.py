"""What is measured of an agent's episodes: solved, steps against the optimum, over-allocation, return, harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.evaluation.evaluate import Played, by_problem
from runner.evaluation.intervals import Estimate, mean, median, share


@dataclass(frozen=True)
class Measures:
    """One kind of problem, with 95 % confidence intervals; None where there is nothing to take them from.

    Attributes:
        problem: Its name; `runner.evaluation.evaluate.TOTAL` for all together.
        n: Episodes.
        solved: Those that reached the goal.
        solved_rate: Share of them.
        compared: Solved episodes whose optimum is known.
        median_steps_ratio: Median of steps / the fewest possible, of the compared ones. At least 1.
        mean_steps_ratio: Mean of the same.
        over_allocation: Mean of the solved episodes' share of the cluster that is held without need.
        mean_steps: Mean length of an episode; an unsolved one counts with the step limit.
        mean_return: Mean sum of rewards.
        shared: Episodes in clusters with other workloads.
        broken_rate: Share of those at whose end a workload that was whole lacks pods.
    """

    problem: str
    n: int
    solved: int
    solved_rate: Estimate | None
    compared: int
    median_steps_ratio: Estimate | None
    mean_steps_ratio: Estimate | None
    over_allocation: Estimate | None
    mean_steps: Estimate | None
    mean_return: Estimate | None
    shared: int = 0
    broken_rate: Estimate | None = None

    def as_row(self) -> dict[str, Any]:
        """Flat, as JSON holds it: an estimate is its value, and as NAME_interval its interval's ends or None."""
        row: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Estimate):
                row |= {name: value.value, f"{name}_interval": _ends(value)}
            else:
                row[name] = value
        return row


def measure(
    episodes: Sequence[Played], fewest: Sequence[int | None], over_allocations: Sequence[float | None]
) -> list[Measures]:
    """The measures of each kind of problem, then those of all.

    Args:
        episodes: What was played.
        fewest: The fewest steps that each one's scenario can be solved in; None: not known.
        over_allocations: What each one holds without need at its end; None: not known, or not solved.
    """
    return [
        _measures(problem, [episodes[i] for i in some], [fewest[i] for i in some], [over_allocations[i] for i in some])
        for problem, some in by_problem(episodes).items()
    ]


def _measures(
    problem: str, episodes: list[Played], fewest: list[int | None], over_allocations: list[float | None]
) -> Measures:
    solved = sum(episode.solved for episode in episodes)
    pairs = zip(episodes, fewest, strict=True)
    broken = [episode.broken > 0 for episode in episodes if episode.broken is not None]
    ratios = [episode.steps / steps for episode, steps in pairs if episode.solved and steps is not None]
    return Measures(
        problem=problem,
        n=len(episodes),
        solved=solved,
        solved_rate=share(solved, len(episodes)),
        compared=len(ratios),
        median_steps_ratio=median(ratios),
        mean_steps_ratio=mean(ratios),
        over_allocation=mean([value for value in over_allocations if value is not None]),
        mean_steps=mean([episode.steps for episode in episodes]),
        mean_return=mean([episode.reward for episode in episodes]),
        shared=len(broken),
        broken_rate=share(sum(broken), len(broken)),
    )


def _ends(estimate: Estimate) -> list[float] | None:
    return None if estimate.low is None or estimate.high is None else [estimate.low, estimate.high]
