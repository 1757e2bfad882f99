"""Checked access to what a manifest holds: a wrong type is a ValueError that names the field.

Follows no Kubernetes source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from env.errors import QuantityError, TraceError

Manifest = dict[str, Any]

_LARGEST = 2**31 - 1
_MOST_ENTRIES = 2_000  # an object of an API server has 1.5 MiB at most, and no list in it gets near this
_PERCENT = re.compile(r"[0-9]{1,9}%", re.ASCII)


def as_map(parent: Manifest, key: str) -> Manifest:
    """The map at `key`; empty where there is none."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{key}: must be a map")
    return value


def as_maps(parent: Manifest, key: str, most: int = _MOST_ENTRIES) -> list[Manifest]:
    """The list of maps at `key`, of so many at most; empty where there is none."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{key}: must be a list of maps")
    if len(value) > most:
        raise ValueError(f"{key}: {len(value):,} entries; at most {most:,} are read")
    return value


def as_text(parent: Manifest, key: str, default: str = "") -> str:
    """The text at `key`; other scalars as text, as the API server's YAML readers take them."""
    value = parent.get(key)
    return default if value is None else str(value)


def as_texts(parent: Manifest, key: str) -> list[str]:
    """The list of texts at `key`; empty where there is none."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key}: must be a list of texts")
    return value


def as_count(parent: Manifest, key: str, default: int) -> int:
    """The whole number of at least 0 at `key`."""
    value = parent.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError(f"{key} {value!r:.80}: must be a whole number from 0 to {_LARGEST:,}")
    return value


def as_flag(parent: Manifest, key: str) -> bool:
    """The truth value at `key`; False where there is none."""
    value = parent.get(key)
    if value not in (None, True, False):
        raise ValueError(f"{key} {value!r:.80}: must be true or false")
    return bool(value)


def as_count_or_percent(parent: Manifest, key: str, default: int | str) -> int | str:
    """A whole number, or text such as "25%"."""
    value = parent.get(key)
    if value is None:
        return default
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return value
    return as_count(parent, key, 0)


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Put the object in front of what is wrong with a field: ValueError becomes TraceError, QuantityError stays."""
    try:
        yield
    except QuantityError as error:
        raise QuantityError(f"{what}: {error}") from error
    except ValueError as error:
        raise TraceError(f"{what}: {error}") from error
