"""What the settings of an environment must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from env.errors import ConfigError
from env.gym.reward import reward_plugin
from env.problems.generate import problem_plugin
from env.problems.scenario import Scenario


def chosen_scenario(options: Mapping[str, Any] | None, scenarios: int | None) -> int | None:
    """The number of the scenario that the options of a reset name; None: one is drawn.

    Args:
        options: As `reset` takes them.
        scenarios: How many there are; None where they are generated.

    Raises:
        ConfigError: There is no such option, or no scenario of that number.
    """
    unknown = set(options or ()) - {"scenario"}
    if unknown:
        raise ConfigError(f"options[{min(map(str, unknown))!r:.80}]: unknown; there is 'scenario'")
    number = (options or {}).get("scenario")
    if number is None:
        return None
    if scenarios is None:
        raise ConfigError("options['scenario']: this environment generates its scenarios")
    if not isinstance(number, int | np.integer) or not 0 <= number < scenarios:
        raise ConfigError(f"options['scenario'] {number!r:.80}: must be a whole number from 0 to {scenarios - 1}")
    return int(number)


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
