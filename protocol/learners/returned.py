"""What a learner returns, checked: arrays by name, and a state that can be written down.

A learner is a user's code, so nothing of it is taken as it should be. All errors name the learner and the part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.saved.checkpoint import MAX_DIMENSIONS, Array
from env.errors import AgentError, one_line
from protocol.learners.asking import asking
from protocol.learners.learner import Learner

MOST_TENSORS = 10_000
_LONGEST_NAME = 253
_RESERVED = "__metadata__"  # of the format of safetensors
_KINDS = tuple(np.dtype(kind) for kind in ("<f4", "<f8", "<i8", "u1"))


def called(name: str) -> str:
    """A learner, as messages name it."""
    return f"learner {name!r}"


def weights(learner: Learner, name: str) -> dict[str, Array]:
    """Its weights as NumPy's arrays.

    Raises:
        AgentError: They are none, or of a form that no average has.
        LearnerFailed: It raised.
    """
    what = f"{called(name)}: its weights"
    with asking(called(name), "weights"):
        given = learner.weights()
        if not isinstance(given, Mapping):
            raise AgentError(f"{what}: no mapping of tensors but a {type(given).__name__}")
        found = {_tensor_name(tensor, what): _array(array, f"{what}: {tensor}") for tensor, array in given.items()}
    if not 1 <= len(found) <= MOST_TENSORS:
        raise AgentError(f"{what}: {len(found)} tensors; must be 1 to {MOST_TENSORS}")
    for tensor, array in found.items():
        if not array.size or array.ndim > MAX_DIMENSIONS:
            shape = list(array.shape)
            raise AgentError(
                f"{what}: {tensor}: shape {shape}; must hold numbers, in at most {MAX_DIMENSIONS} dimensions"
            )
    return found


def state(learner: Learner, name: str) -> dict[str, Any]:
    """Its state with arrays as NumPy's.

    Raises:
        AgentError: It holds something that cannot be written down.
        LearnerFailed: It raised.
    """
    with asking(called(name), "state"):
        return _plain(learner.state(), f"{called(name)}: its state")


def copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """The same with arrays that may be changed."""
    return {
        name: copied(value) if isinstance(value, Mapping) else value.copy() if isinstance(value, np.ndarray) else value
        for name, value in state.items()
    }


def _tensor_name(given: object, what: str) -> str:
    fits = isinstance(given, str) and 1 <= len(given) <= _LONGEST_NAME and given.isprintable() and "/" not in given
    if not isinstance(given, str) or not fits or given == _RESERVED:
        raise AgentError(f"{what}: {one_line(str(given), 80)!r}: a name is printable text without a slash")
    return given


def _array(given: Any, what: str) -> Array:
    try:
        array = np.asarray(given)
    except Exception as error:  # a tensor on a GPU, or one that still has a gradient
        raise AgentError(f"{what}: no array ({one_line(str(error), 200)})") from error
    if array.dtype not in _KINDS:
        raise AgentError(f"{what}: {one_line(str(array.dtype), 80)}; use {', '.join(kind.name for kind in _KINDS)}")
    return array


def _plain(given: object, what: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: must be a dict, not a {type(given).__name__}")
    return {_name(name, what): _part(value, f"{what}: {name}") for name, value in given.items()}


def _part(value: Any, what: str) -> Any:
    if isinstance(value, Mapping):
        return _plain(value, what)
    return _array(value, what) if hasattr(value, "__array__") else _json(value, what)


def _name(given: object, what: str) -> str:
    if not isinstance(given, str) or "/" in given:
        raise AgentError(f"{what}: {one_line(str(given), 80)!r}: a name is text without a slash")
    return given


def _json(value: Any, what: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        raise AgentError(f"{what}: {value}; must be finite, or in an array")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_json(each, what) for each in value]
    if isinstance(value, Mapping):  # as in the groups of parameters of torch's optimizers
        return {_name(name, what): _json(each, f"{what}: {name}") for name, each in value.items()}
    raise AgentError(
        f"{what}: a {type(value).__name__}; use numbers, texts, None, lists and dicts, and arrays as values of dicts"
    )
