"""`sim-arena train`: what it prints, how it refuses, what it goes on from, and that Ctrl-C loses nothing."""

from __future__ import annotations

import inspect
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.dqn.settings import DQNSettings
from agents.saved.formats import read_state
from agents.settings import as_mapping
from runner.commands.run_config import RunConfig
from runner.commands.train import train
from runner.training.training import Training, TrainingConfig

from ..conftest import one_line

PROGRAM = (
    "from runner.commands.console import run; from runner.commands.program import program; "
    "from runner.commands.table import COMMANDS; run(program('x', COMMANDS))"
)
TINY = ["--steps", "8", "--set", "hidden=[8]", "--set", "batch_size=8", "--set", "learning_starts=8"]


def folder_of(summary: dict[str, Any]) -> Path:
    return Path(summary["checkpoint"]).parent


def config_of(summary: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder_of(summary) / "config.json").read_text())
    return document


def test_train_then_evaluate_its_checkpoints(cli: Any) -> None:
    result = cli("train", "--episodes", "3", "--evaluate-every", "3", *TINY, "--json")
    summary = json.loads(result.out)
    assert result.code == 0
    assert "run folder" in result.err
    files = [summary["checkpoint"], summary["best_checkpoint"], str(folder_of(summary) / "checkpoint_latest.pt")]
    paths = [word for file in files for word in ("--agent", file)]
    final, best, state = json.loads(cli("evaluate", *paths, "--scenarios", "3", "--json").out)["agents"].values()
    assert final == best == state
    assert config_of(summary)["settings"] == as_mapping(DQNSettings((8,), batch_size=8, learning_starts=8))
    made_with = json.loads((folder_of(summary) / "environment.json").read_text())
    assert made_with["packages"]["numpy"]
    assert made_with["cpu"]


def test_a_training_in_a_pipe_says_how_far_it_is_and_what_to_try_next(cli: Any) -> None:
    result = cli("train", "--episodes", "20", "--evaluate-every", "0", *TINY)
    said = [line for line in result.err.splitlines() if line.startswith("episode ")]
    assert len(said) == 10
    assert re.fullmatch(r"episode 20 of 20: \d+ % of the last 20 solved", said[-1])
    (folder,) = Path("runs").iterdir()
    assert f"next: sim-arena evaluate --agent {folder}/checkpoint_final.pt --baselines" in result.err.splitlines()


def test_train_is_repeatable_and_resumes_to_the_same_bits(cli: Any) -> None:
    every = ("--evaluate-every", "2")
    whole = json.loads(cli("train", "--episodes", "4", *every, *TINY, "--json").out)
    begun = json.loads(cli("train", "--episodes", "2", *every, *TINY, "--json").out)
    assert begun["state_sha256"] != whole["state_sha256"]
    folder = folder_of(begun)
    ended = json.loads(cli("train", "--load", str(folder), "--episodes", "4", "--json").out)
    assert ended["state_sha256"] == whole["state_sha256"]
    for name in ("metrics.jsonl", "step.jsonl", "checkpoint_best.pt", "config.json"):
        assert (folder / name).read_bytes() == (folder_of(whole) / name).read_bytes(), name
    done = cli("train", "--load", str(folder), "--episodes", "4")
    assert done.code == 3
    assert "4 episodes done already" in one_line(done.err)


def test_train_starts_from_given_weights(cli: Any) -> None:
    first = json.loads(cli("train", "--episodes", "1", *TINY, "--json").out)
    options = ("--episodes", "1", "--steps", "1", *TINY[2:], "--seed", "5", "--json")
    with_weights = json.loads(cli("train", *options, "--weights", first["checkpoint"]).out)
    without = json.loads(cli("train", *options).out)
    assert with_weights["state_sha256"] != without["state_sha256"]


def test_train_on_traces_names_them_in_its_records_and_is_evaluated_on_them(cli: Any, trace: Path) -> None:
    words = ("train", "--agent", "heuristic", "--trace", str(trace), "--episodes", "2", "--evaluate-every", "1")
    summary = json.loads(cli(*words, "--json").out)
    assert summary["solved"] == 2
    records = (folder_of(summary) / "step.jsonl").read_text().splitlines()
    assert {json.loads(line)["scenario"] for line in records} == {"cpu-38.msgpack"}
    metrics = [json.loads(line) for line in (folder_of(summary) / "metrics.jsonl").read_text().splitlines()]
    assert {row["n"] for row in metrics if row["kind"] == "evaluation"} == {1}


