"""What the agent remembers of an episode where states leave things out: its last action, and nothing from before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.agent import Transition
from agents.ppo.agent import PPO
from agents.ppo.memory import nothing, remembered, told
from agents.spaces import Spaces

WHOLE = Spaces("Same-v0", ("always one",), ("a", "b"))
PARTIAL = replace(WHOLE, partial=True)
STATE = np.ones(1, np.float32)
SETTINGS = {"hidden": [16], "rollout_steps": 64, "minibatch_size": 32, "learning_rate": 0.01}
NOTHING, A, B = [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]


def alternating(agent: PPO, episodes: int) -> float:
    """Every action but the first of an episode is to be another than the one before; the share that is, greedily."""
    for episode in range(episodes):
        agent.seed(np.random.default_rng(episode))
        before = -1
        for step in range(4):
            action = agent.act(STATE, explore=True)
            agent.learn(Transition(STATE, action, float(action != before), STATE, step == 3, False))
            before = action
    agent.seed(np.random.default_rng(0))
    actions = [agent.act(STATE, explore=False) for _ in range(20)]
    return float(np.mean(np.diff(actions) != 0))


@pytest.mark.parametrize(("spaces", "share"), [(PARTIAL, 1.0), (WHOLE, 0.0)])
def test_what_needs_a_memory_is_learned_with_it_and_cannot_be_without(spaces: Spaces, share: float) -> None:
    assert alternating(PPO(seed=0, settings=SETTINGS, spaces=spaces), 250) == share


def test_a_state_is_learned_from_with_the_action_before_it_and_none_at_an_episodes_start() -> None:
    agent = PPO(seed=0, settings=SETTINGS, spaces=PARTIAL)
    agent.seed(np.random.default_rng(0))
    for action, terminated, truncated in ((0, False, False), (1, False, True), (1, False, False), (0, True, False)):
        agent.learn(Transition(STATE, action, 0.0, STATE, terminated, truncated))
    rollout = agent.state_dict()["rollout"]
    assert rollout["states"][:, 1:].tolist() == [NOTHING, A, NOTHING, B]
    assert rollout["next_states"][:, 1:].tolist() == [A, B, B, A]


def test_what_was_done_instead_of_what_was_drawn_is_remembered() -> None:
    agent = PPO(seed=0, settings=SETTINGS, spaces=PARTIAL)
    agent.seed(np.random.default_rng(0))
    other = 1 - agent.act(STATE, explore=True)
    agent.learn(Transition(STATE, other, 0.0, STATE, False, False))
    assert agent.state_dict()["rollout"]["next_states"][0, 1:].tolist() == [A, B][other]


def test_a_new_episode_begins_with_an_empty_memory() -> None:
    agent = PPO(seed=3, settings={**SETTINGS, "hidden": [4]}, spaces=PARTIAL)
    weights = agent.weights()
    weights["actor.0.weight"] *= 30
    weights["actor.2.weight"] *= 300
    agent.load_weights(weights)
    firsts = []
    for _ in range(2):
        agent.seed(np.random.default_rng(0))
        firsts.append([agent.act(STATE, explore=False) for _ in range(3)])
    assert firsts[0] == firsts[1]


def test_memories_of_many_agents_are_those_of_each() -> None:
    memory = remembered(nothing(3, PARTIAL), np.array([1, 0, 1]))
    assert memory.tolist() == [B, A, B]
    assert told(np.zeros((3, 1), np.float32), memory).tolist() == [[0.0, *B], [0.0, *A], [0.0, *B]]


def test_where_states_leave_nothing_out_there_is_no_memory() -> None:
    memory = remembered(nothing(3, WHOLE), np.array([1, 0, 1]))
    assert memory.shape == (3, 0)
    assert told(np.ones((3, 1), np.float32), memory).tolist() == [[1.0]] * 3
