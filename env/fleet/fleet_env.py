"""The Gymnasium environment: several services on the fewest nodes.

env = gymnasium.make("env:SimArena/Fleet-v0", variant="large")
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env.engine.scheduling.nodes import DEFAULT_PODS
from env.errors import ConfigError
from env.fleet.draw import PROBLEM
from env.fleet.features import HIGHEST, LEAST, feature_names
from env.fleet.kernel import LANE, compiled, game_of, given_of
from env.fleet.placement import new_room
from env.fleet.scene import fleet_picture, line
from env.fleet.variants import MOST_NEIGHBOURS, MOST_REPLICAS, MOST_SERVICES, variant_named
from env.printable import one_line
from env.settings import RENDER_MODES, SEEDS, action_number, check_keywords, check_render_mode, seed_number

_LARGEST = 1 << 24
"""Of amounts in given problems: compiled code divides a hundred times as much exactly."""
_ALLOWED = {
    "neighbours": (0, MOST_NEIGHBOURS),
    "second_share": (0, 3),
    "daemons": (0, DEFAULT_PODS),
    "cpu_m": (1, _LARGEST),
    "memory_mib": (1, _LARGEST),
    "fewest": (1, MOST_REPLICAS),
    "start": (1, MOST_REPLICAS),
    "cpu_offset_m": (1, _LARGEST),
    "memory_offset_mib": (1, _LARGEST),
    "neighbour_pods": (0, MOST_REPLICAS),
}
"""From where to where numbers of given problems may be; others from 0 to `_LARGEST`."""
_OF_SERVICES_THERE = ("fewest", "start", "cpu_offset_m", "memory_offset_mib")


class FleetEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One episode is one problem over 60 replays (large: 120); then it is truncated.

    A step changes the replicas of one service, whose requests follow what its pods use then, and replays all from
    empty nodes. While everything is Ready a node is drained, so that there is always one node less than was enough.
    The reward is by how much the nodes in use, and the pods that wait, in nodes, became fewer.

    Observations are those of `env.fleet.features.feature_names`, float32 within [-1, 2]; an action is `service * 7 +
    index` of `env.fleet.variants.JUMPS`. `info` holds `nodes` (the fewest on which all was Ready so far), `in_use`
    (nodes now), `waiting` (pods that wait, in nodes) and `action_mask` (actions that change something, or keep a
    service as it is, bool).

    Args:
        variant: "small" or "large"; see `env.fleet.variants`.
        problems: To play instead of generated ones, of `env.fleet.draw.PROBLEM`; one is drawn for each episode.
        render_mode: "ansi" makes `render` return one line of text, "rgb_array" a picture, uint8 of shape
            `env.picture.SHAPE`; "human" prints the line after every reset and step.

    Raises:
        ConfigError: A setting out of range.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        variant: str = "small",
        problems: NDArray[Any] | None = None,
        render_mode: str | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_render_mode(render_mode)
        self._variant = variant_named(variant)
        self._game = game_of(self._variant)
        self._given = given_of(checked_problems(problems, self._variant.most))
        self._features = len(feature_names(self._variant))
        self.observation_space = spaces.Box(LEAST, HIGHEST, (self._features,), np.float32)
        self.action_space = spaces.Discrete(self._variant.actions)
        self.render_mode = render_mode
        self._lanes = np.zeros(1, LANE)
        self._mask = np.ones(self._variant.actions, np.bool_)
        self._room = new_room()
        self._is_seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode. Which problem it is follows from the last seed given and the number of episodes since.

        Args:
            seed: Of this and the following episodes.
            options: None, or "problem": the number of the given problem to play, counted from 0.

        Raises:
            ConfigError: Options that name no given problem.
        """
        seed = seed_number(seed)
        number = given_number(options, len(self._given))
        super().reset(seed=seed)
        if seed is not None or not self._is_seeded:
            self._lanes["key"] = (seed if seed is not None else int(self.np_random.integers(SEEDS))) % SEEDS
            self._lanes["episodes"] = 0
            self._is_seeded = True
        self._lanes["ended"] = True
        state, _, _ = self._stepped(0, number)
        self._show()
        return state, self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Change a service's replicas, replay, and drain nodes while all is Ready.

        Raises:
            ConfigError: No such action.
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._is_seeded or self._lanes["ended"][0]:
            raise gymnasium.error.ResetNeeded("call reset first")
        state, reward, truncated = self._stepped(action_number(action, self._variant.actions), -1)
        self._show()
        return state, reward, False, truncated, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions change something, or keep a service as it is, bool; sb3-contrib's name."""
        return self._mask.copy()

    def render(self) -> str | NDArray[np.uint8] | None:
        """The fleet: one line in mode "ansi", a picture in mode "rgb_array"; None in others."""
        if not self._is_seeded or self.render_mode not in ("ansi", "rgb_array"):
            return None
        lane = self._lanes[0]
        return line(lane) if self.render_mode == "ansi" else fleet_picture(lane)

    def _show(self) -> None:
        """Print where the episode stands, in mode "human"."""
        if self.render_mode == "human":
            print(one_line(line(self._lanes[0])))

    def _info(self) -> dict[str, Any]:
        lane = self._lanes[0]
        return {
            "nodes": int(lane["fewest_nodes"]),
            "in_use": int(lane["nodes"]),
            "waiting": float(lane["waiting"]),
            "action_mask": self._mask.copy(),
        }

    def _stepped(self, action: int, number: int) -> tuple[NDArray[np.float32], float, bool]:
        states, rewards, ends = np.empty((1, self._features), np.float32), np.empty(1), np.empty(1, np.bool_)
        results = (states, self._mask[np.newaxis], rewards, ends)
        wanted = np.array([action], np.int64)
        compiled()(self._lanes, self._game, self._given, number, wanted, self._variant.steps, self._room, *results)
        return states[0], float(rewards[0]), bool(ends[0])


def checked_problems(problems: NDArray[Any] | None, most: int) -> NDArray[Any] | None:
    """Problems that an environment can play, or None.

    Raises:
        ConfigError: There are none in it, they are not of PROBLEM, or a number is out of its range.
    """
    if problems is None:
        return None
    if not isinstance(problems, np.ndarray) or problems.dtype != PROBLEM or problems.ndim != 1 or not len(problems):
        raise ConfigError("problems: must be an array of env.fleet.draw.PROBLEM, shape (n,), n > 0")
    there = np.arange(MOST_SERVICES) < problems["services"][:, np.newaxis]
    allowed = {**_ALLOWED, "services": (1, most)}
    for name in PROBLEM.names or ():
        least, largest = allowed.get(name, (0, _LARGEST))
        values = problems[name][there] if name in _OF_SERVICES_THERE else problems[name]
        if len(values) and (values.min() < least or values.max() > largest):
            found = values.min() if values.min() < least else values.max()
            raise ConfigError(f"problems: {name} {found}: must be from {least} to {largest}")
    return problems


def given_number(options: dict[str, Any] | None, given: int) -> int:
    """The number of the given problem that options name; -1 if they name none.

    Raises:
        ConfigError: An option or a problem that there is not.
    """
    options = options or {}
    unknown = set(options) - {"problem"}
    if unknown:
        raise ConfigError(f"options[{min(map(str, unknown))!r:.80}]: unknown; there is 'problem'")
    if not options:
        return -1
    number = options["problem"]
    if not isinstance(number, int | np.integer) or not 0 <= number < given:
        raise ConfigError(f"options['problem'] {number!r:.80}: must be the number of one of {given} given problems")
    return int(number)
