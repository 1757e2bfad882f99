"""PPO on many environments at a time."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from agents.ppo.agent import PPO
from agents.ppo.vector import train
from agents.saved import checkpoint
from agents.spaces import Spaces, doctor
from env.doctor.vector_env import DoctorVectorEnv
from env.errors import AgentError
from env.gym.features import STATE_DIM
from env.gym.vector_env import ClusterVectorEnv

TWO = Spaces("TwoStates-v0", ("first", "second"), ("a", "b", "c"), masked=True)
SETTINGS = {"hidden": [16], "rollout_steps": 64, "minibatch_size": 32, "learning_rate": 0.01}


class TwoStates(VectorEnv[Any, Any, Any]):
    """Each state asks for the action of its number; episodes of three steps. Action 2 pays more but is forbidden."""

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.single_action_space = spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.right: list[bool] = []
        self.forbidden = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._rng = np.random.default_rng(seed)
        self._steps = np.zeros(self.num_envs, np.int64)
        return self._next()

    def step(self, actions: NDArray[np.int64]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        resets = self._steps == 3
        right = (actions == self._asked) & ~resets
        self.right += right[~resets].tolist()
        self.forbidden += int(((actions == 2) & ~resets).sum())
        self._steps = np.where(resets, 0, self._steps + 1)
        states, info = self._next()
        # What is paid for a reset would mislead, if it were learned from.
        rewards = np.where(resets, 9.0 * (actions != self._asked), right + 5.0 * (actions == 2))
        return states, rewards, np.zeros(self.num_envs, np.bool_), self._steps == 3, info

    def _next(self) -> tuple[NDArray[np.float32], dict[str, Any]]:
        self._asked = self._rng.integers(2, size=self.num_envs)
        mask = np.ones((self.num_envs, 3), np.bool_)
        mask[:, 2] = False
        mask[self._steps == 3] = False  # an ended episode allows nothing
        return np.eye(2, dtype=np.float32)[self._asked], {"action_mask": mask}


def fingerprint(agent: PPO) -> str:
    return hashlib.sha256(checkpoint.dumps(agent.state_dict())).hexdigest()


def test_it_learns_in_many_environments_and_keeps_to_their_masks() -> None:
    agent, envs, seen = PPO(seed=0, settings=SETTINGS, spaces=TWO), TwoStates(8), []
    train(agent, envs, 2_000, seed=1, on_update=seen.append)
    assert np.mean(envs.right[-100:]) > 0.9 > np.mean(envs.right[:100])
    assert envs.forbidden == 0
    assert 2_000 <= agent.env_steps == seen[-1]["env_steps"] < 2_064
    assert seen[-1]["length"] == 3.0
    assert seen[-1]["return"] > 2.7


def test_equal_calls_give_equal_bits_and_a_saved_agent_goes_on_to_the_same() -> None:
    whole, first = (PPO(seed=0, settings=SETTINGS) for _ in range(2))
    second = PPO(seed=9, settings=SETTINGS)
    for part in range(2):
        train(whole, ClusterVectorEnv(8), 200, seed=part)
    train(first, ClusterVectorEnv(8), 200, seed=0)
    second.load_state_dict(first.state_dict())
    train(second, ClusterVectorEnv(8), 200, seed=1)
    assert fingerprint(second) == fingerprint(whole) != fingerprint(first)


class Watched(DoctorVectorEnv):
    """Counts the actions that it had forbidden."""

    forbidden = 0

    def step(self, actions: NDArray[np.int64]) -> Any:
        going_on = ~self._lanes["ended"]
        self.forbidden += int((~self._masks[np.arange(self.num_envs), actions] & going_on).sum())
        return super().step(actions)


def test_it_does_nothing_forbidden_in_the_doctors_environment() -> None:
    settings = {**SETTINGS, "rollout_steps": 1024, "minibatch_size": 256}
    agent, envs, seen = PPO(seed=0, settings=settings, spaces=doctor()), Watched(32, "small"), []
    train(agent, envs, 3_000, seed=1, on_update=seen.append)
    assert envs.forbidden == 0
    assert all(0 <= row["solved"] <= 1 for row in seen)


@pytest.mark.parametrize(
    ("envs", "message"),
    [
        (ClusterVectorEnv(2), rf"states \({STATE_DIM},\) and 7 actions; TwoStates-v0 has states \(2,\) and 3 actions"),
        (type("Other", (TwoStates,), {"metadata": {"autoreset_mode": AutoresetMode.SAME_STEP}})(2), "autoreset mode"),
    ],
)
def test_other_environments_are_refused(envs: VectorEnv[Any, Any, Any], message: str) -> None:
    with pytest.raises(AgentError, match=message):
        train(PPO(seed=0, settings=SETTINGS, spaces=TWO), envs, 100, seed=0)
