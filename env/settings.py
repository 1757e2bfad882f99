"""What environments take from whoever makes, resets and steps them: Gymnasium, the libraries on it, and people.

Such libraries add settings of their own (Stable-Baselines3 `render_mode="rgb_array"`, `gymnasium.make_vec` the keyword
`max_episode_steps`), and hand over numbers as Python's, NumPy's or arrays without a dimension.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from env.errors import ConfigError
from env.words import count

SEEDS = 2**63
"""Seeds are taken modulo this."""
MAX_ENVS = 2**20
"""The most environments of a vector environment."""
RENDER_MODES = ["human", "ansi", "rgb_array"]
"""A line that is printed after every reset and step; a line of text; a picture, see `env.picture`."""
VECTOR_RENDER_MODES = ["ansi", "rgb_array"]
_WHERE_OTHERS_ARE = 'gymnasium.make_vec(…, vectorization_mode="sync", vector_kwargs={"autoreset_mode": …})'


def check_keywords(unknown: Mapping[str, object], made: type) -> None:
    """Refuse keywords that an environment does not have.

    Args:
        unknown: Those that its constructor did not know.
        made: The environment's class.

    Raises:
        ConfigError: There are some; it names one, and all that are known.
    """
    if unknown:
        known = [name for name, each in inspect.signature(made).parameters.items() if each.kind is not each.VAR_KEYWORD]
        raise ConfigError(f"{made.__name__}: unknown keyword {min(unknown)!r:.80}; there are {', '.join(known)}")


def check_render_mode(mode: str | None, modes: Sequence[str] = RENDER_MODES) -> None:
    """Accept a way to render, or None.

    Raises:
        ConfigError: There is no such way.
    """
    if mode is not None and mode not in modes:
        raise ConfigError(f"render_mode {mode!r:.80}: must be None, {', '.join(map(repr, modes))}")


def check_max_steps(max_steps: int, below: int = SEEDS) -> None:
    """Accept a number of steps, a NumPy one included.

    Raises:
        ConfigError: It is no whole number from 1 to below - 1.
    """
    if not isinstance(max_steps, int | np.integer) or not 1 <= max_steps < below:
        raise ConfigError(f"max_steps {max_steps!r:.80}: must be a whole number from 1 to {below - 1}")


def check_num_envs(num_envs: int) -> None:
    """Accept a number of environments.

    Raises:
        ConfigError: It is out of range.
    """
    if not isinstance(num_envs, int | np.integer) or not 1 <= num_envs <= MAX_ENVS:
        raise ConfigError(f"num_envs {num_envs!r:.80}: must be from 1 to {MAX_ENVS}")


def check_autoreset_mode(mode: AutoresetMode | str | None) -> None:
    """Accept the one way in which our vector environments begin the next episodes, or None.

    Raises:
        ConfigError: Another way, or there is no such way.
    """
    if mode not in (None, AutoresetMode.NEXT_STEP, AutoresetMode.NEXT_STEP.value):
        raise ConfigError(f"autoreset_mode {mode!s:.80}: must be NEXT_STEP here; for others: {_WHERE_OTHERS_ARE}")


def steps_within(max_steps: int, max_episode_steps: int | None, below: int = SEEDS) -> int:
    """The steps of an episode of a vector environment: `max_episode_steps` is what `gymnasium.make` cuts it to.

    Raises:
        ConfigError: One of them is out of range.
    """
    check_max_steps(max_steps, below)
    if max_episode_steps is None:
        return int(max_steps)
    if not isinstance(max_episode_steps, int | np.integer) or max_episode_steps < 1:
        raise ConfigError(f"max_episode_steps {max_episode_steps!r:.80}: must be a whole number of at least 1")
    return int(min(max_steps, max_episode_steps))


def seed_number(seed: Any) -> int | None:
    """A seed as Gymnasium takes it, which knows no NumPy numbers.

    Raises:
        ConfigError: No whole number of at least 0.
    """
    if seed is None:
        return None
    try:
        number = index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise ConfigError(f"seed {seed!r:.80}: must be a whole number of at least 0")
    return number


def seeds_of(seed: int | Sequence[int | None], num_envs: int) -> list[int | None]:
    """The seed of each of many environments: one counted upwards from a number, or those given, None for no new one.

    Raises:
        ConfigError: Not one for each, or one that is no whole number of at least 0.
    """
    if isinstance(seed, int):
        return [seed_number(seed + i) for i in range(num_envs)]
    seeds = [seed_number(each) for each in seed]
    if len(seeds) != num_envs:
        raise ConfigError(f"seed: {count(len(seeds), 'number')} for {count(num_envs, 'environment')}")
    return seeds


def action_number(action: Any, actions: int) -> int:
    """An action as a number; it may be any integer, also an array of one that has no dimension.

    Raises:
        ConfigError: No such action.
    """
    try:
        number = index(action)
    except TypeError:
        number = -1
    if not 0 <= number < actions:
        raise ConfigError(f"action {action!r:.80}: must be a whole number from 0 to {actions - 1}")
    return number


def action_numbers(actions: Any, num_envs: int, known: int) -> NDArray[np.int64]:
    """Actions of many environments as int64, contiguous.

    Raises:
        ConfigError: Not one for each environment, or no such action.
    """
    wanted = np.asarray(actions)
    if wanted.shape != (num_envs,) or wanted.dtype.kind not in "iu":
        raise ConfigError(f"actions of shape {wanted.shape}, {wanted.dtype}: must be {count(num_envs, 'whole number')}")
    numbers = np.ascontiguousarray(wanted, np.int64)
    if numbers.view(np.uint64).max() >= known:  # one look at them all: as such a number, -1 is the largest
        raise ConfigError(f"actions from {wanted.min()} to {wanted.max()}: must be from 0 to {known - 1}")
    return numbers
