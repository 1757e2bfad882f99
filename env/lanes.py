"""What compiled vector environments have in common: one record for each environment, a lane, which a loop steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Space
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import DTypeLike, NDArray

from env.settings import (
    SEEDS,
    VECTOR_RENDER_MODES,
    action_numbers,
    check_autoreset_mode,
    check_num_envs,
    check_render_mode,
    seed_number,
    seeds_of,
)

VectorStep = tuple[
    NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[Any]]
]
"""States, rewards, terminated, truncated, info."""


class LaneVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """What `gymnasium.vector.SyncVectorEnv` would make of `num_envs` single environments, with the same numbers.

    `reset(seed=s)` seeds environment i with s + i, and after an episode's last step the next step of that environment
    is its reset (AutoresetMode.NEXT_STEP): the action is ignored, the reward is 0.

    Args:
        num_envs: 1 to 2^20.
        states: Of one environment.
        actions: How many one environment has.
        lane: Of the record of one environment; it has the fields `key`, `episodes` and `ended`.
        render_mode: One of `VECTOR_RENDER_MODES`, or None.
        autoreset_mode: NEXT_STEP, or None, which is the same.

    Raises:
        ConfigError: A setting out of range, or one that there is not.
    """

    metadata = {  # noqa: RUF012  (Gymnasium has no ClassVar here)
        "render_modes": VECTOR_RENDER_MODES,
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        states: Space[NDArray[np.float32]],
        actions: int,
        lane: DTypeLike,
        render_mode: str | None,
        autoreset_mode: AutoresetMode | str | None,
    ) -> None:
        check_num_envs(num_envs)
        check_render_mode(render_mode, VECTOR_RENDER_MODES)
        check_autoreset_mode(autoreset_mode)
        self.num_envs = num_envs = int(num_envs)
        self.render_mode = render_mode
        self.single_observation_space = states
        self.single_action_space = Discrete(actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._number_of_actions = actions
        self._lanes = np.zeros(num_envs, lane)
        self._is_seeded = False
        self._all = np.ones(num_envs, np.bool_)
        self._all.flags.writeable = False

    def _begin(self, seed: int | Sequence[int | None] | None) -> NDArray[np.int64]:
        """Seed the environments and end all episodes; the actions, which count for nothing, of the step that resets.

        Raises:
            ConfigError: Not one seed for each environment, or one that is no whole number of at least 0.
        """
        seed = seed if isinstance(seed, Sequence | np.ndarray) else seed_number(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._seed(seed)
        self._lanes["ended"] = True
        return np.zeros(self.num_envs, np.int64)

    def _wanted(self, actions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The actions of a step.

        Raises:
            ConfigError: Not one action for each environment, or no such action.
            ResetNeeded: No episode has begun.
        """
        if not self._is_seeded:
            raise gymnasium.error.ResetNeeded("call reset first")
        return action_numbers(actions, self.num_envs, self._number_of_actions)

    def _info(self, **fields: str) -> dict[str, NDArray[Any]]:
        """Copies of fields of all lanes by the names that they have in `info`, each with its mask `_name`."""
        info: dict[str, NDArray[Any]] = {}
        for name, field in fields.items():
            info[name], info["_" + name] = self._lanes[field].copy(), self._all
        return info

    def _seed(self, seed: int | Sequence[int | None] | None) -> None:
        if seed is None and self._is_seeded:
            return
        if seed is None:
            seeds: list[int | None] = self.np_random.integers(SEEDS, size=self.num_envs).tolist()
        else:
            seeds = seeds_of(seed, self.num_envs)
        for i, each in enumerate(seeds):
            if each is not None or not self._is_seeded:
                key = int(self.np_random.integers(SEEDS)) if each is None else each % SEEDS
                self._lanes["key"][i], self._lanes["episodes"][i] = key, 0
        self._is_seeded = True
