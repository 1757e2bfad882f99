"""The forecaster: what it learns from what it is told, what it then does, and that it can be gone on with."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from agents.forecast.agent import Forecaster
from agents.forecast.forecast import choose
from agents.forecast.vector import train
from agents.saved import checkpoint
from agents.spaces import CLUSTER, season
from env.errors import AgentError
from env.season.decision import next_costs
from env.season.features import FEATURES
from env.season.variants import JUMPS

REQUEST, KAPPA = FEATURES.index("request"), FEATURES.index("kappa")
SETTINGS = {"hidden": [16], "rollout_steps": 64, "minibatch_size": 32, "learning_rate": 0.02, "anneal_steps": 4000}
STEPS = np.array(JUMPS)


def state(high: bool, kappa: float = 4.0, request: int = 8) -> NDArray[np.float32]:
    seen = np.zeros(len(FEATURES), np.float32)
    seen[0], seen[REQUEST], seen[KAPPA] = high, np.log(request) / 3, np.log1p(kappa) / 3
    return seen


class Coin(VectorEnv[Any, Any, Any]):
    """Two states; in the high one a coin that is not seen decides if use is above 8 steps. Episodes of 3 steps."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int, mode: AutoresetMode = AutoresetMode.NEXT_STEP) -> None:
        self.metadata = {"autoreset_mode": mode}
        self.num_envs = num_envs
        self.single_observation_space = spaces.Box(-4.0, 4.0, (len(FEATURES),), np.float32)
        self.single_action_space = spaces.Discrete(len(JUMPS))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._rng = np.random.default_rng(seed)
        self._steps = np.zeros(self.num_envs, np.int64)
        return self._next(), {}

    def step(self, actions: NDArray[np.int64]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        resets = self._steps == 3
        self._steps = np.where(resets, 0, self._steps + 1)
        return self._next(), np.zeros(self.num_envs), np.zeros(self.num_envs, np.bool_), self._steps == 3, {}

    def tell(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """In the low state 4 steps are enough; in the high one 4 or 10 by the coin. The typical peak is 5."""
        peak = np.where((self._high == 1) & (self._coin == 1), 10, 4)
        peak = np.where(self._steps == 3, 64, peak)  # what is said then would mislead, if it were learned from
        return (peak[:, None] > 8 + STEPS).astype(np.float32), np.full(self.num_envs, np.log(8 / 5), np.float32)

    def _next(self) -> NDArray[np.float32]:
        self._high, self._coin = self._rng.integers(2, size=(2, self.num_envs))
        return np.array([state(bool(each)) for each in self._high])


@cache
def learned(steps: int = 4000) -> Forecaster:
    agent, envs = Forecaster(seed=1, settings=SETTINGS, spaces=season()), Coin(8)
    train(agent, envs, envs.tell, steps, seed=2)
    return agent


def fingerprint(agent: Forecaster) -> str:
    return hashlib.sha256(checkpoint.dumps(agent.state_dict())).hexdigest()


def jump(agent: Forecaster, seen: NDArray[np.float32]) -> int:
    return JUMPS[agent.act(seen, explore=False)]


def test_it_learns_how_probable_use_above_a_request_is_over_what_it_does_not_see() -> None:
    agent = learned()
    costs = agent.costs(np.array([state(True)]))[0]
    for steps, above in ((-6, 1.0), (-3, 0.5), (-1, 0.5), (4, 0.0)):
        expected = (8 + steps) / 5 + 4 * above + agent.settings.change
        assert costs[JUMPS.index(steps)] == pytest.approx(expected, abs=0.2)
    assert [jump(agent, state(high)) for high in (False, True)] == [-4, 2]


def test_one_that_was_trained_at_one_price_keeps_to_any_other() -> None:
    agent = learned()
    assert jump(agent, state(True, kappa=1.5)) == -4  # every second time 1.5 is less than 6 steps more of 5
    assert jump(agent, state(True, kappa=200.0)) >= 2
    low, middle, high = agent.costs(np.array([state(True, kappa) for kappa in (0.0, 100.0, 200.0)]))[:, STEPS > -8]
    assert high - middle == pytest.approx(middle - low, abs=1e-3)  # the same probabilities, times the price


def test_a_request_of_less_than_a_step_costs_too_much_and_a_change_costs_its_price() -> None:
    above, held = np.zeros((1, len(JUMPS)), np.float32), np.zeros(1, np.float32)
    costs = next_costs(state(False, request=2)[None], above, held, 0.25)[0]
    assert np.isinf(costs[STEPS <= -2]).all()
    assert np.isfinite(costs[STEPS > -2]).all()
    assert costs[[JUMPS.index(each) for each in (0, 1)]] == pytest.approx([1.0, 1.75])


def test_it_goes_on_from_a_saved_state_to_the_same_bits() -> None:
    whole, envs = learned(1000), Coin(8)
    saved = Forecaster(seed=5, settings=SETTINGS, spaces=season())
    saved.load_state_dict(checkpoint.loads(checkpoint.dumps(whole.state_dict()), "state"))
    for agent in (whole, saved):
        train(agent, envs, envs.tell, 500, seed=9)
    assert fingerprint(whole) == fingerprint(saved)


def test_the_proximal_term_keeps_it_near_the_weights_that_were_loaded() -> None:
    moved = []
    for proximal in (0.0, 100.0):
        agent, envs = Forecaster(seed=1, settings={**SETTINGS, "proximal": proximal}, spaces=season()), Coin(8)
        before = agent.weights()
        agent.load_weights(before)
        train(agent, envs, envs.tell, 1000, seed=2)
        moved.append(sum(float(np.square(after - before[name]).sum()) for name, after in agent.weights().items()))
    assert moved[1] < 0.5 * moved[0]


def test_seemingly_cheaper_actions_are_drawn_more_often_by_the_softmax_of_their_costs() -> None:
    drawn = choose(np.tile(np.array([[0.0, 0.1, 2.0]], np.float32), (20_000, 1)), 0.1, np.random.default_rng(0))
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    assert shares == pytest.approx([1 / (1 + np.exp(-1)), np.exp(-1) / (1 + np.exp(-1)), 0.0], abs=0.015)


def test_environments_that_do_not_fit_are_refused_in_one_line() -> None:
    with pytest.raises(AgentError, match=r"agent 'forecast': forecasts SimArena/Season-v0 alone, not SimArena/Cluster"):
        Forecaster(seed=0, spaces=CLUSTER)
    envs = Coin(2, AutoresetMode.SAME_STEP)
    with pytest.raises(AgentError, match=r"forecast: autoreset mode AutoresetMode\.SAME_STEP; only"):
        train(Forecaster(seed=0, spaces=season()), envs, envs.tell, 10, seed=0)
