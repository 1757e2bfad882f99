"""Checked reading of the plain values in an agent's state."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from reprlib import repr as _cut  # what was read may be of any size
from typing import Any

import numpy as np

from env.errors import AgentError, one_line


def short(value: object) -> str:
    """A value from a file, as a message shows it: cut, on one line, a tensor by its type and shape."""
    return f"a {value.dtype} tensor {list(value.shape)}" if isinstance(value, np.ndarray) else one_line(_cut(value))


def count(state: Mapping[str, Any], name: str, what: str) -> int:
    """A number of things; AgentError if it is none."""
    value = state.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise AgentError(f"{what}: {name} is {short(value)}, not a count")
    return value


def mapping(state: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    """A part of the state; AgentError if it is missing."""
    part = state.get(name)
    if not isinstance(part, Mapping):
        raise AgentError(f"{what}: {name} is missing or not a mapping")
    return part


def check_equal(state: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    """AgentError naming the first entry of `expected` that `state` has otherwise."""
    for name, here in expected.items():
        found = state.get(name)
        if not _same(found, here):
            raise AgentError(f"{what}: {name} is {short(found)}, here it is {short(here)}")


def check_features(found: object, here: Sequence[str], what: str) -> None:
    """AgentError unless `found`, their names or how many they are, are the features of the environment's states."""
    if found == len(here) or _same(found, list(here)):
        return
    many = found if isinstance(found, int) else len(found) if isinstance(found, list) else short(found)
    news = [name for name in here if name not in found] if isinstance(found, list) else []
    new = f" ({news[0]} is new)" if news else ""
    raise AgentError(f"{what}: made for states of {many} features, here they have {len(here)}{new}; train it again")


def _same(found: object, here: object) -> bool:
    """Equality that never asks a tensor and never goes deeper than `here` does."""
    if type(found) is not type(here):
        return False
    if isinstance(found, list) and isinstance(here, list):
        return len(found) == len(here) and all(map(_same, found, here))
    return found == here


def generator_text(generator: np.random.Generator) -> str:
    """The state of a generator as text (its numbers are longer than 64 bits)."""
    return json.dumps(generator.bit_generator.state, sort_keys=True)


def generator_from(text: object, what: str) -> np.random.Generator:
    """The generator `generator_text` was taken of; AgentError if it is none of PCG64."""
    try:
        generator = np.random.Generator(np.random.PCG64())
        generator.bit_generator.state = json.loads(text if isinstance(text, str) else "")
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise AgentError(f"{what}: rng is not the state of a PCG64 generator") from error
    return generator
