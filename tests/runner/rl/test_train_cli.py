"""Which folders `sim-arena rl train` takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.rl.train import EXAM, LATEST


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (["thesis.txt"], 2, "holds other files and no training to go on with"),
        ([LATEST, EXAM], 3, "is trained and examined"),
    ],
)
def test_a_folder_that_cannot_be_gone_on_with_is_left_alone(
    files: list[str], code: int, said: str, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in files:
        (run / name).write_text("mine")
    done = cli("rl", "train", "--to", str(run))
    assert done.code == code
    assert said in done.err
    assert sorted(path.name for path in run.iterdir()) == sorted(files)
