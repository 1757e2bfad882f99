"""The Gymnasium environment: how much to request for a workload whose use varies over weeks.

env = gymnasium.make("env:SimArena/Season-v0", variant="memory", kind="weekly")
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env.errors import ConfigError
from env.printable import one_line
from env.season.features import FEATURES, HIGHEST
from env.season.kernel import LANE, compiled, game_of, given_of
from env.season.laws import KINDS
from env.season.scene import line, season_picture
from env.season.series import Series, kind_number
from env.season.variants import ALL_WINDOWS, JUMPS, checked_kappa, variant_named
from env.settings import RENDER_MODES, SEEDS, action_number, check_keywords, check_render_mode, seed_number


class SeasonEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One episode is one workload over 112 windows of six hours, after a week that is known; then it is truncated.

    A step decides on the request of a window, and lets it pass. The reward is minus what the window cost: the request
    over the typical peak, `kappa` if use was above the request, and the price of a change.

    Observations are `env.season.features.FEATURES`, float32 within [-4, 4]; actions are indices of
    `env.season.variants.JUMPS`: what they add to the request, in steps of 256Mi, 500m or one pod. `info` holds of the
    last window `oom` (use was above the request: OOM-killed, throttled or overloaded), `changed` (the request),
    `held` (the request over the typical peak) and `cost`; and `kind`, which the agent is not told.

    Args:
        variant: "memory", "cpu" or "replicas"; see `env.season.variants`.
        kind: One of `env.season.laws.KINDS`; None: any.
        kappa: The price of a window in which use is above the request; None: 4.
        series: Workloads to play instead of generated ones, in steps of the variant; one is drawn for each episode.
        render_mode: "ansi" makes `render` return one line of text, "rgb_array" a picture, uint8 of shape
            `env.picture.SHAPE`; "human" prints the line after every reset and step.

    Raises:
        ConfigError: A setting out of range.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        variant: str = "memory",
        kind: str | None = None,
        kappa: float | None = None,
        series: Series | None = None,
        render_mode: str | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_render_mode(render_mode)
        self._variant = variant_named(variant)
        self._game = game_of(self._variant, checked_kappa(kappa), kind_number(kind))
        self._given = given_of(checked_series(series, kind))
        self.observation_space = spaces.Box(-HIGHEST, HIGHEST, (len(FEATURES),), np.float32)
        self.action_space = spaces.Discrete(len(JUMPS))
        self.render_mode = render_mode
        self._lanes = np.zeros(1, LANE)
        self._is_seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode. Which workload it is follows from the last seed given and the number of episodes since.

        Args:
            seed: Of this and the following episodes.
            options: None, or "series": the number of the given workload to play, counted from 0.

        Raises:
            ConfigError: Options that name no given workload.
        """
        seed = seed_number(seed)
        number = given_number(options, len(self._given.peaks))
        super().reset(seed=seed)
        if seed is not None or not self._is_seeded:
            self._lanes["key"] = (seed if seed is not None else int(self.np_random.integers(SEEDS))) % SEEDS
            self._lanes["episodes"] = 0
            self._is_seeded = True
        self._lanes["ended"] = True
        state, _, _ = self._stepped(0, number)
        self._show()
        return state, info_of(self._lanes)

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Decide on the request of the next window, and let it pass.

        Raises:
            ConfigError: No such action.
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._is_seeded or self._lanes["ended"][0]:
            raise gymnasium.error.ResetNeeded("call reset first")
        state, reward, truncated = self._stepped(action_number(action, len(JUMPS)), -1)
        self._show()
        return state, reward, False, truncated, info_of(self._lanes)

    def render(self) -> str | NDArray[np.uint8] | None:
        """The workload: one line in mode "ansi", a picture in mode "rgb_array"; None in others."""
        if not self._is_seeded or self.render_mode not in ("ansi", "rgb_array"):
            return None
        lane = self._lanes[0]
        return line(lane, self._variant) if self.render_mode == "ansi" else season_picture(lane, self._variant)

    def _show(self) -> None:
        """Print what the last window was like, in mode "human"."""
        if self.render_mode == "human":
            print(one_line(line(self._lanes[0], self._variant)))

    def _stepped(self, action: int, number: int) -> tuple[NDArray[np.float32], float, bool]:
        states, rewards, ends = np.empty((1, len(FEATURES)), np.float32), np.empty(1), np.empty(1, np.bool_)
        wanted = np.array([action], np.int64)
        compiled()(self._lanes, self._game, self._given, number, wanted, ALL_WINDOWS, states, rewards, ends)
        return states[0], float(rewards[0]), bool(ends[0])


def info_of(lanes: NDArray[Any]) -> dict[str, Any]:
    """What a step tells besides its observation, of the first of some lanes."""
    lane = lanes[0]
    kind = int(lane["kind"])
    return {
        "oom": bool(lane["oom"]),
        "changed": bool(lane["changed"]),
        "held": float(lane["held"]),
        "cost": float(lane["cost"]),
        "kind": KINDS[kind] if kind >= 0 else None,
    }


def checked_series(series: Series | None, kind: str | None) -> Series | None:
    """Series that an environment can play, or None.

    Raises:
        ConfigError: There are none in it, they are not of the right shape, or a kind is asked for besides.
    """
    if series is None:
        return None
    if kind is not None:
        raise ConfigError(f"kind {kind!r:.80}: given series have their own; leave it out")
    n, peaks = len(series), np.asarray(series.peaks)
    if n == 0 or peaks.shape != (n, ALL_WINDOWS) or not np.isfinite(peaks).all() or peaks.min() <= 0:
        raise ConfigError(f"series: peaks {peaks.shape}; must be positive numbers, shape (n, {ALL_WINDOWS}), n > 0")
    return series


def given_number(options: dict[str, Any] | None, given: int) -> int:
    """The number of the given workload that options name; -1 if they name none.

    Raises:
        ConfigError: An option or a workload that there is not.
    """
    options = options or {}
    unknown = set(options) - {"series"}
    if unknown:
        raise ConfigError(f"options[{min(map(str, unknown))!r:.80}]: unknown; there is 'series'")
    if not options:
        return -1
    number = options["series"]
    if not isinstance(number, int | np.integer) or not 0 <= number < given:
        raise ConfigError(f"options['series'] {number!r:.80}: must be the number of one of {given} given workloads")
    return int(number)
