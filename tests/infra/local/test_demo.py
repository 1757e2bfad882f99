"""The demo, with real processes: the same weights with and without failing workers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agents.saved import checkpoint, pt_file
from env.errors import ConfigError, UsageError
from env.problems.generate import generate_scenario
from infra.local import conclusion
from infra.local.demo import Demo, DemoSettings
from infra.local.processes import command, new_folder
from infra.proof.standin import federation
from protocol.report.record import Record

pytest.importorskip("moto")

SMALL = ("--members", "2", "--rounds", "6", "--steps", "30", "--seed", "5")


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of four problems."""
    folder = tmp_path_factory.mktemp("traces")
    for seed in range(4):
        (folder / f"{seed}.msgpack").write_bytes(generate_scenario(None, seed).trace.to_bytes())
    return str(folder)


def outcome(folder: Path, traces: str, *options: str) -> Any:
    arguments = command("sim-arena", "demo", *SMALL, "--trace", traces, *options, "--to", str(folder), "--json")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, traces: str) -> Any:
    return outcome(tmp_path_factory.mktemp("undisturbed") / "out", traces)


def test_it_ends_with_weights_a_curve_and_an_evaluation(undisturbed: Any) -> None:
    assert undisturbed["rounds_closed"] == 6
    weights = checkpoint.write(pt_file.loads(Path(undisturbed["weights"]).read_bytes(), "weights"))
    assert hashlib.sha256(weights).hexdigest() == undisturbed["weights_sha256"]  # as the bucket has them
    assert Path(undisturbed["learning_curve"]).read_bytes().startswith(b"\x89PNG")
    page = Path(undisturbed["report"]).read_text()
    assert "Finished: all 6 rounds closed" in page
    assert "Greedy episodes on 200 problems that no training sees." in page
    assert "sim-arena demo --members 2 --rounds 6 --seed 5 --steps 30 --trace" in page
    for scenarios in ("evaluation", "evaluation_on_its_traces"):
        assert [row["agent"] for row in undisturbed[scenarios]] == ["trained", "untrained", "random"]
    assert undisturbed["requests"]["per_round"]["worker"]["PUT"] >= 2


def until_round_1(demo: subprocess.Popen[str]) -> list[int]:
    """Read the demo's log until its first round has closed; the processes of its workers."""
    assert demo.stderr is not None
    workers: list[int] = []
    for line in demo.stderr:
        if found := re.match(r"worker-\d: process (\d+)", line):
            workers.append(int(found[1]))
        if line.startswith("round 1/"):
            break
    return workers


def started(*options: str) -> subprocess.Popen[str]:
    arguments = command("sim-arena", "demo", *options)
    heeds_ctrl_c = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # not so where tests run in the background
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds_ctrl_c
    )


def test_one_worker_killed_in_the_middle_ends_with_the_same_weights_as_two(
    undisturbed: Any, tmp_path: Path, traces: str
) -> None:
    with started(*SMALL, "--workers", "1", "--trace", traces, "--to", str(tmp_path / "out")) as demo:
        os.kill(until_round_1(demo)[0], signal.SIGKILL)
        out, log = demo.communicate(timeout=300)
    assert demo.returncode == 0, log
    assert "worker-1 ended (killed by SIGKILL); starting another" in log
    assert f"weights sha256: {undisturbed['weights_sha256']}" in out
    assert f"next: python3 -m webbrowser {(tmp_path / 'out' / 'report.html').as_uri()} " in log


def test_without_the_chart_library_there_is_no_report_and_a_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*arguments: object) -> None:
        raise ConfigError("reports need the package plotly")

    monkeypatch.setattr(conclusion, "write_report", missing)
    demo = Demo(DemoSettings(2, 2, 6, 30, 5, None, (), None, None, tmp_path), quiet=False)
    assert demo._report(Record(federation(2), None, 0, [], 0, [], 0.0, [], {}), {}) is None
    assert "no report: reports need the package plotly" in capsys.readouterr().err


def test_ctrl_c_stops_everything_it_started(tmp_path: Path, traces: str) -> None:
    with started("--rounds", "500", "--trace", traces, "--to", str(tmp_path / "out")) as demo:
        workers = until_round_1(demo)
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert len(workers) == 2
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_folder_that_is_not_empty_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(command("sim-arena", "demo", "--to", str(tmp_path)), capture_output=True, text=True)
    assert done.returncode == 2
    assert "choose a new folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_folder_for_logs(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"mine\.txt: cannot be made"):
        new_folder(tmp_path / "mine.txt", "")


def test_a_learner_has_no_traces() -> None:
    arguments = command("sim-arena", "demo", "--learner", "digits", "--target", "3")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (
        2,
        "error: --learner digits: has neither --trace nor --deploy nor --target; leave them out\n",
    )
