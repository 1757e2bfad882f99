from __future__ import annotations

import pytest

from env.words import count


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "job", "0 jobs"),
        (1, "job", "1 job"),
        (1, "PriorityClass", "1 PriorityClass"),
        (2, "PriorityClass", "2 PriorityClasses"),
        (2, "NetworkPolicy", "2 NetworkPolicies"),
        (2, "day", "2 days"),
        (2, "epoch", "2 epochs"),
        (1200, "job", "1,200 jobs"),
    ],
)
def test_a_count_has_the_right_plural(number: int, noun: str, text: str) -> None:
    assert count(number, noun) == text
