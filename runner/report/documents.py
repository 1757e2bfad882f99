"""JSON documents and texts from files, read within bounds, and their values as numbers or as text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from env.errors import ConfigError

_LONGEST = 16 << 20
_LARGEST = 1e300


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a file; an empty one if there is no file.

    Raises:
        ConfigError: It holds something else, or more than 16 MiB, or cannot be read.
    """
    text = read_text(path)
    try:
        document = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: holds no JSON document") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: holds no JSON object")
    return document


def read_text(path: Path) -> str:
    """A file's text; "" if there is no file.

    Raises:
        ConfigError: It is larger than 16 MiB, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > _LONGEST:
        raise ConfigError(f"{path}: larger than {_LONGEST >> 20} MiB")
    return data.decode(errors="replace")


def number(value: object) -> float:
    """A value as a number; NaN for anything else."""
    if isinstance(value, int | float) and -_LARGEST < value < _LARGEST:  # not so for NaN
        return float(value)
    return math.nan


def flat(document: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Values as text by name; those of inner objects by names with a dot. What is None or empty is left out."""
    found: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict) and not before:
            found |= flat(value, f"{name}.")
        elif value not in (None, [], {}):
            found[f"{before}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return found
