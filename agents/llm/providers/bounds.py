"""What is taken of an answer, whatever a server writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

MOST_TOKENS = 1_000_000_000
Tokens = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
"""Tokens of one request, as reported; more are a mistake, and their sums would not fit into a report."""

MOST_LEVELS = 100
"""How deep JSON may nest. What copies or writes it later calls itself at each level."""


def is_too_deep(value: Any) -> bool:
    """Whether JSON nests deeper than `MOST_LEVELS`."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        level = [each for outer in level for each in _inside(outer)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
