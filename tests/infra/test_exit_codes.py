"""Exit codes of all commands: 0 done, 1 the work failed, 2 wrong usage, 3 nothing to do, 130 interrupted."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.main import get_command

from env.problems.generate import generate_scenario
from infra.scripts import MODULES, start
from runner.commands.program import load

WRONG: dict[str, list[str]] = {
    "sim-arena train": [
        "--agent dnq",
        "--reward shapd",
        "--problem cpus",
        "--set gama=1",
        "--set gamma",
        "--set gamma=nan",
        "--trace absent.msgpack",
        "--trace damaged.msgpack",
        "--trace empty",
        "--weights damaged.pt",
        "--load empty",
        "--load absent",
        "--config absent.toml",
        "--nodes 3",
        "--cluster kind",
        "--cluster simkube --simkube nosuch=1",
        "--cluster simkube --simkube speed",
        "--cluster simkube --trace-dir /tmp:/data --kube-context nosuch",
    ],
    "sim-arena step": [
        "--agent heuristc",
        "--agent absent.pt",
        "--action bump",
        "--reward shapd",
        "--problem cpus",
        "--trace damaged.msgpack",
        "--trace cpu.msgpack --nodes 3 --node-cpu many",
        "--trace cpu.msgpack --deploy nosuch",
        "--kube-context prod",
    ],
    "sim-arena episode": [
        "--agent damaged.pt",
        "--trace cpu.msgpack --problem cpu",
        "--steps 0",
        "--to absent/x.msgpack",
        "-f absent.yaml",
        "-f empty --trace cpu.msgpack",
    ],
    "sim-arena evaluate": ["nosuch", "--agent nosuch", "--suite nosuch", "--agent absent.pt", "--trace absent"],
    "sim-arena benchmark": ["--provider nosuch", "--list-scenarios --scenario nosuch", "--resume absent"],
    # What is told before it takes stdin and stdout for the protocol; tests/runner/mcp starts processes for the rest.
    "sim-arena mcp": ["--trace cpu.msgpack --problem cpu", "--env nosuch", "--http 70000"],
    "sim-arena rl train": ["--epochs 0", "--to damaged.pt", "--model absent/x.pt"],
    "sim-arena plan": [
        "--trace cpu.msgpack --nodes 3 --node-type m6i.huge",
        "--trace cpu.msgpack --nodes 3 --prices absent.csv",
        "--trace cpu.msgpack --nodes 3 --prices damaged.msgpack",
        "--trace cpu.msgpack --nodes 3 --zone a --zone a",
        "--trace cpu.msgpack --nodes 3 --survive pod",
        "--trace cpu.msgpack --nodes 3 --survive zone",
        "--trace cpu.msgpack --nodes 3 --json --markdown",
        "--trace absent.msgpack --nodes 3",
        "-f empty --trace cpu.msgpack",
        "--kubeconfig absent",
    ],
    "sim-arena report": ["", "nosuch", "nosuch --to nowhere/x.html"],
    "sim-arena suggest": [
        "--trace absent.msgpack",
        "--trace cpu.msgpack --agent nosuch",
        "--trace cpu.msgpack --to absent/x",
    ],
    "sim-arena trace show": ["absent.msgpack", "damaged.msgpack"],
    "sim-arena trace upgrade": ["absent.msgpack", "cpu.msgpack --to empty", "damaged.msgpack"],
    "sim-arena trace make": ["--to x.sktrace", "--to x.sktrace -f absent.yaml", "--to x.sktrace -f damaged.msgpack"],
    "sim-arena trace generate": ["--to damaged.pt", "--to here --problem cpus"],
    "sim-arena trace record": ["--to absent/x.sktrace", "--to here --watch soon", "--to here --kube-context nosuch"],
    "sim-arena trace solve": ["absent.msgpack", "cpu.msgpack --deploy nosuch"],
    "sim-arena fidelity": ["absent.jsonl", "damaged.pt"],
    "sim-arena doctor": [
        "--simkube nosuch=1",
        "--trace-bucket bucket",
    ],
    "sim-arena rl diagnose": ["--allow-writes uncordon", "--model absent", "--steps 0", "--kube-context nosuch"],
    "sim-arena rl status": ["--bogus"],
    "sim-arena rl setup": ["--bogus"],
    "sim-arena rl remove": ["--bogus"],
    "sim-arena truth record": ["--to damaged.pt", "--to new.jsonl --kind nosuch", "--to x --scenarios absent.jsonl"],
    "sim-arena bench suggest": ["--nodes 0", "--bogus"],
    "sim-arena bench season-fit": ["--series absent.csv", "--series damaged.pt", "--bogus"],
    "sim-arena bench env": ["--trace absent.msgpack", "--bogus"],
    "sim-arena bench dqn": ["--bogus"],
    "sim-arena bench ppo": ["--environments 0"],
    "sim-arena bench learning": ["--seeds 0"],
    "sim-arena bench ablation": ["--variant nosuch"],
    "sim-arena bench federation": ["--members many", "--strategy nosuch", "--attack nosuch", "--set gama=1"],
    "sim-arena bench flower": ["--rounds 1", "--to damaged.pt", "--environment damaged.pt"],
    "sim-arena bench season-federated": ["--variant nosuch", "--series absent.csv", "--seeds many"],
    "sim-arena bench protocol": ["--members many", "--barrier nosuch", "--to damaged.pt"],
    "sim-arena demo": ["--to damaged.pt", "--workers 0"],
    "sim-arena chaos": ["--to damaged.pt", "--barrier nosuch"],
    "sim-arena simulate": ["--seeds many", "--seeds 5:1", "--seed 1 --jobs 2"],
    "sim-arena workers job": ["--bucket b-1 --count 1", "--bucket B* --count 1 --secret s --image i"],
    "sim-arena policy": ["workr --bucket b-1", "worker --bucket B*", "worker --bucket b-1 --worker-role x"],
    "sim-arena s3": ["--port many", "--log empty"],
    "sim-arena s3 check": ["--bucket s3://b-1", "--bogus"],
    "dispatch submit": [
        "--set learning_rate=5",
        "--set learning_rate=nan",
        "--set lerning_rate=1",
        "--set learning_rate",
        "--agent dqm",
        "--reward shape",
        "--trace absent.msgpack",
        "--trace damaged.msgpack",
        "--trace empty",
        "-f web.yaml",
        "--weights absent.pt",
        "--federation-size 2 --group Web",
        "--nodes 2 --node-cpu many",
        "--agent greedy --strategy median",
        "--min-participants 2",
        "--env fleet --variant memory",
        "--round-timeout 5",
    ],
    "dispatch list": ["--bucket s3://sim-arena", "--bucket sim-arena/", "--bucket My_Bucket", "--bucket="],
    "dispatch status": ["nosuch", "No!", "--bogus"],
    "dispatch cancel": ["nosuch", "../x"],
    "dispatch retry": ["nosuch", "../x"],
    "dispatch inspect": ["nosuch", "../x"],
    "dispatch download": ["nosuch", "../x"],
    "dispatch report": ["nosuch", "../x", "nosuch --expires 60", "nosuch --publish --expires 604801"],
    "dispatch purge": ["nosuch --yes", "../x --yes", "nosuch"],
    "worker": [
        "--run-once --lease-ttl 0",
        "--run-once --exit-when-idle",
        "--job ../x",
        "--worker-id ../x",
        "--run-once --cluster kind",
        "--run-once --cluster simkube --simkube nosuch=1",
        "--busy-file absent/busy",
        "--bucket My_Bucket",
    ],
    "sync-server": ["--bucket My_Bucket", "--bogus"],
    "ec2-workers setup": ["--bucket My_Bucket", "--vpc="],
    "ec2-workers teardown": ["--bucket My_Bucket"],
    "ec2-workers launch": ["--count 0", "--count 1 --group No!", "--count 1 --cluster kind", "--count 1 --nodes 5"],
    "ec2-workers status": ["--bogus"],
    "ec2-workers logs": ["nosuch"],
    "ec2-workers terminate": ["", "nosuch", "--group g --all"],
    "ec2-workers bake": ["--cluster kind", "--name *"],
}
"""For every command, what is wrong usage of it."""


WITHOUT_JSON = {
    "sim-arena mcp": "its stdout carries the protocol",
    "sim-arena policy": "what it prints is JSON",
    "sim-arena workers job": "what it prints is YAML",
    "worker": "it prints a log",
    "sync-server": "it prints a log",
}
"""Commands that have no --json, and why."""


def commands() -> set[str]:
    """Every command of every script; a script without a table is one itself."""
    found = set()
    for name, module in MODULES.items():
        table = getattr(import_module(module), "COMMANDS", None)
        found |= {name} if table is None else {f"{name} {path}" for path, entry in table.items() if entry.where}
    return found


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[[str], Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, bucket_name: str) -> Run:
    """Runs a command line as its script does, in a folder with a trace and with files that are none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SIM_ARENA_BUCKET", bucket_name)
    Path("cpu.msgpack").write_bytes(generate_scenario("cpu", 38).trace.to_bytes())
    for name in ("damaged.pt", "damaged.msgpack"):
        Path(name).write_bytes(b"PK\x03\x04 and no more")
    Path("empty").mkdir()

    def call(line: str) -> Done:
        monkeypatch.setattr(sys, "argv", line.split())
        with pytest.raises(SystemExit) as exit_:
            start(line.split()[0])
        said = capfd.readouterr()
        assert isinstance(exit_.value.code, int)
        return Done(exit_.value.code, said.out, said.err)

    return call


