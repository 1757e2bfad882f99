"""Hyperparameters of the learning agents, checked before anything heavy is imported.

A dispatcher validates a submitted job with `parse_settings` without loading torch.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from env.errors import AgentError

_MAX_LAYERS = 8
_MAX_UNITS = 4096
_MAX_WEIGHTS = 1 << 22  # between hidden layers: a state, with five vectors of them, stays readable


@dataclass(frozen=True)
class DQNSettings:
    """DQN. Lengths of schedules count the agent's own environment steps or gradient steps."""

    RETIRED: ClassVar[Mapping[str, Any]] = {"dueling": False}
    """Settings of older releases with the one value that checkpoints and jobs may still hold."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of the hidden ReLU layers."""
    learning_rate: float = 1e-3
    """Step size of Adam at first."""
    halving_steps: int = 10_000
    """Gradient steps after which it is half: learning_rate / (1 + gradient steps / this). Without this decay a policy
    that solves everything is unlearned again."""
    gamma: float = 0.95
    """Discount of the next step's value. Most goals are up to a dozen steps away, the farthest 40."""
    n_step: int = 3
    """Rewards that are summed before a value is bootstrapped."""
    double: bool = True
    """Whether the online network picks the next action that the target network values."""
    action_gap: float = 0.7
    """Share of its disadvantage that is taken off an action's value: advantage learning's alpha. It keeps small errors
    of the network from changing which action is the best."""
    priority: float = 0.0
    """Exponent of a transition's error in its chance to be drawn; 0 draws all alike."""
    batch_size: int = 64
    """Transitions in one gradient step."""
    replay_size: int = 200_000
    """Transitions kept; the oldest is overwritten. Kept over episodes and federated rounds."""
    learning_starts: int = 200
    """Transitions before the first gradient step."""
    train_every: int = 1
    """Environment steps between trainings."""
    updates: int = 1
    """Gradient steps of one training."""
    target_every: int = 200
    """Gradient steps between updates of the target network."""
    target_tau: float = 1.0
    """Share of the online network in such an update: 1 copies it, less is a Polyak average."""
    epsilon_start: float = 1.0
    """Probability of a random action at the first step."""
    epsilon_end: float = 0.1
    """Probability of a random action after `epsilon_steps`."""
    epsilon_steps: int = 10_000
    """Environment steps over which epsilon falls linearly."""
    proximal: float = 0.0
    """Pull towards the weights that were loaded last: FedProx's mu."""

    def __post_init__(self) -> None:
        _check(self, "n_step", 1, 100)
        _check(self, "action_gap", 0.0, 0.99)
        _check(self, "priority", 0.0, 2.0)
        _check(self, "halving_steps", 1, 1_000_000_000)
        _check(self, "proximal", 0.0, 1_000.0)
        _check(self, "learning_rate", 1e-8, 1.0)
        _check(self, "gamma", 0.0, 1.0)
        _check(self, "batch_size", 1, 65_536)
        _check(self, "replay_size", self.batch_size, 1_000_000)
        _check(self, "learning_starts", 0, self.replay_size)
        _check(self, "train_every", 1, 1_000_000)
        _check(self, "updates", 1, 1_000)
        _check(self, "target_every", 1, 1_000_000)
        _check(self, "target_tau", 1e-6, 1.0)
        _check(self, "epsilon_start", 0.0, 1.0)
        _check(self, "epsilon_end", 0.0, 1.0)
        _check(self, "epsilon_steps", 1, 1_000_000_000)
        if not 1 <= len(self.hidden) <= _MAX_LAYERS or not all(1 <= n <= _MAX_UNITS for n in self.hidden):
            raise AgentError(f"hidden: {list(self.hidden)}; use 1 to {_MAX_LAYERS} layers of 1 to {_MAX_UNITS}")
        if (weights := sum(n * m for n, m in pairwise(self.hidden))) > _MAX_WEIGHTS:
            raise AgentError(f"hidden: {list(self.hidden)} have {weights} weights; use no more than {_MAX_WEIGHTS}")


@dataclass(frozen=True)
class GreedySettings:
    """Tabular epsilon-greedy Q-learning."""

    RETIRED: ClassVar[Mapping[str, Any]] = {}
    learning_rate: float = 0.2
    """Share of the new estimate in an update of one table entry."""
    gamma: float = 0.97
    """Discount of the next step's value."""
    epsilon_start: float = 1.0
    """Probability of a random action at the first step."""
    epsilon_end: float = 0.05
    """Probability of a random action after `epsilon_steps`."""
    epsilon_steps: int = 2_000
    """Environment steps over which epsilon falls linearly."""

    def __post_init__(self) -> None:
        _check(self, "learning_rate", 1e-8, 1.0)
        _check(self, "gamma", 0.0, 1.0)
        _check(self, "epsilon_start", 0.0, 1.0)
        _check(self, "epsilon_end", 0.0, 1.0)
        _check(self, "epsilon_steps", 1, 1_000_000_000)


Settings = TypeVar("Settings", DQNSettings, GreedySettings)


def parse_settings(kind: type[Settings], given: Mapping[str, Any] | None) -> Settings:
    """Settings from a mapping as JSON or a command line gives it.

    Raises:
        AgentError: an unknown name (the nearest one is shown), a wrong type, a value out of range.
    """
    defaults = {field.name: field.default for field in fields(kind)}
    values = {}
    for name, value in without_retired(kind, given or {}).items():
        if name not in defaults:
            raise AgentError(f"setting {name!r} is unknown{_nearest(name, list(defaults))}")
        values[name] = _convert(name, value, defaults[name])
    return kind(**values)


def without_retired(kind: type[Settings], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings without those that an older release stored and that exist no longer, where they change nothing.

    Raises:
        AgentError: such a setting has another value than its default.
    """
    for name, default in kind.RETIRED.items():
        if name in given and given[name] is not default:
            raise AgentError(f"setting {name}: {given[name]!r}; it is gone, and only {default!r} is accepted")
    return {name: value for name, value in given.items() if name not in kind.RETIRED}


def filled_settings(agent: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """An agent's settings with its defaults for those that are not given; as they are, for an agent that has none.

    Raises:
        AgentError: as `parse_settings`.
    """
    if agent == "dqn":
        return as_mapping(parse_settings(DQNSettings, given))
    if agent == "greedy":
        return as_mapping(parse_settings(GreedySettings, given))
    return given


def as_mapping(settings: DQNSettings | GreedySettings) -> dict[str, Any]:
    """The settings as JSON holds them (lists, not tuples); `parse_settings` reads it back."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}


def epsilon(settings: DQNSettings | GreedySettings, env_steps: int) -> float:
    """Exploration probability after `env_steps` of the agent's own environment steps."""
    progress = min(1.0, env_steps / settings.epsilon_steps)
    return settings.epsilon_start + progress * (settings.epsilon_end - settings.epsilon_start)


def _check(settings: object, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if not low <= value <= high:
        raise AgentError(f"setting {name}: {value} is outside {low:g} to {high:g}")


def _convert(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(_is_int(unit) for unit in value):
            return tuple(value)
        raise AgentError(f"setting {name}: {value!r} is not a list of whole numbers such as [64, 64]")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise AgentError(f"setting {name}: {value!r} is neither true nor false")
    if isinstance(default, int):
        if _is_int(value):
            return value
        raise AgentError(f"setting {name}: {value!r} is not a whole number")
    if (_is_int(value) or isinstance(value, float)) and math.isfinite(value):
        return float(value)
    raise AgentError(f"setting {name}: {value!r} is not a finite number")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
