"""What commands print, as scripts and pipes read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from env.problems.generate import generate_scenario
from infra.scripts import start


def left_without_a_reader(line: str, *, stderr_too: bool) -> tuple[int, str]:
    """The exit code and the stderr of a command whose stdout is not read."""
    reader, writer = os.pipe()
    os.close(reader)
    code = "import sys; from infra.scripts import start; sys.argv = sys.argv[1:]; start(sys.argv[0])"
    command = [sys.executable, "-c", code, *line.split()]
    stderr = writer if stderr_too else subprocess.PIPE
    done = subprocess.run(command, stdout=writer, stderr=stderr, text=True, check=False)
    os.close(writer)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("dispatch -h", 0),
        ("worker -h", 0),
        ("sim-arena --version", 0),
        ("sim-arena policy worker --bucket b-1", 0),
        ("sim-arena trace show absent.msgpack", 2),
        ("dispatch bogus", 2),
    ],
)
def test_a_reader_that_is_gone_changes_no_exit_code_and_prints_no_traceback(line: str, code: int) -> None:
    left, said = left_without_a_reader(line, stderr_too=False)
    assert left == code
    assert "BrokenPipe" not in said
    assert "Traceback" not in said
    assert left_without_a_reader(line, stderr_too=True) == (code, "")


DOCUMENTS = {
    "sim-arena train --agent greedy --episodes 1 --steps 2 --to run": 0,
    "sim-arena step": 0,
    "sim-arena episode --steps 2 --to played.msgpack": 0,
    "sim-arena evaluate --agent noop --no-baselines --scenarios 1 --steps 2": 0,
    "sim-arena benchmark --provider scripted --scenario cpu-1 --attempts 1": 0,
    "sim-arena suggest --trace cpu.msgpack --agent noop": 1,
    "sim-arena plan --trace cpu.msgpack --nodes 5": 0,
    "sim-arena trace show cpu.msgpack": 0,
    "sim-arena trace upgrade cpu.msgpack": 3,
    "sim-arena trace generate --count 1 --to traces": 0,
    "sim-arena trace solve cpu.msgpack": 0,
    "sim-arena doctor --kubeconfig absent": 1,
    "sim-arena truth record --kubeconfig absent --to truth.jsonl": 2,
    "sim-arena simulate --seed 3": 0,
    "sim-arena simulate --seeds 0:1 --jobs 1": 0,
    "dispatch submit --agent greedy --episodes 1": 0,
    "dispatch submit --federation-size 1 --group web --episodes 1": 0,
    "dispatch list": 0,
    "dispatch status web": 0,
    "dispatch inspect web-m0000": 0,
    "dispatch inspect web-m0000 --ckpt": 1,
    "dispatch cancel web": 0,
    "dispatch retry web-m0000": 1,
    "dispatch download web": 0,
    "dispatch report web": 0,
    "dispatch report web --publish": 0,
    "dispatch purge web": 2,
    "dispatch purge web --yes": 0,
    "dispatch status nosuch": 2,
}
"""Command lines in their order, with their exit codes. EC2's, and what takes long, have tests in their own rooms."""


def test_json_is_one_document_or_nothing_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, bucket_name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIM_ARENA_BUCKET", bucket_name)
    Path("cpu.msgpack").write_bytes(generate_scenario("cpu", 38).trace.to_bytes())
    for line, code in DOCUMENTS.items():
        monkeypatch.setattr(sys, "argv", [*line.split(), "--json"])
        with pytest.raises(SystemExit) as left:
            start(line.split()[0])
        said = capfd.readouterr()
        assert left.value.code == code, (line, said)
        if code == 0 or said.out:
            assert isinstance(json.loads(said.out), dict | list), line
        else:
            assert said.err, line
