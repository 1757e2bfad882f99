"""Words of messages: a count with the right plural."""

from __future__ import annotations

import re


def count(number: int, noun: str) -> str:
    """A number and what it counts: `1 job`, `2 jobs`, `2 PriorityClasses`, `2 NetworkPolicies`."""
    if number == 1:
        return f"{number:,} {noun}"
    if re.search(r"(s|x)$", noun):
        return f"{number:,} {noun}es"
    return f"{number:,} {re.sub(r'(?<![aeiou])y$', 'ie', noun)}s"