def test_every_command_has_a_case_of_wrong_usage() -> None:
    assert commands() == set(WRONG)


@pytest.mark.parametrize("name", WRONG)
def test_every_command_that_prints_something_has_json(name: str) -> None:
    script, _, path = name.partition(" ")
    module = import_module(MODULES[script])
    command = load(module.COMMANDS, path) if path else get_command(module.app)
    has_json = any("--json" in parameter.opts for parameter in command.params)
    assert has_json != (name in WITHOUT_JSON)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_exit_code_2_and_one_line(name: str, run: Run) -> None:
    for arguments in WRONG[name]:
        done = run(f"{name} {arguments}")
        assert (done.code, done.out) == (2, ""), (arguments, done)
        lines = done.err.strip().splitlines()
        box = [line for line in lines if re.match("[╭│╰]", line)]
        assert len(lines) == 1 if not box else lines[0].startswith("Usage: "), (arguments, done.err)
        assert "Traceback" not in done.err


@pytest.mark.parametrize("line", ["dispatch list", "worker --run-once", "sync-server --once", "ec2-workers status"])
def test_without_credentials_the_work_failed(line: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert run(line).code == 1


@pytest.mark.parametrize("line", ["dispatch list", "worker --run-once", "sync-server --once"])
def test_an_endpoint_that_is_no_url_is_wrong_usage(line: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:5055")
    done = run(line)
    assert done.code == 2
    assert "AWS_ENDPOINT_URL" in done.err


@pytest.mark.parametrize("line", ["worker --run-once", "worker --job nosuch", "sync-server --once"])
def test_nothing_to_do_is_exit_code_3(line: str, run: Run) -> None:
    assert run(line).code == 3


def test_an_empty_list_is_done(run: Run) -> None:
    assert run("dispatch list --json") == Done(0, "[]\n", "")


@pytest.mark.parametrize("name", MODULES)
def test_ctrl_c_during_the_imports_is_one_line(name: str, tmp_path: Path) -> None:
    """A module that every command imports sends the signal."""
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    function = name.replace("-", "_")
    script = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nfrom infra.scripts import {function}\n{function}()"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
