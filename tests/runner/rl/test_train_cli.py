"""`sim-arena rl train` and `sim-arena train --env doctor`: one training, told in two ways."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.ppo.agent import PPO
from agents.saved.evaluation import evaluation_in
from agents.saved.formats import read_state
from agents.spaces import doctor
from env import ENVIRONMENTS
from runner.commands.environments import KINDS

Cli = Callable[..., Any]
PROGRAM = (
    "from runner.commands.console import run; from runner.commands.program import program; "
    "from runner.commands.table import COMMANDS; run(program('x', COMMANDS))"
)
TINY = {"learningRate": 0.001, "batchSize": 4096, "numEpochs": 1, "gamma": 0.98, "numEnvs": 512, "numSteps": 64}
AS_OPTIONS = (
    *("--environments", "512", "--set", "learning_rate=0.001", "--set", "minibatch_size=4096", "--set", "epochs=1"),
    *("--set", "gamma=0.98", "--set", "rollout_steps=32768"),
)


@pytest.fixture(autouse=True)
def configured(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration with all fields, and a working folder."""
    monkeypatch.chdir(home)
    (home / ".sim-arena").mkdir()
    (home / ".sim-arena" / "config.json").write_text(json.dumps({"pufferlib": {"trainingConfig": TINY}}))


def test_both_commands_train_the_same_model(cli: Cli, home: Path) -> None:
    told = cli(
        "train",
        "--env",
        "doctor",
        "--epochs",
        "1",
        "--steps",
        "20",
        "--seed",
        "3",
        *AS_OPTIONS,
        "--exam",
        "2",
        "--json",
    )
    mapped = cli("rl", "train", "-e", "1", "-s", "20", "--seed", "3", "--exam", "2", "-v", "--json")
    one, other = json.loads(told.out), json.loads(mapped.out)
    assert one["state_sha256"] == other["state_sha256"]
    assert (one["agent"], one["epochs"], one["env_steps"] >= 65_536) == ("ppo", 1, True)
    assert "epoch 1: " in mapped.err
    assert Path(other["model"]) == home / ".sim-arena" / "models" / f"{Path(other['folder']).name}.pt"
    rows = evaluation_in(read_state(Path(other["model"])), "model")
    assert {row.agent for row in rows} == {"optimum", "ppo", "scripted", "random"}
    config = [json.loads((Path(each["checkpoint"]).parent / "config.json").read_text()) for each in (one, other)]
    assert config[0] == config[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--env", "doctor", "--agent", "dqn"], 2, "agent 'dqn': does not learn --env doctor; ppo does"),
        (["--env", "doctor", "--agent", "llm"], 2, "agent 'llm': learns nothing"),
        (["--env", "doctor", "--episodes", "3"], 2, "--episodes: is of --env cluster; leave it out with --env doctor"),
        (["--env", "doctor", "--trace", "x"], 2, "--trace: is of --env cluster"),
        (["--env", "doctor", "--cluster", "simkube"], 2, "--cluster: is of --env cluster"),
        (["--epochs", "3"], 2, "--epochs: is of --env doctor; leave it out with --env cluster"),
        (["--env", "doctor", "--set", "gama=1"], 2, "did you mean 'gamma'"),
        (["--env", "doctor", "--variant", "cpu"], 2, "--variant: is of --env season; leave it out with --env doctor"),
        (["--env", "season", "--steps", "3"], 2, "--steps: is of --env cluster; leave it out with --env season"),
        (["--env", "season", "--agent", "dqn"], 2, "agent 'dqn': does not learn --env season"),
        (["--env", "season", "--kind", "dayly"], 2, "kind 'dayly': unknown; did you mean 'daily'?"),
        (["--agent", "forecast"], 2, "agent 'forecast': learns from laws, which only --env season tells"),
        (["--env", "doctro"], 2, "--env doctro: unknown; did you mean 'doctor'?"),
    ],
)
def test_what_does_not_fit_an_environment_is_one_line(cli: Cli, arguments: list[str], code: int, said: str) -> None:
    done = cli("train", *arguments)
    assert (done.code, said in done.err, Path("runs").exists()) == (code, True, False), done.err


def test_a_command_that_needs_scenarios_refuses_another_environment(cli: Cli) -> None:
    done = cli("step", "--env", "doctor")
    assert (done.code, "--env doctor: has no traces" in done.err) == (2, True), done.err


def test_models_are_evaluated_beside_doctors_by_hand_and_play_episodes(cli: Cli) -> None:
    PPO(seed=0, spaces=doctor()).save(Path("mine.pt"))
    words = (
        "evaluate",
        "--env",
        "doctor",
        "--agent",
        "mine.pt",
        "--agent",
        "scripted",
        "--scenarios",
        "5",
        "--steps",
        "9",
    )
    rows = json.loads(cli(*words, "--json").out)["evaluation"]
    assert [(row["problems"], row["agent"], row["episodes"]) for row in rows] == [
        (kind, agent, 5) for kind in ("held-out", "large", "no-metrics") for agent in ("mine.pt", "scripted")
    ]
    assert "100.0" in cli(*words).out
    played = json.loads(cli("episode", "--env", "doctor", "--agent", "mine.pt", "--steps", "4", "--json").out)
    assert (played["steps"], len(played["records"])) == (4, 4) or played["solved"]
    assert " -> " in cli("episode", "--env", "doctor", "--agent", "mine.pt", "--steps", "4").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("evaluate", "--agent", "cluster.pt"),
            "has learned 'SimArena/Cluster-v0', and cannot act in SimArena/Doctor-v0",
        ),
        (
            ("episode", "--agent", "cluster.pt"),
            "has learned 'SimArena/Cluster-v0', and cannot act in SimArena/Doctor-v0",
        ),
        (("evaluate", "--agent", "scritped"), "did you mean 'scripted'?"),
        (("evaluate", "--trace", "x"), "--trace: is of --env cluster"),
        (("episode", "--agent", "scripted"), "an episode is played by a model"),
    ],
)
def test_what_cannot_play_doctors_is_refused_in_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    PPO(seed=0).save(Path("cluster.pt"))
    done = cli(*words, "--env", "doctor")
    assert (done.code, said in done.err, done.err.count("\n")) == (2, True, 1), done.err


def test_the_table_of_environments_has_all_of_them() -> None:
    assert list(KINDS) == list(ENVIRONMENTS)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "thesis.txt").write_text("mine")
    done = cli("rl", "train", "--to", str(run))
    assert (done.code, "is not empty; name another one with --to" in done.err) == (2, True)
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]


def test_a_stopped_training_goes_on_and_a_finished_one_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    words = ["rl", "train", "-e", "2", "-s", "20", "--exam", "0", "--to", str(folder)]
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (folder / "checkpoint_ep1.pt").exists() and process.poll() is None:
        assert time.monotonic() < deadline, "the training never began"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, f"go on with: sim-arena rl train --load {folder}" in err) == (130, True), err
    ended = json.loads(cli("rl", "train", "--load", str(folder), "--json").out)
    whole = json.loads(cli(*words[:-2], "--json").out)
    assert ended["state_sha256"] == whole["state_sha256"]
    done = cli("rl", "train", "--load", str(folder), "--seed", "3")
    assert (done.code, "--seed: a run that is loaded keeps its settings" in done.err) == (2, True)
    done = cli("train", "--load", str(folder))
    assert (done.code, "2 epochs done already; ask for more with --epochs" in done.err) == (3, True)
