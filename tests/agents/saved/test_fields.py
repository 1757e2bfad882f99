"""Values of a state that do not fit are named on one line."""

from __future__ import annotations

import numpy as np
import pytest

from agents.saved.fields import check_equal, count
from env.errors import AgentError


def test_a_tensor_in_place_of_a_word_is_named_by_its_type_and_shape() -> None:
    with pytest.raises(AgentError, match=r"state: agent is a float32 tensor \[3, 1\], here it is 'dqn'$"):
        check_equal({"agent": np.zeros((3, 1), np.float32)}, {"agent": "dqn"}, "state")


def test_a_count_that_is_none_is_named_without_line_breaks() -> None:
    class Broken:
        def __repr__(self) -> str:
            return "two\nlines"

    with pytest.raises(AgentError, match=r"state: steps is two\?lines, not a count$"):
        count({"steps": Broken()}, "steps", "state")