def test_train_on_one_kind_of_problem_sees_no_other(cli: Any) -> None:
    summary = json.loads(cli("train", "--agent", "heuristic", "--problem", "memory", "--episodes", "5", "--json").out)
    records = (folder_of(summary) / "step.jsonl").read_text().splitlines()
    assert {json.loads(line)["scenario"].rpartition("-")[0] for line in records} == {"memory"}


def test_a_config_says_what_options_say_and_options_go_over_it(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(
        "episodes = 5\nsteps = 8\nseed = 4\n[settings]\nhidden = [8]\nbatch_size = 8\nlearning_starts = 8\n"
    )
    by_file = json.loads(cli("train", "--config", "run.toml", "--episodes", "2", "--set", "gamma=0.5", "--json").out)
    by_options = json.loads(cli("train", "--episodes", "2", "--seed", "4", *TINY, "--set", "gamma=0.5", "--json").out)
    assert by_file["state_sha256"] == by_options["state_sha256"]
    assert config_of(by_file) == config_of(by_options)


def test_a_run_is_repeated_from_the_config_in_its_folder(cli: Any, trace: Path) -> None:
    first = json.loads(cli("train", "--trace", trace.name, "--episodes", "2", *TINY, "--json").out)
    again = json.loads(cli("train", "--config", str(folder_of(first) / "config.json"), "--json").out)
    assert again["state_sha256"] == first["state_sha256"]
    assert config_of(again) == config_of(first)
    assert folder_of(again) != folder_of(first)


def test_options_and_a_config_have_the_same_names_and_defaults() -> None:
    options = inspect.signature(train).parameters
    not_in_a_config = {"ctx", "config", "load", "to", "as_json"}
    assert options.keys() - not_in_a_config == RunConfig().dump().keys()
    for name, default in RunConfig().dump().items():
        given = options[name].default
        assert (str(given) if isinstance(given, Path) else given or None) == (default or None), name


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.toml", "episods = 3", "x.toml: 'episods' is unknown; did you mean 'episodes'?"),
        ("x.toml", 'episodes = "3"', "x.toml: episodes = '3': Input should be a valid integer"),
        (
            "x.toml",
            'runs = "mine"',
            "x.toml: 'runs' is of release 0.1; take it out, and name the run's folder",
        ),
        ("x.toml", "episodes = 0", "x.toml: episodes = 0: Input should be greater than or equal to 1"),
        ("x.toml", "seed = true", "x.toml: seed = True"),
        ("x.toml", "stop_solved = 99", "x.toml: stop_solved = 99"),
        ("x.toml", 'trace = "a.msgpack"', "x.toml: trace = 'a.msgpack': Input should be a valid list"),
        ("x.toml", "[settings]\ngama = 1", "did you mean 'gamma'"),
        ("x.toml", "[settings]\ngamma = 7", "gamma"),
        ("x.toml", "episodes = ", "x.toml: no TOML"),
        ("x.toml", "seed = 1e999", "x.toml: seed"),
        ("x.toml", 'weights = "a\\u0000b"', "null byte"),
        ("x.json", '{"episodes": 3', "x.json: no JSON"),
        ("x.json", "[3]", "x.json: holds a list"),
        ("x.json", '{"reward": "shapd"}', "shapd"),
        ("x.json", '{"problem": "cpus"}', "cpus"),
        ("x.json", "[" * 100_000, "x.json: no JSON"),
        ("x.json", '"' + "x" * (1 << 20) + '"', "larger than 1 MiB"),
        ("y.json", "{}", "x.toml: cannot be read"),
    ],
)
def test_a_mistake_in_a_config_is_one_line_that_names_it(
    cli: Any, tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    result = cli("train", "--config", name.replace("y.json", "x.toml"))
    assert result.code == 2
    assert message in one_line(result.err)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--duration", "3"], 2, "--duration: needs --trace"),
        (["--agent", "dnq"], 2, "did you mean 'dqn'"),
        (["--set", "gama=1"], 2, "did you mean 'gamma'"),
        (["--set", "gamma"], 2, "NAME=VALUE"),
        (["--set", "gamma=0.5", "--set", "gamma=0.6"], 2, "given twice"),
        (["--reward", "shapd"], 2, "shapd"),
        (["--problem", "cpus"], 2, "cpus"),
        (["--problem", "cpu", "--trace", "cpu-38.msgpack"], 2, "--problem cpu: generates a trace, but --trace"),
        (["--patience", "3", "--evaluate-every", "0"], 2, "patience = 3: needs evaluations"),
        (["--weights", "damaged.pt"], 2, "damaged"),
        (["--load", "nowhere"], 2, "no run"),
        (["--to", "damaged.pt", "--agent", "noop"], 2, "damaged.pt"),
        (["--load", "anywhere", "--seed", "3"], 2, "--seed: a run that is loaded keeps its settings"),
        (["--load", "anywhere", "--set", "gamma=1"], 2, "--set: a run that is loaded keeps its settings"),
        (["--load", "anywhere", "--config", "x.toml"], 2, "--config: a run that is loaded keeps its settings"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    cli: Any, trace: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK\x03\x04 and no more")
    result = cli("train", *arguments)
    assert result.code == code
    assert message in one_line(result.err)
    assert result.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("arguments", [["--episodes", "0"], ["--bogus"], ["--stop-solved", "2"]])
def test_wrong_usage_is_exit_code_2(cli: Any, arguments: list[str]) -> None:
    assert cli("train", *arguments).code == 2


def test_a_run_that_ended_early_goes_on_when_more_is_asked_for(cli: Any) -> None:
    words = ("train", "--agent", "noop", "--steps", "1", "--episodes", "9", "--evaluate-every", "1", "--patience", "2")
    summary = json.loads(cli(*words, "--json").out)
    assert summary["episodes"] == 3
    folder = str(folder_of(summary))
    refused = cli("train", "--load", folder)
    assert refused.code == 3
    assert "ended after 3 episodes, 2 evaluations without a better one" in one_line(refused.err)
    assert json.loads(cli("train", "--load", folder, "--patience", "4", "--json").out)["episodes"] == 5


def test_a_damaged_config_of_a_run_is_one_line(cli: Any) -> None:
    summary = json.loads(cli("train", "--agent", "noop", "--steps", "1", "--episodes", "1", "--json").out)
    (folder_of(summary) / "config.json").write_text('{"training": {}}')
    result = cli("train", "--load", str(folder_of(summary)), "--episodes", "2")
    assert result.code == 2
    assert "config.json: 'training' is unknown" in one_line(result.err)


def test_a_run_of_release_0_1_goes_on(cli: Any) -> None:
    whole = json.loads(cli("train", "--episodes", "4", *TINY, "--json").out)
    half = json.loads(cli("train", "--episodes", "2", *TINY, "--json").out)
    folder = folder_of(half)
    old = {name: value for name, value in config_of(half).items() if name != "env"}
    old["settings"] = {**old["settings"], "dueling": False}
    old |= {"node_cpu": "16", "node_memory": "32Gi", "node_pods": 110}
    (folder / "config.json").write_text(json.dumps({**old, "runs": "runs"}))
    resumed = json.loads(cli("train", "--load", str(folder), "--episodes", "4", "--json").out)
    assert resumed["state_sha256"] == whole["state_sha256"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_says_how_to_go_on_and_loses_nothing(cli: Any, tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", PROGRAM, "train", "--agent", "greedy", "--episodes", "1000", "--seed", "1"]
    process = subprocess.Popen(
        [*command, "--evaluate-every", "100", "--steps", "20", "--to", str(tmp_path / "runs" / "mine")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size for path in tmp_path.glob("runs/*/step.jsonl")) and process.poll() is None:
        assert time.monotonic() < deadline, "the training never began"
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"interrupted; go on with: sim-arena train --load {folder}" in err
    assert "Traceback" not in err

    stopped = Training(TrainingConfig(agent="greedy", seed=1, steps=20), None)
    more = str(stopped.load_state_dict(read_state(folder / "checkpoint_latest.pt")) + 3)
    ended = json.loads(cli("train", "--load", str(folder), "--episodes", more, "--json").out)
    words = (
        "--agent",
        "greedy",
        "--episodes",
        more,
        "--seed",
        "1",
        "--evaluate-every",
        "100",
        "--steps",
        "20",
        "--json",
    )
    whole = json.loads(cli("train", *words).out)
    assert ended["state_sha256"] == whole["state_sha256"]
    assert (folder / "step.jsonl").read_bytes() == (folder_of(whole) / "step.jsonl").read_bytes()
    assert len((folder / "step.jsonl").read_text().splitlines()) == ended["env_steps"]
