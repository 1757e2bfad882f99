"""Many fleets in one: a batch of FleetEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Fleet-v0", num_envs=1024)
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

from env.fleet.features import HIGHEST, LEAST, feature_names
from env.fleet.fleet_env import checked_problems, given_number
from env.fleet.kernel import LANE, compiled, game_of, given_of
from env.fleet.placement import new_room
from env.fleet.scene import fleet_picture, line
from env.fleet.variants import variant_named
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


class FleetVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """`num_envs` of `env.fleet.fleet_env.FleetEnv`, with the same numbers to the last bit.

    It is what `gymnasium.vector.SyncVectorEnv` would make of them: `reset(seed=s)` seeds environment i with s + i, and
    after an episode's last step the next step of that environment is its reset (AutoresetMode.NEXT_STEP): the action
    is ignored, the reward is 0.

    `info` holds the arrays `nodes`, `in_use`, `waiting` and `action_mask`, each with its mask `_key` as in Gymnasium.

    Args:
        num_envs: 1 to 2^20.
        variant, problems: As in FleetEnv.
        render_mode: "ansi" makes `render` return a line of text for each environment, "rgb_array" a picture for each.
        max_episode_steps: As in `gymnasium.make`: episodes are truncated after so many steps, or after the variant's.
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
        variant: str = "small",
        problems: NDArray[Any] | None = None,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str | None = None,
        disable_env_checker: bool | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_num_envs(num_envs)
        check_render_mode(render_mode, VECTOR_RENDER_MODES)
        check_autoreset_mode(autoreset_mode)
        self._variant = variant_named(variant)
        self._game = game_of(self._variant)
        self._given = given_of(checked_problems(problems, self._variant.most))
        self._steps = steps_within(self._variant.steps, max_episode_steps)
        self._features = len(feature_names(self._variant))
        self.num_envs = num_envs = int(num_envs)
        self.render_mode = render_mode
        self.single_observation_space = spaces.Box(LEAST, HIGHEST, (self._features,), np.float32)
        self.single_action_space = spaces.Discrete(self._variant.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._lanes = np.zeros(num_envs, LANE)
        self._masks = np.ones((num_envs, self._variant.actions), np.bool_)
        self._room = new_room()
        self._is_seeded = False
        self._all = np.ones(num_envs, np.bool_)
        self._all.flags.writeable = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Start an episode in every environment.

        Args:
            seed: Environment i gets seed + i; or one for each, None for those that go on with theirs.
            options: As in FleetEnv, but environment i plays the given problem `problem` + i, in turns.

        Raises:
            ConfigError: Not one seed for each, or options that name no given problem.
        """
        number = given_number(options, len(self._given))
        seed = seed if isinstance(seed, Sequence | np.ndarray) else seed_number(seed)
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._seed(seed)
        self._lanes["ended"] = True
        states, _, _, _, info = self._stepped(np.zeros(self.num_envs, np.int64), number)
        return states, info

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Step every environment; one whose episode has ended starts the next.

        Args:
            actions: As in FleetEnv, shape (num_envs,).

        Returns:
            States float32 (num_envs, features); rewards float64, terminated and truncated bool (num_envs,); info.

        Raises:
            ConfigError: Not one action for each environment, or no such action.
            ResetNeeded: No episode has begun.
        """
        if not self._is_seeded:
            raise gymnasium.error.ResetNeeded("call reset first")
        return self._stepped(action_numbers(actions, self.num_envs, self._variant.actions), -1)

    def render(self) -> tuple[str, ...] | tuple[NDArray[np.uint8], ...] | None:
        """For each environment its fleet: a line in mode "ansi", a picture in mode "rgb_array"."""
        if self.render_mode is None or not self._is_seeded:
            return None
        if self.render_mode == "ansi":
            return tuple(line(lane) for lane in self._lanes)
        return tuple(fleet_picture(lane) for lane in self._lanes)

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions change something, or keep a service as it is, bool (num_envs, actions); sb3-contrib's name."""
        return self._masks.copy()

    @property
    def lanes(self) -> NDArray[Any]:
        """All that there is to know of each environment, of `env.fleet.kernel.LANE`; not to be changed."""
        return self._lanes

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

    def _stepped(self, wanted: NDArray[np.int64], number: int) -> VectorStep:
        n = self.num_envs
        states, rewards = np.empty((n, self._features), np.float32), np.empty(n)
        terminated, truncated = np.zeros(n, np.bool_), np.empty(n, np.bool_)
        self._masks = np.empty((n, self._variant.actions), np.bool_)
        results = (states, self._masks, rewards, truncated)
        compiled()(self._lanes, self._game, self._given, number, wanted, self._steps, self._room, *results)
        info: dict[str, NDArray[Any]] = {"action_mask": self._masks, "_action_mask": self._all}
        for name, field in (("nodes", "fewest_nodes"), ("in_use", "nodes"), ("waiting", "waiting")):
            info[name], info["_" + name] = self._lanes[field].copy(), self._all
        return states, rewards, terminated, truncated, info
