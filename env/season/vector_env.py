"""Many workloads in one: a batch of SeasonEnv that steps in one compiled loop.

envs = gymnasium.make_vec("env:SimArena/Season-v0", num_envs=1024)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from env.lanes import LaneVectorEnv, VectorStep
from env.season.features import FEATURES, HIGHEST
from env.season.kernel import LANE, Game, compiled, game_of, given_of
from env.season.scene import line, season_picture
from env.season.season_env import checked_series, given_number
from env.season.series import Series, kind_number
from env.season.variants import JUMPS, WARM_UP, WINDOWS, Variant, checked_kappa, variant_named
from env.settings import check_keywords, steps_within


class SeasonVectorEnv(LaneVectorEnv):
    """`num_envs` of `env.season.season_env.SeasonEnv`, with the same numbers to the last bit.

    `info` holds the arrays `oom`, `changed`, `held` and `cost`, each with its mask `_key` as in Gymnasium.

    Args:
        num_envs: 1 to 2^20.
        variant, kind, kappa, series: As in SeasonEnv.
        render_mode: "ansi" makes `render` return a line of text for each environment, "rgb_array" a picture for each.
        max_episode_steps: As in `gymnasium.make`: episodes are truncated after so many windows, or after all of them.
        autoreset_mode: NEXT_STEP, or None, which is the same.
        disable_env_checker: As in `gymnasium.make`; there is none for vector environments.

    Raises:
        ConfigError: A setting out of range, or one that there is not.
    """

    def __init__(
        self,
        num_envs: int = 1,
        variant: str = "memory",
        kind: str | None = None,
        kappa: float | None = None,
        series: Series | None = None,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str | None = None,
        disable_env_checker: bool | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        states = spaces.Box(-HIGHEST, HIGHEST, (len(FEATURES),), np.float32)
        super().__init__(num_envs, states, len(JUMPS), LANE, render_mode, autoreset_mode)
        self._variant = variant_named(variant)
        self._game = game_of(self._variant, checked_kappa(kappa), kind_number(kind))
        self._given = given_of(checked_series(series, kind))
        self._windows = WARM_UP + steps_within(WINDOWS, max_episode_steps)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[Any]]]:
        """Start an episode in every environment.

        Args:
            seed: Environment i gets seed + i; or one for each, None for those that go on with theirs.
            options: As in SeasonEnv, but environment i plays the given workload `series` + i, in turns.

        Raises:
            ConfigError: Not one seed for each, or options that name no given workload.
        """
        number = given_number(options, len(self._given.peaks))
        states, _, _, _, info = self._stepped(self._begin(seed), number)
        return states, info

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Play a window in every environment; one whose episode has ended starts the next.

        Args:
            actions: Indices of `env.season.variants.JUMPS`, shape (num_envs,).

        Returns:
            States float32 (num_envs, len(FEATURES)); rewards float64, terminated and truncated bool (num_envs,); info.

        Raises:
            ConfigError: Not one action for each environment, or no such action.
            ResetNeeded: No episode has begun.
        """
        return self._stepped(self._wanted(actions), -1)

    def render(self) -> tuple[str, ...] | tuple[NDArray[np.uint8], ...] | None:
        """For each environment its workload: a line in mode "ansi", a picture in mode "rgb_array"."""
        if self.render_mode is None or not self._is_seeded:
            return None
        if self.render_mode == "ansi":
            return tuple(line(lane, self._variant) for lane in self._lanes)
        return tuple(season_picture(lane, self._variant) for lane in self._lanes)

    @property
    def variant(self) -> Variant:
        """What is asked for."""
        return self._variant

    @property
    def game(self) -> Game:
        """What is played, as compiled code takes it."""
        return self._game

    @property
    def lanes(self) -> NDArray[Any]:
        """All that there is to know of each environment, of `env.season.kernel.LANE`; not to be changed."""
        return self._lanes

    @property
    def plays_given(self) -> bool:
        """Whether workloads are given ones, whose laws are not known."""
        return len(self._given.peaks) > 0

    def _stepped(self, wanted: NDArray[np.int64], number: int) -> VectorStep:
        n = self.num_envs
        states, rewards = np.empty((n, len(FEATURES)), np.float32), np.empty(n)
        terminated, truncated = np.zeros(n, np.bool_), np.empty(n, np.bool_)
        compiled()(self._lanes, self._game, self._given, number, wanted, self._windows, states, rewards, truncated)
        info = self._info(oom="oom", changed="changed", held="held", cost="cost")
        return states, rewards, terminated, truncated, info
