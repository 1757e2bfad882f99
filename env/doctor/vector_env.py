"""Many doctors' clusters in one: a batch of DoctorEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Doctor-v0", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
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
from env.lanes import LaneVectorEnv, VectorStep
from env.settings import check_keywords, steps_within


class DoctorVectorEnv(LaneVectorEnv):
    """`num_envs` of `env.doctor.doctor_env.DoctorEnv`, with the same numbers to the last bit.

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
        check_problems(problems)
        states = spaces.Box(0.0, 1.0, (len(FEATURES),), np.float32)
        super().__init__(num_envs, states, ACTIONS, LANE, render_mode, autoreset_mode)
        self._max_steps = steps_within(max_steps, max_episode_steps, MOST_STEPS)
        self._recorded = checked_recorded(recorded)
        self._problems = PROBLEMS.index(problems)
        self._actions = np.full(num_envs, -1)
        self._masks = np.ones((self.num_envs, ACTIONS), np.bool_)

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
        states, _, _, _, info = self._stepped(self._begin(seed), shape, faults)
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
        return self._stepped(self._wanted(actions), -1, -1)

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

    def _stepped(self, wanted: NDArray[np.int64], shape: int, faults: int) -> VectorStep:
        n = self.num_envs
        states, rewards = np.empty((n, len(FEATURES)), np.float32), np.empty(n)
        terminated, truncated = np.empty(n, np.bool_), np.empty(n, np.bool_)
        self._masks, self._actions = np.empty((n, ACTIONS), np.bool_), wanted
        results = (states, rewards, terminated, truncated, self._masks)
        compiled()(self._lanes, self._problems, shape, faults, self._recorded, wanted, self._max_steps, *results)
        info = self._info(is_success="is_success", reported="reported")
        info["action_mask"], info["_action_mask"] = self._masks, self._all
        return states, rewards, terminated, truncated, info
