"""What commands print, as scripts and pipes read it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


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
