"""The Gymnasium environment: an agent finds out what is wrong with a cluster, mends what it can and reports the rest.

env = gymnasium.make("env:SimArena/Doctor-v0", problems="small")
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
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
from env.errors import ConfigError
from env.words import count

SEEDS = 2**63
"""Seeds are taken modulo this."""
PROBLEMS = tuple(each.name.lower().replace("_", "-") for each in Problems)
"""Names of `env.doctor.draw.Problems`, as the argument `problems` has them."""
MAX_STEPS = 100
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
        render_mode: "ansi" makes `render` return one line of text.
        recorded: Clusters to start episodes with instead, by `env.doctor.recording.starts_of`; shape (n,).

    Raises:
        ConfigError: A setting out of range.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012  (Gymnasium has no ClassVar here)

    def __init__(
        self,
        problems: str = "any",
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
        recorded: NDArray[Any] | None = None,
    ) -> None:
        check_settings(problems, max_steps, render_mode)
        self._recorded = checked_recorded(recorded)
        self.observation_space = spaces.Box(0.0, 1.0, (len(FEATURES),), np.float32)
        self.action_space = spaces.Discrete(ACTIONS)
        self.render_mode = render_mode
        self._problems = PROBLEMS.index(problems)
        self._max_steps = max_steps
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
        super().reset(seed=seed)
        shape, faults = given_problem(options)
        if seed is not None or not self._is_seeded:
            self._lanes["key"] = (seed if seed is not None else int(self.np_random.integers(SEEDS))) % SEEDS
            self._lanes["episodes"] = 0
            self._is_seeded = True
        self._lanes["ended"] = True
        self._action = None
        state, _, _, _ = self._stepped(0, shape, faults)
        return state, self._info()

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Act, let a minute pass, observe.

        Raises:
            ConfigError: No such action.
            ResetNeeded: The episode has ended, or none has begun.
        """
        if not self._is_seeded or self._lanes["ended"][0]:
            raise gymnasium.error.ResetNeeded("call reset first")
        self._action = checked_action(action)
        state, reward, terminated, truncated = self._stepped(self._action, -1, -1)
        return state, reward, terminated, truncated, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """True for each action that may change something or tell something now; sb3-contrib asks for it."""
        return self._mask.copy()

    def render(self) -> str | None:
        """One line about the cluster, in mode "ansi"."""
        if self.render_mode is None or not self._is_seeded:
            return None
        return line(record(self._lanes, 0), self._action)

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


def checked_action(action: Any) -> int:
    """An action as a number.

    Raises:
        ConfigError: No such action.
    """
    try:
        number = index(action)
    except TypeError:
        number = -1
    if not 0 <= number < ACTIONS:
        raise ConfigError(f"action {action!r:.80}: must be a whole number from 0 to {ACTIONS - 1}")
    return number


def given_problem(options: Mapping[str, Any] | None) -> tuple[int, int]:
    """Shape and faults, as bits, of the small problem that options name; -1 and -1 if they name none.

    Raises:
        ConfigError: An option, a fault or a shape that there is not.
    """
    options = options or {}
    unknown = set(options) - {"faults", "shape"}
    if unknown:
        raise ConfigError(f"options[{min(unknown)!r:.80}]: unknown; there are 'faults' and 'shape'")
    if not options:
        return -1, -1
    names, shape = options.get("faults") or (), options.get("shape", 0)
    names = (names,) if isinstance(names, str) else names
    if not isinstance(shape, int) or not 0 <= shape < len(SHAPES):
        raise ConfigError(f"options['shape'] {shape!r:.80}: must be a whole number from 0 to {len(SHAPES) - 1}")
    wrong = [name for name in names if not isinstance(name, str) or name not in _CAUSES]
    if wrong or not names:
        text = f"{wrong[0]!r:.80}" if wrong else "none"
        raise ConfigError(f"options['faults'] {text}: must name at least one of {', '.join(_CAUSES)}")
    return shape, sum({1 << _CAUSES[name] for name in names})


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


def check_settings(problems: str, max_steps: int, render_mode: str | None) -> None:
    """Accept an environment's settings.

    Raises:
        ConfigError: One out of range.
    """
    if problems not in PROBLEMS:
        raise ConfigError(f"problems {problems!r:.80}: unknown; choose from {', '.join(PROBLEMS)}")
    if not isinstance(max_steps, int) or not 1 <= max_steps < 2**31:
        raise ConfigError(f"max_steps {max_steps!r:.80}: must be a whole number from 1 to {2**31 - 1}")
    if render_mode not in (None, "ansi"):
        raise ConfigError(f"render_mode {render_mode!r}: must be None or 'ansi'")
