"""What the settings of an environment must be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from env.errors import ConfigError
from env.gym.reward import check_reward, reward_plugin
from env.problems.generate import problem_plugin
from env.problems.scenario import Scenario

SEEDS = 2**63
"""Seeds are taken modulo this."""


def check_number(number: int, scenarios: int) -> None:
    """Accept the number of a scenario.

    Raises:
        ConfigError: There is none of that number.
    """
    if not isinstance(number, int | np.integer) or not 0 <= number < scenarios:
        raise ConfigError(f"options['scenario'] {number!r:.80}: must be a whole number from 0 to {scenarios - 1}")


def check_settings(
    scenarios: Sequence[Scenario] | None, reward_name: str, max_steps: int, render_mode: str | None
) -> None:
    """Accept an environment's settings.

    Raises:
        ConfigError: One out of range.
    """
    check_reward(reward_name)
    if scenarios is not None and not scenarios:
        raise ConfigError("scenarios: must hold at least one; None generates them")
    if not isinstance(max_steps, int) or not 1 <= max_steps < SEEDS:
        raise ConfigError(f"max_steps {max_steps!r:.80}: must be a whole number of at least 1")
    if render_mode not in (None, "ansi"):
        raise ConfigError(f"render_mode {render_mode!r}: must be None or 'ansi'")


def packages_of(reward: str, problem: str | None) -> dict[str, str]:
    """The installed packages that add a reward and a kind of problems, versions by name; none for what is our own.

    Raises:
        ConfigError: There is no such reward or kind, or its package cannot be imported.
    """
    plugins = (reward_plugin(reward), None if problem is None else problem_plugin(problem))
    return {plugin.package: plugin.version for plugin in plugins if plugin is not None}


def check_problem(scenarios: Sequence[Scenario] | None, problem: str | None) -> None:
    """Accept a kind of generated problems.

    Raises:
        ConfigError: There is no such kind, its package cannot be imported, or nothing is generated.
    """
    if problem is None:
        return
    problem_plugin(problem)
    if scenarios is not None:
        raise ConfigError(f"problem {problem!r}: scenarios are given, so none are generated")
