"""Many doctors' clusters in one: a batch of DoctorEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Doctor-v0", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS
from env.doctor.cluster import record
from env.doctor.doctor_env import (
    MAX_STEPS,
    MOST_STEPS,
    PROBLEMS,
    check_problems,
    checked_recorded,
    faults_of,
    given_problem,
    line,
)
from env.doctor.features import FEATURES
from env.doctor.kernel import LANE, compiled
from env.doctor.scene import cluster_picture
from env.settings import (
    SEEDS,
    VECTOR_RENDER_MODES,
    action_numbers,
    check_autoreset_mode,
    check_keywords,
    check_num_envs,
    check_render_mode,
    seed_number,
    seeds_of,
    steps_within,
)

VectorStep = tuple[
    NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[Any]]
]


class DoctorVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """`num_envs` of `env.doctor.doctor_env.DoctorEnv`, with the same numbers to the last bit.

    It is what `gymnasium.vector.SyncVectorEnv` would make of them: `reset(seed=s)` seeds environment i with s + i, and
    after an episode's last step the next step of that environment is its reset (AutoresetMode.NEXT_STEP): the action
    is ignored, the reward is 0.

    `info` holds the arrays `is_success`, `reported` and `action_mask`, each with its mask `_key` as in Gymnasium.

    Args:
        num_envs: 1 to 2^20.
        problems, max_steps, recorded: As in DoctorEnv.
        render_mode: "ansi" makes `render` return a line of text for each environment, "rgb_array" a picture for each.
        max_episode_steps: As in `gymnasium.make`: episodes are truncated after so many steps, or after `max_steps`.
        autoreset_mode: NEXT_STEP, or None, which is the same.
        disable_env_checker: As in `gymnasium.make`; there is none for vector environments.

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
        num_envs: int = 1,
        problems: str = "any",
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
        recorded: NDArray[Any] | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str | None = None,
        disable_env_checker: bool | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_num_envs(num_envs)
        check_problems(problems)
        check_render_mode(render_mode, VECTOR_RENDER_MODES)
        check_autoreset_mode(autoreset_mode)
        self._max_steps = steps_within(max_steps, max_episode_steps, MOST_STEPS)
        self._recorded = checked_recorded(recorded)
        self.num_envs = num_envs = int(num_envs)
        self.render_mode = render_mode
        self.single_observation_space = spaces.Box(0.0, 1.0, (len(FEATURES),), np.float32)
        self.single_action_space = spaces.Discrete(ACTIONS)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._problems = PROBLEMS.index(problems)
        self._lanes = np.zeros(num_envs, LANE)
        self._actions = np.full(num_envs, -1)
        self._masks = np.ones((num_envs, ACTIONS), np.bool_)
        self._is_seeded = False
        self._all = np.ones(num_envs, np.bool_)
        self._all.flags.writeable = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Start an episode in every environment.

        Args:
            seed: Environment i gets seed + i; or one for each, None for those that go on with theirs.
            options: As in DoctorEnv, for all environments.

        Raises:
            ConfigError: Not one seed for each, or options that name no small problem.
        """
        shape, faults = given_problem(options)
        seed = seed if isinstance(seed, Sequence | np.ndarray) else seed_number(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._seed(seed)
        self._lanes["ended"] = True
        states, _, _, _, info = self._stepped(np.zeros(self.num_envs, np.int64), shape, faults)
        return states, info

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Step every environment; one whose episode has ended starts the next.

        Args:
            actions: Indices of `env.doctor.actions.DoctorAction`, shape (num_envs,).

        Returns:
            States float32 (num_envs, 18); rewards float64, terminated and truncated bool (num_envs,); info.

        Raises:
            ConfigError: Not one action for each environment, or no such action.
            ResetNeeded: No episode has begun.
        """
        if not self._is_seeded:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self._stepped(action_numbers(actions, self.num_envs, ACTIONS), -1, -1)

    def action_masks(self) -> NDArray[np.bool_]:
        """Of shape (num_envs, 15): True for each action that may change something or tell something now."""
        return self._masks.copy()

    def faults(self, number: int) -> dict[str, int]:
        """What is wrong with the cluster of environment `number`; the doctor is not told."""
        return faults_of(record(self._lanes, number))

    def render(self) -> tuple[str, ...] | tuple[NDArray[np.uint8], ...] | None:
        """For each environment its cluster: a line in mode "ansi", a picture in mode "rgb_array"."""
        if self.render_mode is None or not self._is_seeded:
            return None
        starts, clusters = self._lanes["steps"] == 0, [record(self._lanes, i) for i in range(self.num_envs)]
        texts = [line(each, None if starts[i] else int(self._actions[i])) for i, each in enumerate(clusters)]
        return tuple(texts) if self.render_mode == "ansi" else tuple(map(cluster_picture, texts, clusters))

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

    def _stepped(self, wanted: NDArray[np.int64], shape: int, faults: int) -> VectorStep:
        n = self.num_envs
        states, rewards = np.empty((n, len(FEATURES)), np.float32), np.empty(n)
        terminated, truncated = np.empty(n, np.bool_), np.empty(n, np.bool_)
        self._masks, self._actions = np.empty((n, ACTIONS), np.bool_), wanted
        results = (states, rewards, terminated, truncated, self._masks)
        compiled()(self._lanes, self._problems, shape, faults, self._recorded, wanted, self._max_steps, *results)
        info: dict[str, NDArray[Any]] = {"action_mask": self._masks, "_action_mask": self._all}
        for name in ("is_success", "reported"):
            info[name], info["_" + name] = self._lanes[name].copy(), self._all
        return states, rewards, terminated, truncated, info
