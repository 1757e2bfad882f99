"""Scalars of YAML as kubectl reads them: those of YAML 1.1, without dates, times and what JSON cannot hold."""

from __future__ import annotations

import math
import re
from typing import Any

LARGEST = 2**64 - 1
"""Whole numbers have 64 bits."""

_CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]*|[1-9][0-9_]*|0x[0-9a-fA-F_]+)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_BOOLS = {
    spelled: value
    for text, value in (("yes", True), ("true", True), ("on", True), ("no", False), ("false", False), ("off", False))
    for spelled in (text, text.capitalize(), text.upper())
}
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


def scalar(event: Any) -> Any:
    """The value of a scalar: plain ones are resolved, others are text, unless a tag says what they are."""
    text = event.value
    check_tag(event, ("str", "int", "float", "bool", "null"))
    kind = (event.tag or "").removeprefix(_CORE)
    if kind == "str" or (not kind and not event.implicit[0]):
        return text
    value = _resolved(text)
    if kind and kind != {int: "int", float: "float", bool: "bool", type(None): "null"}.get(type(value), "str"):
        return float(value) if kind == "float" and type(value) is int else _refuse_value(text, kind)
    return value


def _resolved(text: str) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return _int(text)
    if _FLOAT.fullmatch(text):
        value = float(text.replace("_", ""))
        return value if math.isfinite(value) else _refuse_value(text, "number")
    return _refuse_value(text, "number") if _NOT_JSON.fullmatch(text) else text


def _int(text: str) -> Any:
    digits = text.replace("_", "")
    if len(digits) > 66:
        return _refuse_value(text, "number")
    bare = digits.lstrip("+-")
    base = {"0b": 2, "0x": 16}.get(bare[:2], 8 if bare[:1] == "0" and len(bare) > 1 else 10)
    value = int(digits, base)
    return value if abs(value) <= LARGEST else _refuse_value(text, "number")


def _refuse_value(text: str, kind: str) -> Any:
    raise ValueError(f"{text!r:.80}: not a {kind} that JSON can hold")


def check_tag(event: Any, known: tuple[str, ...]) -> None:
    if event.tag not in (None, "!", *(f"{_CORE}{each}" for each in known)):
        raise ValueError(f"tag {event.tag.replace(_CORE, '!!')!r:.80}: Kubernetes knows no such values")


def key_text(value: Any) -> str:
    """A key as JSON holds it."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise ValueError("a key must be text")
