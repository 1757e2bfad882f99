"""The Gymnasium environment: an agent finds out what is wrong with a cluster, mends what it can and reports the rest.

env = gymnasium.make("env:SimArena/Doctor-v0", problems="small")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from env.doctor.actions import ACTIONS, DoctorAction
from env.doctor.cluster import CLUSTER, failing, record, without_image
from env.doctor.draw import SHAPES, Problems
from env.doctor.faults import CAUSES, Fault
from env.doctor.features import FEATURES
from env.doctor.kernel import LANE, compiled
from env.doctor.scene import cluster_picture
from env.errors import ConfigError
from env.printable import one_line
from env.settings import (
    RENDER_MODES,
    SEEDS,
    action_number,
    check_keywords,
    check_max_steps,
    check_render_mode,
    seed_number,
)
from env.words import count

PROBLEMS = tuple(each.name.lower().replace("_", "-") for each in Problems)
"""Names of `env.doctor.draw.Problems`, as the argument `problems` has them."""
MAX_STEPS = 100
MOST_STEPS = 2**31
"""What `max_steps` must be below."""
FAULT_NAMES = tuple(fault.name.lower().replace("_", "-") for fault in Fault)
"""Names of `env.doctor.faults.Fault`, as options and `info` have them."""
_CAUSES = {FAULT_NAMES[fault]: fault for fault in CAUSES}


class DoctorEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One episode is one cluster with faults; it ends when nothing is wrong, or with a correct report.

    Observations are `env.doctor.features.FEATURES`, float32 of shape (18,) within [0, 1]; actions are the indices of
    `env.doctor.actions.DoctorAction`. `info` holds `is_success`, `reported`, `action_mask` and `faults`: how many nodes
    or pods each fault concerns, by name, which the doctor is not told.

    Args:
        problems: "any", "small", "held-out", "large", "no-metrics" or "varied"; see `env.doctor.draw.Problems`.
        max_steps: Steps after which an episode is truncated.
        render_mode: "ansi" makes `render` return one line of text, "rgb_array" a picture, uint8 of shape
            `env.picture.SHAPE`; "human" prints the line after every reset and step.
        recorded: Clusters to start episodes with instead, by `env.doctor.recording.starts_of`; shape (n,).

    Raises:
        ConfigError: A setting out of range.
    """

    metadata = {"render_modes": RENDER_MODES, "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        problems: str = "any",
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
        recorded: NDArray[Any] | None = None,
        **unknown: object,
    ) -> None:
        check_keywords(unknown, type(self))
        check_problems(problems)
        check_max_steps(max_steps, MOST_STEPS)
        check_render_mode(render_mode)
        self._recorded = checked_recorded(recorded)
        self.observation_space = spaces.Box(0.0, 1.0, (len(FEATURES),), np.float32)
        self.action_space = spaces.Discrete(ACTIONS)
        self.render_mode = render_mode
        self._problems = PROBLEMS.index(problems)
        self._max_steps = int(max_steps)
        self._lanes = np.zeros(1, LANE)
        self._mask = np.ones(ACTIONS, np.bool_)
        self._is_seeded = False
        self._action: int | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode. Which problem it is follows from the last seed given and the number of episodes since.

        Args:
            seed: Of this and the following episodes.
            options: A small problem to start with: "faults", a list of names (`unbound-claim`, `dns`, …), and
                "shape", an index in `env.doctor.draw.SHAPES` (0).

        Raises:
            ConfigError: Options that name no small problem.
        """
        seed = seed_number(seed)
        super().reset(seed=seed)
        shape, faults = given_problem(options)
        if seed is not None or not self._is_seeded:
            self._lanes["key"] = (seed if seed is not None else int(self.np_random.integers(SEEDS))) % SEEDS
            self._lanes["episodes"] = 0
            self._is_seeded = True
        self._lanes["ended"] = True
        self._action = None
        state, _, _, _ = self._stepped(0, shape, faults)
        self._show()
        return state, self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act, let a minute pass, observe.

        Raises:
            ConfigError: No such action.
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._is_seeded or self._lanes["ended"][0]:
            raise gymnasium.error.ResetNeeded("call reset first")
        self._action = action_number(action, ACTIONS)
        state, reward, terminated, truncated = self._stepped(self._action, -1, -1)
        self._show()
        return state, reward, terminated, truncated, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """True for each action that may change something or tell something now; sb3-contrib asks for it."""
        return self._mask.copy()

    def render(self) -> str | NDArray[np.uint8] | None:
        """The cluster: one line in mode "ansi", a picture in mode "rgb_array"; None in others."""
        if not self._is_seeded or self.render_mode not in ("ansi", "rgb_array"):
            return None
        cluster = record(self._lanes, 0)
        text = line(cluster, self._action)
        return text if self.render_mode == "ansi" else cluster_picture(text, cluster)

    def _show(self) -> None:
        """Print what the cluster is like, in mode "human"."""
        if self.render_mode == "human":
            print(one_line(line(record(self._lanes, 0), self._action)))

    def _stepped(self, action: int, shape: int, faults: int) -> tuple[NDArray[np.float32], float, bool, bool]:
        states, rewards = np.empty((1, len(FEATURES)), np.float32), np.empty(1)
        ends, masks = np.empty((2, 1), np.bool_), np.empty((1, ACTIONS), np.bool_)
        wanted = np.array([action], np.int64)
        results = (states, rewards, ends[0], ends[1], masks)
        compiled()(self._lanes, self._problems, shape, faults, self._recorded, wanted, self._max_steps, *results)
        self._mask = masks[0]
        return states[0], float(rewards[0]), bool(ends[0, 0]), bool(ends[1, 0])

    def _info(self) -> dict[str, Any]:
        return {
            "is_success": bool(self._lanes["is_success"][0]),
            "reported": bool(self._lanes["reported"][0]),
            "action_mask": self.action_masks(),
            "faults": named(self._lanes["amount"][0]),
        }


def faults_of(cluster: Any) -> dict[str, int]:
    """What is wrong with a cluster: how many nodes or pods each fault concerns, by name."""
    return named(cluster.amount)


def named(amounts: NDArray[np.int32]) -> dict[str, int]:
    """The amounts of faults that are there, by name."""
    return {name: amount for name, amount in zip(FAULT_NAMES, amounts.tolist(), strict=True) if amount > 0}


def line(lane: Any, action: int | None) -> str:
    """What a cluster is like, for people; `action` is None after a reset."""
    done = "reset" if action is None else DoctorAction(action).name.lower()
    wrong = ", ".join(f"{name} {amount}" for name, amount in faults_of(lane).items())
    running = lane.placed - failing(lane) - without_image(lane)
    end = " (a correct report)" if lane.reported else ""
    return f"step {lane.steps}: {done} -> {count(int(running), 'pod')} running; {wrong or 'healthy'}{end}"


def given_problem(options: Mapping[str, Any] | None) -> tuple[int, int]:
    """Shape and faults, as bits, of the small problem that options name; -1 and -1 if they name none.

    Raises:
        ConfigError: An option, a fault or a shape that there is not.
    """
    options = options or {}
    unknown = set(options) - {"faults", "shape"}
    if unknown:
        raise ConfigError(f"options[{min(map(str, unknown))!r:.80}]: unknown; there are 'faults' and 'shape'")
    if not options:
        return -1, -1
    names, shape = options.get("faults") or (), options.get("shape", 0)
    names = (names,) if isinstance(names, str) else names
    if not isinstance(shape, int | np.integer) or not 0 <= shape < len(SHAPES):
        raise ConfigError(f"options['shape'] {shape!r:.80}: must be a whole number from 0 to {len(SHAPES) - 1}")
    wrong = [name for name in names if not isinstance(name, str) or name not in _CAUSES]
    if wrong or not names:
        text = f"{wrong[0]!r:.80}" if wrong else "none"
        raise ConfigError(f"options['faults'] {text}: must name at least one of {', '.join(_CAUSES)}")
    return int(shape), sum({1 << _CAUSES[name] for name in names})


def checked_recorded(recorded: NDArray[Any] | None) -> NDArray[Any]:
    """Clusters as the kernel takes them: those that were recorded, or none.

    Raises:
        ConfigError: They are not of CLUSTER.
    """
    if recorded is None:
        return np.zeros(0, CLUSTER)
    if recorded.dtype != CLUSTER or recorded.shape[1:] or not len(recorded):
        raise ConfigError(f"recorded: {recorded.dtype!s:.80} {recorded.shape}; must be of CLUSTER, shape (n,), n > 0")
    return recorded


def check_problems(problems: str) -> None:
    """Accept a name of problems.

    Raises:
        ConfigError: There is no such.
    """
    if problems not in PROBLEMS:
        raise ConfigError(f"problems {problems!r:.80}: unknown; choose from {', '.join(PROBLEMS)}")
