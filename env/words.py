"""Words of messages: a count with the right plural."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number and what it counts, `1 job` or `2 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
