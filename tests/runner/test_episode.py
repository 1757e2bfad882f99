"""One episode: its records, its errors, and the request to stop."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from agents.agent import Transition
from agents.kinds import KINDS, make_agent
from agents.policies import Policy, heuristic
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.gym.cluster_env import ClusterEnv
from env.gym.features import STATE_DIM
from env.gym.rooms import find_room
from env.interrupt import Stopped
from env.observation import Observation
from env.problems.scenario import Scenario
from env.workload import Resources
from runner.episode import EpisodeResult, run_episode


class FailingCluster:
    """An embedded cluster whose n-th observation (from 1) fails."""

    def __init__(self, fails_at: int) -> None:
        self.cluster = EmbeddedCluster()
        self.left = fails_at

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        self.left -= 1
        if self.left == 0:
            raise ClusterError("the API server does not answer")
        return self.cluster.observe(scenario, resources)

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        return self.cluster.why(scenario, resources)

    def close(self) -> None:
        self.cluster.close()


class Recording(Policy):
    """The heuristic, remembering what it is taught."""

    def __init__(self) -> None:
        super().__init__(heuristic)
        self.learned: list[Transition] = []

    def learn(self, transition: Transition) -> dict[str, float]:
        self.learned.append(transition)
        return {"loss": float(len(self.learned))}


def run(env: ClusterEnv, agent: Any, seed: int = 0, **options: Any) -> tuple[EpisodeResult, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    result = run_episode(
        env,
        agent,
        seed_sequence=np.random.SeedSequence(seed),
        **{"explore": True, "learn": agent.learn, "on_step": records.append, **options},
    )
    return result, records


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if not kind.told])
def test_every_agent_runs_a_whole_episode(name: str) -> None:
    settings = {"provider": "scripted"} if name == "llm" else None
    result, records = run(ClusterEnv(max_steps=30), make_agent(name, seed=1, settings=settings), seed=4)
    assert len(records) == result.steps <= 30
    assert records[-1]["terminated"] == result.solved
    assert result.solved or result.steps == 30
    assert result.reward == pytest.approx(sum(record["reward"] for record in records))


def test_the_heuristic_solves_what_is_generated() -> None:
    results = [run(ClusterEnv(), make_agent("heuristic", seed=0), seed)[0] for seed in range(20)]
    assert all(result.solved for result in results)
    assert max(result.steps for result in results) <= 12


@pytest.mark.parametrize("kind", ["others-after", "crowded", "split", "apart", "outranks"])
def test_the_heuristic_solves_rooms_and_leaves_their_neighbours_whole(kind: str) -> None:
    cluster = EmbeddedCluster()
    rooms = [find_room(kind, seed, cluster).scenario for seed in range(8)]
    env, agent = ClusterEnv(rooms, max_steps=60, cluster=cluster), make_agent("heuristic", seed=0)
    for number in range(len(rooms)):
        state, _ = env.reset(options={"scenario": number})
        ended = solved = False
        while not ended:
            state, _, solved, truncated, info = env.step(np.int64(agent.act(state, explore=False)))
            ended = solved or truncated
        assert solved, rooms[number].name
        assert info["observation"].broken == 0


def test_a_step_record_is_complete_json(scenarios: list[Scenario]) -> None:
    _, records = run(ClusterEnv(scenarios[:1]), make_agent("heuristic", seed=0), episode=7)
    record = json.loads(json.dumps(records[0]))
    assert record["episode"] == 7
    assert record["step"] == 1
    assert record["scenario"] == "cpu-38"
    assert record["target"] == scenarios[0].target
    assert record["obs"] == {"ready": 0, "pending": 7, "total": 7, "oom_killed": 0, "cpu_starved": 0, "broken": 0}
    assert record["resources"] == {"cpu": "7300m", "memory": "2352Mi", "replicas": 7}
    assert len(record["state"]) == STATE_DIM
    assert record["action"] == {"index": 4, "name": "reduce_cpu_small"}
    assert record["outcome"] == {"changed": True, "blocked": False, "reason": None}
    assert record["after"]["resources"]["cpu"] == "6800m"
    assert record["reward"] == -1.0
    assert (record["terminated"], record["truncated"]) == (False, False)
    assert isinstance(record["seed"], int)
    assert records[-1]["terminated"]


def test_a_blocked_action_says_why() -> None:
    env = ClusterEnv(max_steps=40)
    _, records = run(env, make_agent("bump_cpu", seed=0), seed=2)
    blocked = [record["outcome"] for record in records if record["outcome"]["blocked"]]
    assert blocked
    assert "16000m" in blocked[0]["reason"]


def test_equal_seeds_give_equal_records() -> None:
    def episode(seed: int) -> str:
        return json.dumps(run(ClusterEnv(max_steps=20), make_agent("dqn", seed=1), seed)[1])

    assert episode(5) == episode(5)
    assert episode(5) != episode(6)


def test_the_agent_is_taught_each_step_with_the_reward_of_its_own_action(scenarios: list[Scenario]) -> None:
    agent = Recording()
    result, records = run(ClusterEnv(scenarios[:1]), agent)
    assert [t.reward for t in agent.learned] == [record["reward"] for record in records]
    assert [t.action for t in agent.learned] == [record["action"]["index"] for record in records]
    assert [t.terminated for t in agent.learned] == [False] * (result.steps - 1) + [True]
    assert all(np.array_equal(a.next_state, b.state) for a, b in zip(agent.learned, agent.learned[1:], strict=False))
    assert result.transitions == result.steps
    assert result.loss == pytest.approx(sum(range(1, result.steps + 1)) / result.steps)


def test_the_step_limit_truncates_and_does_not_terminate(scenarios: list[Scenario]) -> None:
    agent = Recording()
    result, _ = run(ClusterEnv(scenarios[:1], max_steps=2), agent)
    assert [(t.terminated, t.truncated) for t in agent.learned] == [(False, False), (False, True)]
    assert not result.solved


def test_without_learning_the_agent_is_taught_nothing(scenarios: list[Scenario]) -> None:
    agent = Recording()
    result, _ = run(ClusterEnv(scenarios[:1]), agent, learn=None)
    assert agent.learned == []
    assert (result.transitions, result.loss, result.epsilon) == (0, None, None)


@pytest.mark.parametrize("fails_at", [1, 3])
def test_a_cluster_that_cannot_be_observed_ends_the_episode_without_transition_or_reward(
    scenarios: list[Scenario], fails_at: int
) -> None:
    agent = Recording()
    records: list[dict[str, Any]] = []
    env = ClusterEnv(scenarios[:1], cluster=FailingCluster(fails_at))
    with pytest.raises(ClusterError, match="does not answer"):
        run(env, agent, on_step=records.append)
    # The first observation is the reset's, so the failing one belongs to step fails_at - 1.
    assert len(agent.learned) == len(records) == max(0, fails_at - 2)


def test_a_request_to_stop_is_heard_between_two_steps(scenarios: list[Scenario]) -> None:
    agent = Recording()
    with pytest.raises(Stopped):
        run(ClusterEnv(scenarios[:1]), agent, should_stop=lambda: len(agent.learned) == 3)
    assert len(agent.learned) == 3
