from __future__ import annotations

from pathlib import Path

import pytest

from env.workload import Resources
from runner.evaluation.evaluate import Played
from runner.evaluation.measure import measure
from runner.evaluation.pictures import draw


@pytest.mark.parametrize("broken", [None, 2])
def test_a_comparison_is_drawn_with_and_without_neighbours(tmp_path: Path, broken: int | None) -> None:
    episodes = [Played("cpu", solved, -1.0, (0, 1), Resources(100, 100, 1), broken) for solved in (True, False)]
    draw({"noop": measure(episodes, [1, None], [None, None])}, tmp_path / "who.png")
    assert (tmp_path / "who.png").read_bytes().startswith(b"\x89PNG")
