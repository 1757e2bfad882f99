"""Our environments as PufferLib's vectorisation takes them; importable where PufferLib is, as after `rl setup`.

    import pufferlib.vector
    from runner.rl.puffer import DoctorPufferEnv, gymnasium_env

    Serial = pufferlib.vector.Serial
    envs = pufferlib.vector.make(DoctorPufferEnv, env_kwargs={"num_envs": 4096}, num_envs=1, backend=Serial)
    envs = pufferlib.vector.make(gymnasium_env("SimArena/Cluster-v0"), num_envs=8, backend=Serial)

PufferLib knows no action masks: an action that is masked out changes nothing and costs its step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pufferlib
import pufferlib.emulation
from gymnasium import spaces
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS
from env.doctor.doctor_env import MAX_STEPS, MOST_STEPS, PROBLEMS, check_problems, checked_recorded
from env.doctor.features import FEATURES
from env.doctor.kernel import LANE, compiled
from env.errors import ConfigError
from env.settings import MAX_ENVS, SEEDS, check_max_steps, check_num_envs

Infos = list[dict[str, list[float]]]


class DoctorPufferEnv(pufferlib.PufferEnv):  # type: ignore[misc]
    """Many clusters of Doctor-v0 as one native environment: the compiled loop writes into PufferLib's own buffers.

    Environment i is a DoctorEnv with the seed seed * 2^20 + i, with the same numbers to the last bit of a float32; but
    an episode's last step already shows the next one's first state, as PufferLib has it.

    Args:
        num_envs: 1 to 2^20.
        problems, max_steps: As in DoctorEnv.
        buf: PufferLib's buffers; None: own ones.
        seed: Unless `reset` gets another.
        reward_scale: What rewards are multiplied by, for PufferLib's trainer, which cuts them to [-1, 1]; returns in
            infos are not.

    Raises:
        ConfigError: A setting out of range.
    """

    def __init__(
        self,
        num_envs: int = 1024,
        problems: str = "any",
        max_steps: int = MAX_STEPS,
        buf: Any = None,
        seed: int = 0,
        reward_scale: float = 1.0,
    ) -> None:
        check_problems(problems)
        check_max_steps(max_steps, MOST_STEPS)
        check_num_envs(num_envs)
        self.single_observation_space = spaces.Box(0.0, 1.0, (len(FEATURES),), np.float32)
        self.single_action_space = spaces.Discrete(ACTIONS)
        self.num_agents = num_envs
        super().__init__(buf)
        self._problems, self._max_steps, self._seed = PROBLEMS.index(problems), max_steps, seed
        self._reward_scale = np.float32(reward_scale)
        self._recorded = checked_recorded(None)
        self._lanes = np.zeros(num_envs, LANE)
        self._actions = np.zeros(num_envs, np.int64)
        self._action_masks = np.ones((num_envs, ACTIONS), np.bool_)
        self._returns, self._ignored = np.zeros(num_envs), (np.zeros(1, np.float32), np.zeros((2, 1), np.bool_))

    def reset(self, seed: int | None = None) -> tuple[NDArray[np.float32], Infos]:
        """Start an episode in every environment."""
        first = (self._seed if seed is None else seed) * MAX_ENVS
        self._lanes["key"] = [(first + i) % SEEDS for i in range(self.num_agents)]
        self._lanes["episodes"], self._lanes["ended"] = 0, True
        self._returns[:] = 0
        self._act(slice(None), self.rewards, self.terminals, self.truncations)
        return self.observations, []

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], Infos]:
        """Step every environment, and start the next episode of each that has ended.

        Raises:
            ConfigError: No such action.
        """
        np.copyto(self._actions, actions, casting="same_kind")
        if self._actions.min() < 0 or self._actions.max() >= ACTIONS:
            raise ConfigError(
                f"actions from {self._actions.min()} to {self._actions.max()}: must be from 0 to {ACTIONS - 1}"
            )
        self._act(slice(None), self.rewards, self.terminals, self.truncations)
        self._returns += self.rewards
        self.rewards *= self._reward_scale
        ended = np.flatnonzero(self._lanes["ended"])
        infos = self._infos(ended)
        for i in ended:
            rewards, ends = self._ignored
            self._act(slice(i, i + 1), rewards, ends[0], ends[1])
        return self.observations, self.rewards, self.terminals, self.truncations, infos

    def close(self) -> None:
        """Nothing is open."""

    def _act(
        self, of: slice, rewards: NDArray[np.float32], terminals: NDArray[np.bool_], truncations: NDArray[np.bool_]
    ) -> None:
        lanes, states, masks = self._lanes[of], self.observations[of], self._action_masks[of]
        results = (states, rewards, terminals, truncations, masks)
        compiled()(lanes, self._problems, -1, -1, self._recorded, self._actions[of], self._max_steps, *results)

    def _infos(self, ended: NDArray[np.int64]) -> Infos:
        """Of the episodes that have ended in this step."""
        if not len(ended):
            return []
        lanes = self._lanes[ended]
        infos = {
            "is_success": lanes["is_success"].astype(float).tolist(),
            "episode_return": self._returns[ended].tolist(),
            "episode_length": lanes["steps"].astype(float).tolist(),
        }
        self._returns[ended] = 0
        return [infos]


def gymnasium_env(name: str, **settings: Any) -> Callable[..., Any]:
    """What makes one environment of Gymnasium for PufferLib's vectorisation, such as of `SimArena/Cluster-v0`."""
    make = partial(gymnasium.make, f"env:{name}", **settings)

    def create(buf: Any = None, seed: int = 0) -> Any:
        return pufferlib.emulation.GymnasiumPufferEnv(env_creator=make, buf=buf, seed=seed)

    return create
