"""How well an agent does on given problems: greedily, without learning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from agents.agent import Agent, State
from env.cluster import Cluster
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped, stopping_when
from env.problems.scenario import Scenario, has_neighbours
from env.workload import Resources
from runner.situation import tell

TOTAL = "all"
GIVEN = "given"
"""The kind of a problem that comes from a trace."""


@dataclass(frozen=True)
class Played:
    """An episode that was played.

    Attributes:
        problem: Kind of its scenario, `GIVEN` if unknown.
        solved: Whether the goal was reached.
        reward: Sum of the rewards, undiscounted.
        actions: Index of the action of each step.
        end: What the workload asks for after the last step.
        broken: Pods that neighbours lack then; None where there are no neighbours.
    """

    problem: str
    solved: bool
    reward: float
    actions: tuple[int, ...]
    end: Resources
    broken: int | None = None

    @property
    def steps(self) -> int:
        return len(self.actions)


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
    """Play one episode on each scenario; a score per problem, then the one of all.

    Raises:
        ClusterError, Stopped: as `play_all`.
    """
    if not scenarios:
        return [score(TOTAL, [])]
    env = ClusterEnv(scenarios, reward=reward, max_steps=max_steps, cluster=cluster)
    episodes = play_all(agent, env, range(len(scenarios)), seed, should_stop)
    return [score(problem, [episodes[i] for i in some]) for problem, some in by_problem(episodes).items()]


def play_all(
    agent: Agent, env: ClusterEnv, numbers: Iterable[int], seed: int, should_stop: Callable[[], bool] = lambda: False
) -> list[Played]:
    """Play one episode on each of the environment's scenarios with these numbers.

    Episode i depends on (seed, i) and the scenario alone.

    Raises:
        ClusterError: the cluster could not be observed.
        Stopped: `should_stop` turned true.
    """
    episodes = []
    for number in numbers:
        agent.seed(np.random.default_rng(np.random.SeedSequence((seed, number + 1))))
        episodes.append(play(env, number, partial(_choice, agent, env), should_stop))
    return episodes


def _choice(agent: Agent, env: ClusterEnv, state: State) -> int:
    tell(agent, env)
    return agent.act(state, explore=False)


def play(
    env: ClusterEnv, number: int, act: Callable[[State], int], should_stop: Callable[[], bool] = lambda: False
) -> Played:
    """Play an episode on the environment's scenario with this number.

    Raises:
        ClusterError, Stopped: as `play_all`.
    """
    rewards: list[float] = []
    actions: list[int] = []
    done = False
    with stopping_when(should_stop):
        state, info = env.reset(options={"scenario": number})
        while not done:
            if should_stop():
                raise Stopped
            actions.append(act(state))
            state, reward, terminated, truncated, info = env.step(np.int64(actions[-1]))
            rewards.append(reward)
            done = terminated or truncated
    seen = info["observation"]
    return Played(
        problem=info["problem"] or GIVEN,
        solved=info["is_success"],
        reward=float(sum(rewards)),
        actions=tuple(actions),
        end=seen.resources,
        broken=seen.broken if has_neighbours(env.scenario) else None,
    )


def by_problem(episodes: Sequence[Played]) -> dict[str, list[int]]:
    """Positions of the episodes of each kind of problem, in alphabetical order of the kinds; then of `TOTAL`, all."""
    positions: dict[str, list[int]] = {problem: [] for problem in sorted({episode.problem for episode in episodes})}
    for position, episode in enumerate(episodes):
        positions[episode.problem].append(position)
    return {**positions, TOTAL: list(range(len(episodes)))}


def score(problem: str, episodes: Sequence[Played]) -> Score:
    """The score of some episodes; defined for none."""
    n = len(episodes)
    return Score(
        problem=problem,
        n=n,
        solved=sum(episode.solved for episode in episodes),
        mean_steps=sum(episode.steps for episode in episodes) / n if n else None,
        mean_return=sum(episode.reward for episode in episodes) / n if n else None,
    )
