"""Many fleets in one: a batch of FleetEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Fleet-v0", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from env.fleet.features import HIGHEST, LEAST, feature_names
from env.fleet.fleet_env import checked_problems, given_number
from env.fleet.kernel import LANE, compiled, game_of, given_of
from env.fleet.placement import new_room
from env.fleet.scene import fleet_picture, line
from env.fleet.variants import variant_named
from env.lanes import LaneVectorEnv, VectorStep
from env.settings import check_keywords, steps_within


class FleetVectorEnv(LaneVectorEnv):
    """`num_envs` of `env.fleet.fleet_env.FleetEnv`, with the same numbers to the last bit.

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
        self._variant = variant_named(variant)
        self._features = len(feature_names(self._variant))
        states = spaces.Box(LEAST, HIGHEST, (self._features,), np.float32)
        super().__init__(num_envs, states, self._variant.actions, LANE, render_mode, autoreset_mode)
        self._game = game_of(self._variant)
        self._given = given_of(checked_problems(problems, self._variant.most))
        self._steps = steps_within(self._variant.steps, max_episode_steps)
        self._masks = np.ones((self.num_envs, self._variant.actions), np.bool_)
        self._room = new_room()

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
        states, _, _, _, info = self._stepped(self._begin(seed), number)
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
        return self._stepped(self._wanted(actions), -1)

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

    def _stepped(self, wanted: NDArray[np.int64], number: int) -> VectorStep:
        n = self.num_envs
        states, rewards = np.empty((n, self._features), np.float32), np.empty(n)
        terminated, truncated = np.zeros(n, np.bool_), np.empty(n, np.bool_)
        self._masks = np.empty((n, self._variant.actions), np.bool_)
        results = (states, self._masks, rewards, truncated)
        compiled()(self._lanes, self._game, self._given, number, wanted, self._steps, self._room, *results)
        info = self._info(nodes="fewest_nodes", in_use="nodes", waiting="waiting")
        info["action_mask"], info["_action_mask"] = self._masks, self._all
        return states, rewards, terminated, truncated, info
