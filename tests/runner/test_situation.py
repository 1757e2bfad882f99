"""What an agent that reads is told, wherever it plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from agents.agent import State
from agents.kinds import make_agent
from agents.llm.conversation import ToolCall
from agents.llm.situation import ReadingAgent, Situation
from agents.policies import Policy, heuristic
from env.api_objects import ApiObjects
from env.embedded.cluster import EmbeddedCluster
from env.gym.cluster_env import ClusterEnv
from env.problems.generate import generate_scenario
from env.problems.scenario import Scenario
from env.workload import Resources
from runner.episode import run_episode
from runner.evaluation.evaluate import play_all
from runner.situation import tell
from runner.suggest.suggestion import suggest


class Reader(Policy):
    """The heuristic, remembering what it was told; calls tools if it is to look."""

    def __init__(self, looks: int = 0) -> None:
        super().__init__(heuristic)
        self.told: list[Situation] = []
        self.acted: list[int] = []
        self.looks = looks

    def read(self, situation: Situation) -> None:
        self.told.append(situation)

    def act(self, state: State, *, explore: bool) -> int:
        for number in range(self.looks):
            outcome = self.told[-1].tools.call(ToolCall(str(number), "get_pods", {"namespace": "default"}))
            assert not outcome.is_error
        self.acted.append(len(self.told))
        return super().act(state, explore=explore)


class Counting(EmbeddedCluster):
    """A cluster that counts how often its objects are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Resources | None] = []

    def objects(self, scenario: Scenario, resources: Resources | None) -> Any:
        self.asked.append(resources)
        return super().objects(scenario, resources)


def in_episode(agent: Reader, scenario: Scenario, cluster: Counting | None = None) -> None:
    env = ClusterEnv([scenario], max_steps=30, cluster=cluster)
    run_episode(env, agent, seed_sequence=np.random.SeedSequence(0), explore=False, learn=None)


def in_suggestion(agent: Reader, scenario: Scenario) -> None:
    suggest(scenario, agent, 30)


def in_evaluation(agent: Reader, scenario: Scenario) -> None:
    play_all(agent, ClusterEnv([scenario], max_steps=30), [0], 0)


@pytest.mark.parametrize("play", [in_episode, in_suggestion, in_evaluation])
def test_an_agent_that_reads_is_told_once_before_each_action(play: Callable[[Reader, Scenario], None]) -> None:
    agent, scenario = Reader(), generate_scenario("combined", 3)
    assert isinstance(agent, ReadingAgent)
    play(agent, scenario)
    assert agent.acted == [1, 2, 3]
    assert [told.step for told in agent.told] == [1, 2, 3]
    first, second, _ = agent.told
    assert (first.workload, first.target, first.max_steps) == (scenario.workload, scenario.target, 30)
    assert (first.last, second.last is not None) == (None, True)
    assert second.last is not None
    assert second.observation.resources == second.last.resources != first.observation.resources


def test_tools_replay_once_a_step_and_only_if_they_are_called() -> None:
    for looks, replays in ((0, 0), (3, 3)):
        cluster = Counting()
        agent = Reader(looks)
        in_episode(agent, generate_scenario("combined", 3), cluster)
        assert len(cluster.asked) == replays
        assert cluster.asked == [None if told.last is None else told.last.resources for told in agent.told][:replays]


def test_tools_show_what_was_observed_last_of_a_generated_problem_too() -> None:
    env = ClusterEnv(problem="replica-deficit")
    env.reset(seed=4)
    for _ in range(2):
        objects: ApiObjects = env.objects()
        assert len(objects.pods("default")) == env.observation.total
        env.step(np.int64(3))


def test_other_agents_are_told_nothing() -> None:
    env = ClusterEnv(problem="cpu")
    env.reset(seed=1)
    tell(make_agent("heuristic", seed=0), env)


def test_an_environment_says_where_its_episode_stands() -> None:
    scenario = generate_scenario("cpu", 38)
    env = ClusterEnv([scenario], max_steps=7)
    _, info = env.reset(seed=0)
    assert (env.scenario, env.steps, env.max_steps, env.asked, env.outcome) == (scenario, 0, 7, None, None)
    assert env.observation == info["observation"]
    _, _, _, _, info = env.step(np.int64(4))
    assert (env.steps, env.outcome, env.observation) == (1, info["outcome"], info["observation"])
    assert env.asked == info["outcome"].resources
