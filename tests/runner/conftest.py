"""What the runner's tests share: a small agent's settings, a handful of scenarios, and commands as a user runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from env.problems.generate import generate_scenario
from env.problems.scenario import Scenario
from runner.commands.console import run
from runner.commands.program import program
from runner.commands.table import COMMANDS


@pytest.fixture(scope="session")
def scenarios() -> list[Scenario]:
    """Two small problems of different kinds."""
    return [generate_scenario("cpu", 38), generate_scenario("replica-deficit", 1)]


@pytest.fixture
def small() -> dict[str, Any]:
    """DQN settings under which a few dozen steps hold all that matters: gradient steps, target updates, a full ring."""
    return {"hidden": [16], "batch_size": 8, "learning_starts": 8, "replay_size": 60, "target_every": 5}


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Result]:
    """Runs a command as `sim-arena` does, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    app = program("test", COMMANDS)

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["sim-arena", *arguments])
        with pytest.raises(SystemExit) as exit_:
            run(app)
        captured = capfd.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "cpu-38.msgpack"
    path.write_bytes(generate_scenario("cpu", 38).trace.to_bytes())
    return path


def one_line(text: str) -> str:
    """The text, if it is one line."""
    assert len(text.strip().splitlines()) == 1, text
    return text.strip()
