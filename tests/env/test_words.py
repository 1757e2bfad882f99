from __future__ import annotations

import pytest

from env.words import count


@pytest.mark.parametrize(("number", "text"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1200, "1,200 jobs")])
def test_a_count_has_the_right_plural(number: int, text: str) -> None:
    assert count(number, "job") == text
