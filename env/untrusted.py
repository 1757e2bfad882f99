"""Text and JSON of a cluster, of which nothing is trusted: bounded, of the types that are expected, printable.

Names, messages, annotations and logs may hold control characters, escape sequences, or what looks like instructions to
a model. They leave here as one line each, or as lines of a log, without what a terminal could obey.
"""

from __future__ import annotations

import re
from typing import Any

from env.printable import lines, one_line

LONGEST_NAME = 253
LONGEST_MESSAGE = 600
MOST_ENTRIES = 32
"""Of a small map, such as labels."""

_MOST_COUNT = 2**53 - 1  # what every reader of JSON keeps exactly
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is a map; else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The maps in a list; none where it is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def count(value: Any) -> int:
    """The value if it is a whole number of at least 0; else 0."""
    return min(value, _MOST_COUNT) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def name(value: Any) -> str:
    """A name; "" where it is none."""
    return one_line(_head(str(value), LONGEST_NAME), LONGEST_NAME) if isinstance(value, str | int | float) else ""


def message(value: Any) -> str:
    """A text of one line; "" where it is none."""
    return one_line(_head(value, LONGEST_MESSAGE), LONGEST_MESSAGE) if isinstance(value, str) else ""


def _head(text: str, longest: int) -> str:
    """As much as `one_line` looks at: a cluster's text may be of megabytes."""
    return text[: 2 * longest]


def texts(value: Any) -> dict[str, str]:
    """The first entries of a map of names or quantities."""
    pairs = sorted(mapping(value).items())[:MOST_ENTRIES]
    return {name(key): name(each) for key, each in pairs if isinstance(each, str | int | float)}


def log_lines(text: str) -> list[str]:
    """A log's lines, without colours."""
    return lines(_COLOURS.sub("", text).replace("\r\n", "\n")).removesuffix("\n").split("\n") if text else []
