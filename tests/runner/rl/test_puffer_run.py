"""`rl train --trainer pufferlib` where PufferLib is not, and a program in the place of its trainer."""

from __future__ import annotations

import os
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from env.errors import ConfigError, SimArenaError
from env.interrupt import Stopped
from runner.rl.puffer_run import METRICS, conversation, train
from runner.rl.train import DoctorTraining

ROOT = Path(__file__).parents[3]

Cli = Callable[..., Any]
ANSWERS = """
import json, sys
asked = json.load(sys.stdin)
print(json.dumps({"epoch": 1, "seed": asked["seed"]}), flush=True)
"""


def talk(program: str, should_stop: Callable[[], bool] = lambda: False) -> list[Any]:
    return list(conversation([sys.executable, "-c", program], {"seed": 7}, should_stop))


def test_without_pufferlibs_environment_the_error_says_how_to_make_it(cli: Cli, home: Path) -> None:
    done = cli("rl", "train", "--trainer", "pufferlib", "--to", str(home / "run"))
    folder = home / ".sim-arena" / "pufferlib-env"
    assert done.code == 2
    assert done.err == f"error: --trainer pufferlib: there is no {folder}; run: sim-arena rl setup --cuda\n"
    assert not (home / "run").exists()


def test_where_its_trainer_does_not_work_the_error_says_why(cli: Cli, home: Path) -> None:
    folder = home / ".sim-arena" / "pufferlib-env"
    venv.create(folder)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "sim-arena.pth").write_text("".join(f"{path}\n" for path in [*sys.path, str(ROOT)] if Path(path).is_dir()))
    done = cli("rl", "train", "--trainer", "pufferlib")
    assert done.code == 2
    assert f"does not work in {folder} (not installed); run: sim-arena rl setup --cuda --force" in done.err


def test_the_trainer_is_told_what_to_do_and_tells_of_each_epoch() -> None:
    assert talk(ANSWERS) == [{"epoch": 1, "seed": 7}]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('hello \\033[2J')", r"'hello \?\[2J' is no JSON object"),
        ("print('[' * 9999)", "is no JSON object"),
        ("print('1' * 200_000, end='')", "a line of more than 65536 bytes"),
        ("raise RuntimeError('no kernel')", r"failed \(1\): .*RuntimeError: no kernel"),
        ("import os; os.kill(os.getpid(), 9)", r"failed \(-9\): it said nothing"),
    ],
)
def test_a_trainer_that_fails_or_says_something_else_is_an_error(program: str, said: str) -> None:
    with pytest.raises(SimArenaError, match=said):
        talk(program)


def test_a_trainer_is_ended_when_a_stop_is_asked_for() -> None:
    program = "import json, os, time\nprint(json.dumps({'pid': os.getpid()}), flush=True)\ntime.sleep(600)"
    talked: list[Any] = []
    lines = conversation([sys.executable, "-c", program], {}, lambda: bool(talked))
    talked.append(next(lines))
    with pytest.raises(Stopped):
        next(lines)
    with pytest.raises(ProcessLookupError):
        os.kill(talked[0]["pid"], 0)


def test_a_folder_with_a_training_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text("{}\n")
    with pytest.raises(ConfigError, match="has a training, and PufferLib's cannot be gone on with"):
        train(DoctorTraining(1, 20, 0, 8), tmp_path, python=Path("/nowhere"))
    assert [path.name for path in tmp_path.iterdir()] == [METRICS]
