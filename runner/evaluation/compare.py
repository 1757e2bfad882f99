"""Agents compared on the same scenarios, with the optimum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, repeat

from agents.agent import Agent
from env.actions import Action
from env.cluster import Cluster
from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.interrupt import Stopped
from env.problems.scenario import Scenario
from runner.evaluation.evaluate import Played, play, play_all
from runner.evaluation.measure import Measures, measure
from runner.evaluation.yardstick import Yardstick

OPTIMUM = "optimum"
"""The row of the shortest solutions, played."""

Progress = Callable[[Sequence[int], str], Iterable[int]]


def compare(
    agents: Mapping[str, Agent],
    scenarios: Sequence[Scenario],
    max_steps: int,
    seed: int,
    *,
    optimum: bool = False,
    reward: str = "shaped",
    cluster: Cluster | None = None,
    replays: Cluster | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = lambda numbers, what: numbers,
) -> dict[str, list[Measures]]:
    """Play every agent on every scenario, greedily; its measures per problem and of all.

    Args:
        agents: By the name that the result has them under.
        scenarios: At least one.
        max_steps: Steps after which an episode ends without the goal.
        seed: Of what agents do by chance.
        optimum: Play the shortest solutions too, under `OPTIMUM`, on the scenarios where they are known.
        reward: One of `env.gym.reward.REWARDS`.
        cluster: Where traces are replayed; None: in this process.
        replays: What replays them in this process, where none of the scenarios is plain; None: an embedded cluster.
        should_stop: Asked before every step and every search.
        progress: Wraps the numbers of the scenarios while they are worked through, told at what.

    Raises:
        ConfigError: a setting out of range.
        ClusterError: the cluster could not be observed.
        Stopped: `should_stop` turned true.
    """
    env = ClusterEnv(scenarios, reward=reward, max_steps=max_steps, cluster=cluster or replays)
    every = range(len(scenarios))
    played = {
        name: play_all(agent, env, progress(every, f"playing {name}"), seed, should_stop)
        for name, agent in agents.items()
    }
    here = replays or EmbeddedCluster()
    yardsticks = [Yardstick(scenario, here) for scenario in scenarios]
    shortest: list[list[int] | None] = []
    for i in progress(every, "searching the optimum"):
        if should_stop():
            raise Stopped
        shortest.append(yardsticks[i].shortest([run[i].actions for run in played.values() if run[i].solved]))
    measures = {name: _measured(run, shortest, yardsticks) for name, run in played.items()}
    if optimum:
        known = {i: actions for i, actions in enumerate(shortest) if actions is not None}
        run = [follow(env, i, known[i], should_stop) for i in progress(list(known), f"playing the {OPTIMUM}")]
        measures[OPTIMUM] = _measured(run, list(known.values()), [yardsticks[i] for i in known])
    return measures


def follow(env: ClusterEnv, number: int, actions: Sequence[int], should_stop: Callable[[], bool]) -> Played:
    """An episode of these actions, and nothing once they are done: the goal is noticed after a step only."""
    following = chain(actions, repeat(int(Action.NOOP)))
    return play(env, number, lambda state: next(following), should_stop)


def _measured(
    episodes: Sequence[Played], shortest: Sequence[Sequence[int] | None], yardsticks: Sequence[Yardstick]
) -> list[Measures]:
    fewest = [None if actions is None else max(1, len(actions)) for actions in shortest]
    pairs = zip(episodes, yardsticks, strict=True)
    held = [yardstick.over_allocation(episode.end) if episode.solved else None for episode, yardstick in pairs]
    return measure(episodes, fewest, held)
