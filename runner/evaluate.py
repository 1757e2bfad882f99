"""How well an agent does on given problems: greedily, without learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.agent import Agent
from env.cluster import Cluster
from env.gym_env import ClusterEnv
from env.scenario import Scenario
from runner.episode import EpisodeResult, run_episode

TOTAL = "all"


@dataclass(frozen=True)
class Score:
    """Results of one kind of problem.

    Attributes:
        problem: Its name; `TOTAL` for all together.
        n: Episodes.
        solved: Those that reached the goal.
        mean_steps: Mean length of an episode; an unsolved one counts with the step limit. None if n is 0.
        mean_return: Mean sum of rewards. None if n is 0.
    """

    problem: str
    n: int
    solved: int
    mean_steps: float | None
    mean_return: float | None

    @property
    def solved_rate(self) -> float | None:
        """Share of the episodes that were solved; None if there were none."""
        return self.solved / self.n if self.n else None


def evaluate(
    agent: Agent,
    scenarios: Sequence[Scenario],
    max_steps: int,
    seed: int,
    *,
    reward: str = "shaped",
    cluster: Cluster | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[Score]:
    """Run one episode on each scenario; a score per problem, then the one of all.

    Episode i depends on (seed, i) and the scenario alone.

    Raises:
        ClusterError: the cluster could not be observed.
        Stopped: `should_stop` turned true.
    """
    results = []
    for number, scenario in enumerate(scenarios, start=1):
        env = ClusterEnv([scenario], reward=reward, max_steps=max_steps, cluster=cluster)
        result = run_episode(
            env,
            agent,
            seed_sequence=np.random.SeedSequence((seed, number)),
            explore=False,
            learn=False,
            episode=number,
            should_stop=should_stop,
        )
        results.append(result)
    problems = sorted({result.problem or "given" for result in results})
    per_problem = [score(p, [r for r in results if (r.problem or "given") == p]) for p in problems]
    return [*per_problem, score(TOTAL, results)]


def score(problem: str, results: Sequence[EpisodeResult]) -> Score:
    """The score of some episodes; defined for none."""
    n = len(results)
    return Score(
        problem=problem,
        n=n,
        solved=sum(result.solved for result in results),
        mean_steps=sum(result.steps for result in results) / n if n else None,
        mean_return=sum(result.reward for result in results) / n if n else None,
    )
