"""The commands: what they print, how they refuse, and that Ctrl-C loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest

from env.cli import new_app, run
from env.generate import generate_scenario
from env.trace import load_trace
from runner.cli import register

PROGRAM = (
    "from env.cli import new_app, run; from runner.cli import register; app = new_app('x'); register(app); run(app)"
)
TINY = ["--steps", "8", "--set", "hidden=[8]", "--set", "batch_size=8", "--set", "learning_starts=8"]


class Result(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Result]:
    """Runs a command as `sim-arena` does, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    app = new_app("test")
    register(app)

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
    assert len(text.strip().splitlines()) == 1, text
    return text.strip()


def test_step_takes_the_action_asked_for_and_saves_the_trace(cli: Any, trace: Path, tmp_path: Path) -> None:
    saved = tmp_path / "next.msgpack"
    result = cli("step", "--trace", str(trace), "--action", "reduce_cpu_small", "--save", str(saved), "--json")
    record = json.loads(result.out)
    assert result.code == 0
    assert record["action"]["name"] == "reduce_cpu_small"
    assert record["after"]["resources"]["cpu"] == "6800m"
    requests = load_trace(saved).events[0]["applied_objs"][0]["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert requests["requests"] == {"cpu": "6800m", "memory": "2352Mi"}


def test_step_prints_a_table(cli: Any) -> None:
    result = cli("step", "--problem", "memory", "--seed", "3")
    assert result.code == 0
    assert "reduce_mem_small" in result.out


def test_episode_prints_every_step_and_its_end(cli: Any, trace: Path, tmp_path: Path) -> None:
    saved = tmp_path / "solved.msgpack"
    result = cli("episode", "--trace", str(trace), "--save", str(saved), "--json")
    document = json.loads(result.out)
    assert result.code == 0
    assert document["solved"]
    assert len(document["records"]) == document["steps"]
    again = json.loads(cli("episode", "--trace", str(saved), "--agent", "noop", "--steps", "1", "--json").out)
    assert again["solved"]
    assert "reduce_cpu_small" in cli("episode", "--trace", str(trace)).out


def test_evaluate_prints_a_score_per_agent_and_problem(cli: Any) -> None:
    result = cli("evaluate", "heuristic", "noop", "--scenarios", "6", "--steps", "20", "--json")
    document = json.loads(result.out)
    assert result.code == 0
    assert document["agents"]["heuristic"][-1]["solved_rate"] == 1.0
    assert document["agents"]["noop"][-1]["solved"] == 0
    assert "100.0 %" in cli("evaluate", "heuristic", "--problem", "cpu", "--scenarios", "2").out


def test_evaluate_takes_a_folder_of_traces(cli: Any, trace: Path) -> None:
    document = json.loads(cli("evaluate", "heuristic", "--trace", str(trace.parent), "--json").out)
    assert document["scenarios"] == 1


def test_train_then_evaluate_its_checkpoints(cli: Any, tmp_path: Path) -> None:
    result = cli("train", "--episodes", "3", *TINY, "--json")
    summary = json.loads(result.out)
    assert result.code == 0
    assert "run folder" in result.err
    latest = str(Path(summary["checkpoint"]).with_name("checkpoint_latest.pt"))
    document = json.loads(cli("evaluate", summary["checkpoint"], latest, "--scenarios", "3", "--json").out)
    final, from_state = document["agents"].values()
    assert final == from_state
    config = json.loads((tmp_path / latest).with_name("config.json").read_text())
    assert config["training"]["agent_settings"]["hidden"] == [8]


def test_train_is_repeatable_and_resumes_to_the_same_bits(cli: Any) -> None:
    whole = json.loads(cli("train", "--episodes", "4", *TINY, "--json").out)
    begun = json.loads(cli("train", "--episodes", "2", *TINY, "--json").out)
    assert begun["state_sha256"] != whole["state_sha256"]
    folder = str(Path(begun["checkpoint"]).parent)
    ended = json.loads(cli("train", "--load", folder, "--episodes", "4", "--json").out)
    assert ended["state_sha256"] == whole["state_sha256"]
    records = (Path(folder) / "step.jsonl").read_text().splitlines()
    assert len(records) == ended["env_steps"]
    done = cli("train", "--load", folder, "--episodes", "4")
    assert done.code == 3
    assert "4 episodes are done" in one_line(done.err)


def test_train_starts_from_given_weights(cli: Any) -> None:
    first = json.loads(cli("train", "--episodes", "1", *TINY, "--json").out)
    options = ("--episodes", "1", "--steps", "1", *TINY[2:], "--seed", "5", "--json")
    with_weights = json.loads(cli("train", *options, "--weights", first["checkpoint"]).out)
    without = json.loads(cli("train", *options).out)
    assert with_weights["state_sha256"] != without["state_sha256"]


def test_train_on_traces_names_them_in_its_records(cli: Any, trace: Path) -> None:
    summary = json.loads(cli("train", "--agent", "heuristic", "--trace", str(trace), "--episodes", "2", "--json").out)
    assert summary["solved"] == 2
    records = (Path(summary["checkpoint"]).parent / "step.jsonl").read_text().splitlines()
    assert {json.loads(line)["scenario"] for line in records} == {"cpu-38.msgpack"}


def test_trace_show_upgrade_and_generate(cli: Any, tmp_path: Path) -> None:
    written = json.loads(cli("trace", "generate", "--to", "made", "--count", "3", "--seed", "5", "--json").out)
    assert [Path(row["path"]).exists() for row in written] == [True] * 3
    path = written[0]["path"]
    shown = json.loads(cli("trace", "show", path, "--json").out)
    assert shown["version"] == 2
    assert shown["deployments"][0]["name"] == "web"
    assert "deployment" in cli("trace", "show", path).out
    assert cli("trace", "upgrade", path).code == 3

    old = msgpack.unpackb(Path(path).read_bytes(), strict_map_key=False)
    document = {"version": 1, "metadata": {}, "events": old["events"]}
    (tmp_path / "old.msgpack").write_bytes(msgpack.packb(document))
    assert "trace upgrade" in one_line(cli("trace", "show", "old.msgpack").err)
    assert cli("trace", "upgrade", "old.msgpack", "--to", "new.msgpack").code == 0
    assert json.loads(cli("trace", "show", "new.msgpack", "--json").out)["version"] == 2


def test_trace_generate_says_how_few_actions_solve_each(cli: Any) -> None:
    written = json.loads(cli("trace", "generate", "--to", "made", "--count", "4", "--problem", "memory", "--json").out)
    for row in written:
        solved = json.loads(cli("trace", "solve", row["path"], "--json").out)
        assert (solved["least_actions"], solved["target"]) == (row["least_actions"], row["target"])
    table = cli("trace", "generate", "--to", "made", "--count", "4", "--problem", "memory").out
    assert "least actions" in table
    assert all(row["path"] in table for row in written)


def test_trace_solve_prints_the_actions_and_what_they_lead_to(cli: Any, trace: Path) -> None:
    solved = json.loads(cli("trace", "solve", str(trace), "--json").out)
    assert solved["actions"] == ["reduce_cpu_small"] * 7
    assert solved["start"] == {"replicas": 7, "cpu": "7300m", "memory": "2352Mi"}
    assert solved["end"] == {"replicas": 7, "cpu": "3800m", "memory": "2352Mi"}
    assert "7 x reduce_cpu_small" in cli("trace", "solve", str(trace)).out
    assert "1 x reduce_cpu_small" in cli("trace", "solve", str(trace), "--nodes", "7", "--node-cpu", "6800m").out


def test_trace_solve_says_when_its_bound_ended_the_search(cli: Any, trace: Path) -> None:
    result = cli("trace", "solve", str(trace), "--within", "6")
    assert result.code == 1
    assert "no solution within 6 actions" in one_line(result.err)
    result = cli("trace", "solve", str(trace), "--within", "6", "--json")
    assert result.code == 1
    assert json.loads(result.out)["least_actions"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["step", "--trace", "nowhere.msgpack"], 1, "nowhere.msgpack"),
        (["step", "--action", "bump"], 1, "choose from noop, bump_cpu_small"),
        (["step", "--problem", "cpus"], 1, "choose from"),
        (["step", "--reward", "shapd"], 1, "shaped"),
        (["step", "--agent", "heuristc"], 1, "did you mean 'heuristic'"),
        (["step", "--agent", "nowhere.pt"], 1, "nowhere.pt"),
        (["step", "--trace", "cpu-38.msgpack", "--nodes", "3", "--node-cpu", "many"], 1, "many"),
        (["step", "--nodes", "3"], 1, "--nodes: needs --trace"),
        (["train", "--duration", "3"], 1, "--duration: needs --trace"),
        (["episode", "--agent", "damaged.pt"], 1, "damaged.pt"),
        (["episode", "--trace", "cpu-38.msgpack", "--problem", "cpu"], 1, "--problem cpu"),
        (["episode", "--trace", "cpu-38.msgpack", "--trace", "cpu-38.msgpack"], 1, "takes one"),
        (["episode", "--trace", "cpu-38.msgpack", "--deploy", "api"], 1, "api"),
        (["evaluate", "random", "--trace", "empty"], 1, "holds no .msgpack"),
        (["train", "--agent", "dnq"], 1, "did you mean 'dqn'"),
        (["train", "--set", "gama=1"], 1, "did you mean 'gamma'"),
        (["train", "--set", "gamma"], 1, "NAME=VALUE"),
        (["train", "--set", "gamma=0.5", "--set", "gamma=0.6"], 1, "given twice"),
        (["train", "--reward", "shapd"], 1, "shapd"),
        (["train", "--weights", "damaged.pt"], 1, "damaged"),
        (["train", "--load", "nowhere"], 1, "no run"),
        (["train", "--runs", "damaged.pt", "--agent", "noop"], 1, "damaged.pt"),
        (["trace", "show", "damaged.pt"], 1, "damaged.pt"),
        (["trace", "upgrade", "damaged.pt"], 1, "damaged.pt"),
        (["trace", "generate", "--to", "damaged.pt"], 1, "damaged.pt"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    cli: Any, trace: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    (tmp_path / "damaged.pt").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "empty").mkdir()
    result = cli(*arguments)
    assert result.code == code
    assert message in one_line(result.err)
    assert result.out == ""
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "arguments", [["train", "--episodes", "0"], ["step", "--nodes", "x"], ["evaluate"], ["train", "--bogus"]]
)
def test_wrong_usage_is_exit_code_2(cli: Any, arguments: list[str]) -> None:
    assert cli(*arguments).code == 2


