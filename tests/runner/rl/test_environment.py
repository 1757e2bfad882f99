"""`sim-arena rl status | setup | remove`, as far as they need no network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from agents.ppo.agent import PPO
from agents.saved.evaluation import EvaluationRow, Measured
from agents.spaces import doctor
from runner.training.model_file import save_model

Cli = Callable[..., Any]


def configured(home: Path, **fields: str) -> Path:
    folder = home / ".sim-arena"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"pufferlib": fields}))
    return folder


def test_status_says_what_there_is(cli: Cli, home: Path) -> None:
    (configured(home, modelPath="m.pt") / "models").mkdir()
    models = home / ".sim-arena" / "models"
    (models / "ward.pt").write_bytes(b"12")
    agent = PPO(seed=7, spaces=doctor())
    row = EvaluationRow("ppo", "held-out", 1000, Measured(0.996), Measured(10.1), Measured(4.5))
    save_model(agent, models / "mine.pt", [row, replace(row, agent="scripted")])
    done = cli("rl", "status", "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert found["trainer"]["agent"] == "ppo"
    assert found["trainer"]["torch"]
    assert found["pufferlib"] == {
        "environment": str(home / ".sim-arena" / "pufferlib-env"), "version": None, "hint": "run: sim-arena rl setup"
    }  # fmt: skip
    mine, ward = found["models"]["files"]
    assert ward == {
        "name": "ward.pt",
        "bytes": 2,
        "error": f"checkpoint {models / 'ward.pt'}: not a JSON object",
    }
    assert (mine["environment"], mine["schema"], mine["seed"]) == ("SimArena/Doctor-v0", doctor().schema, 7)
    assert mine["evaluation"][0] == asdict(row)
    assert found["configuration"]["modelPath"] == "m.pt"
    text = cli("rl", "status").out
    assert "SimArena/Doctor-v0, seed 7, held-out 99.6 % solved, return 10.10\n" in text
    assert "PufferLib      not set up; run: sim-arena rl setup\n" in text


def test_a_folder_that_setup_has_not_made_is_never_deleted(cli: Cli, home: Path) -> None:
    precious = home / "precious"
    precious.mkdir()
    (precious / "file").touch()
    configured(home, envPath=str(precious))
    for command in (("remove",), ("setup", "--force"), ("setup",)):
        done = cli("rl", *command)
        assert (done.code, str(precious) in done.err) == (2, True)
    assert (precious / "file").exists()


def test_there_is_nothing_to_remove_before_setup(cli: Cli) -> None:
    assert cli("rl", "remove").code == 3


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/cat"])
def test_a_python_that_is_none_is_named(cli: Cli, home: Path, python: str) -> None:
    configured(home, pythonPath=python)
    done = cli("rl", "setup")
    assert (done.code in (1, 2), python in done.err) == (True, True)
    assert not (home / ".sim-arena" / "pufferlib-env").exists()


def test_a_setup_that_fails_says_so_and_leaves_nothing(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    done = cli("rl", "setup")
    assert done.code == 1
    assert "pip install: failed (1): " in done.err
    assert not (home / ".sim-arena" / "pufferlib-env").exists()
    assert not (home / ".sim-arena" / "config.json").exists()
