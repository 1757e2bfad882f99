"""How the settings of an agent are read and checked, before anything heavy is imported.

The settings themselves stand with their agents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from env.errors import AgentError, nearest

_MAX_LAYERS = 8
_MAX_UNITS = 4096
_MAX_WEIGHTS = 1 << 22  # between hidden layers: bounds the size of a state, which holds several such networks


@dataclass(frozen=True)
class Settings:
    """An agent's settings: a frozen dataclass with a default, a docstring and a checked range for each field."""

    RETIRED: ClassVar[Mapping[str, Any]] = {}
    """Settings of older releases with the one value that checkpoints and jobs may still hold."""


S = TypeVar("S", bound=Settings)
_LONGEST_TEXT = 200


def parse_settings(kind: type[S], given: Mapping[str, Any] | None) -> S:
    """Settings from a mapping as JSON or a command line gives it.

    Raises:
        AgentError: an unknown name (the nearest one is shown), a wrong type, a value out of range.
    """
    defaults = {field.name: field.default for field in fields(kind)}
    values = {}
    for name, value in without_retired(kind, given or {}).items():
        if name not in defaults:
            raise AgentError(f"setting {name!r} is unknown; {nearest(name, defaults)}")
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


def as_mapping(settings: Settings) -> dict[str, Any]:
    """The settings as JSON holds them (lists, not tuples); `parse_settings` reads it back."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(settings).items()}


def linear(start: float, end: float, steps: int, at: int) -> float:
    """A value that goes from `start` to `end` in `steps` steps and stays there, as epsilon does (Mnih et al., 2015)."""
    return start + min(1.0, at / steps) * (end - start)


def check_range(settings: Settings, name: str, low: float, high: float) -> None:
    """Raise AgentError unless the field `name` is from `low` to `high`; both are allowed."""
    value = getattr(settings, name)
    if not low <= value <= high:
        raise AgentError(f"setting {name}: {value} is outside {low:g} to {high:g}")


def check_hidden(hidden: tuple[int, ...]) -> None:
    """Raise AgentError unless these are units of hidden layers of a size that is served."""
    if not 1 <= len(hidden) <= _MAX_LAYERS or not all(1 <= n <= _MAX_UNITS for n in hidden):
        raise AgentError(f"hidden: {list(hidden)}; use 1 to {_MAX_LAYERS} layers of 1 to {_MAX_UNITS}")
    if (weights := sum(n * m for n, m in pairwise(hidden))) > _MAX_WEIGHTS:
        raise AgentError(f"hidden: {list(hidden)} have {weights} weights; use no more than {_MAX_WEIGHTS}")


def _convert(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(_is_int(unit) for unit in value):
            return tuple(value)
        raise AgentError(f"setting {name}: {value!r} is not a list of whole numbers such as [64, 64]")
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        raise AgentError(f"setting {name}: {value!r} is neither true nor false")
    if isinstance(default, str):
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isprintable():
            return value
        raise AgentError(f"setting {name}: {value!r:.80} is not a text of at most {_LONGEST_TEXT} printable characters")
    if isinstance(default, int):
        if _is_int(value):
            return value
        raise AgentError(f"setting {name}: {value!r} is not a whole number")
    if (_is_int(value) or isinstance(value, float)) and math.isfinite(value):
        return float(value)
    raise AgentError(f"setting {name}: {value!r} is not a finite number")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
