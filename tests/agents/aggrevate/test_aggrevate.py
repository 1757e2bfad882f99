"""AggreVaTe: what it learns from an adviser, and that it can be gone on with."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from agents.aggrevate.agent import Aggrevate
from agents.aggrevate.aggrevate import choose, excess
from agents.aggrevate.vector import train
from agents.saved import checkpoint
from agents.spaces import Spaces, doctor
from env.errors import AgentError

COIN = Spaces("Coin-v0", ("first", "second"), ("a", "b", "c"))
SETTINGS = {
    "hidden": [16],
    "rollout_steps": 64,
    "minibatch_size": 32,
    "learning_rate": 0.02,
    "anneal_steps": 4000,
    "most_cost": 4.0,  # above every cost here, so that what is learned are the means
}


class Coin(VectorEnv[Any, Any, Any]):
    """Two states; in the second, a coin that is not seen decides if "a" is free or costs 2. Episodes of 3 steps."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        self.metadata = {"autoreset_mode": mode}
        self.num_envs = num_envs
        self.single_observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.single_action_space = spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._rng = np.random.default_rng(seed)
        self._steps = np.zeros(self.num_envs, np.int64)
        return self._next(), {}

    def step(self, actions: NDArray[np.int64]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        resets = self._steps == 3
        rewards = np.where(resets, 0.0, -self.advice()[np.arange(self.num_envs), actions])
        self._steps = np.where(resets, 0, self._steps + 1)
        return self._next(), rewards, np.zeros(self.num_envs, np.bool_), self._steps == 3, {}

    def advice(self) -> NDArray[np.float64]:
        """In the first state "c" is best; in the second "a" or "b" by the coin, so "b" in the mean."""
        first = np.array([2.0, 1.0, 0.0])
        second = np.stack([2.0 * self._coin, np.full(self.num_envs, 0.7), np.full(self.num_envs, 1.5)], axis=1)
        ended = self._steps == 3  # what is said then would mislead, if it were learned from
        costs = np.where(self._state[:, None] == 0, first, second)
        return np.where(ended[:, None], 2.0 - costs, costs)

    def _next(self) -> NDArray[np.float32]:
        self._state, self._coin = self._rng.integers(2, size=(2, self.num_envs))
        return np.eye(2, dtype=np.float32)[self._state]


def learned(steps: int = 4000) -> Aggrevate:
    agent, envs = Aggrevate(seed=1, settings=SETTINGS, spaces=COIN), Coin(8)
    train(agent, envs, envs.advice, steps, seed=2)
    return agent


def fingerprint(agent: Aggrevate) -> str:
    return hashlib.sha256(checkpoint.dumps(agent.state_dict())).hexdigest()


def test_it_learns_what_is_cheapest_in_the_mean_over_what_it_does_not_see() -> None:
    agent = learned()
    assert agent.best_in_all(np.eye(2, dtype=np.float32)).tolist() == [2, 1]
    above_best = [[2.0, 1.0, 0.0], [0.65, 0.35, 1.15]]  # means over the coin of the costs above the best one
    assert agent.costs(np.eye(2, dtype=np.float32)) == pytest.approx(np.array(above_best), abs=0.1)


def test_it_goes_on_from_a_saved_state_to_the_same_bits() -> None:
    whole, envs = learned(1000), Coin(8)
    saved = Aggrevate(seed=5, settings=SETTINGS, spaces=COIN)
    saved.load_state_dict(checkpoint.loads(checkpoint.dumps(whole.state_dict()), "state"))
    for agent in (whole, saved):
        train(agent, envs, envs.advice, 500, seed=9)
    assert fingerprint(whole) == fingerprint(saved)


def test_the_proximal_term_keeps_it_near_the_weights_that_were_loaded() -> None:
    moved = []
    for proximal in (0.0, 100.0):
        agent, envs = Aggrevate(seed=1, settings={**SETTINGS, "proximal": proximal}, spaces=COIN), Coin(8)
        before = agent.weights()
        agent.load_weights(before)
        train(agent, envs, envs.advice, 1000, seed=2)
        moved.append(sum(float(np.square(after - before[name]).sum()) for name, after in agent.weights().items()))
    assert moved[1] < 0.5 * moved[0]


def test_seemingly_cheaper_actions_are_drawn_more_often_by_the_softmax_of_their_costs() -> None:
    drawn = choose(np.tile(np.array([[0.0, 0.1, 2.0]], np.float32), (20_000, 1)), 0.1, np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    assert shares == pytest.approx([1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1)), 0.0], abs=0.015)


def test_costs_count_above_the_rows_least_one_and_up_to_a_most() -> None:
    assert excess(np.array([[5.0, 4.0, 40.0], [1.0, 1.0, 2.0]]), 3.0).tolist() == [[1, 0, 3], [0, 0, 1]]


def test_environments_that_do_not_fit_are_refused_in_one_line() -> None:
    with pytest.raises(AgentError, match=r"agent 'aggrevate': knows no masks of actions, which SimArena/Doctor-v0 has"):
        Aggrevate(seed=0, spaces=doctor())
    envs = Coin(2, AutoresetMode.SAME_STEP)
    with pytest.raises(AgentError, match=r"aggrevate: autoreset mode AutoresetMode\.SAME_STEP; only"):
        train(Aggrevate(seed=0, spaces=COIN), envs, envs.advice, 10, seed=0)