def test_a_loaded_run_refuses_other_settings(cli: Any) -> None:
    result = cli("train", "--load", "anywhere", "--seed", "3")
    assert result.code == 2
    assert "--seed" in one_line(result.err)


def test_help_needs_no_heavy_package() -> None:
    program = (
        "import sys, runner.cli; f = {'torch', 'matplotlib', 'tensorboard'} & set(sys.modules);"
        "sys.exit(str(f) if f else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_says_how_to_go_on_and_loses_nothing(cli: Any, tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", PROGRAM, "train", "--agent", "greedy", "--episodes", "100000", "--seed", "1"]
    process = subprocess.Popen(
        [*command, "--runs", str(tmp_path / "runs")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/step.jsonl")) and process.poll() is None:
        assert time.monotonic() < deadline, "the training never began"
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    (folder,) = (tmp_path / "runs").iterdir()
    assert f"interrupted; go on with: sim-arena train --load {folder}" in err
    assert "Traceback" not in err

    from runner.training import Training, TrainingConfig

    stopped = Training(TrainingConfig(agent="greedy", seed=1), None)
    done = stopped.restore((folder / "checkpoint_latest.pt").read_bytes())
    more = str(done + 3)
    ended = json.loads(cli("train", "--load", str(folder), "--episodes", more, "--json").out)
    whole = json.loads(cli("train", "--agent", "greedy", "--episodes", more, "--seed", "1", "--json").out)
    assert ended["state_sha256"] == whole["state_sha256"]
    records = (folder / "step.jsonl").read_text().splitlines()
    assert len(records) == ended["env_steps"]


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    program = "from env.cli import out, run\nrun(lambda: [out.print(i) for i in range(100_000)])"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
