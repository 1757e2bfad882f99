from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys

import pytest

from runner.commands.console import say
from runner.commands.interrupt import stop_on_signals


class Interrupting(io.RawIOBase):
    """A stream in whose first write a SIGINT comes."""

    def __init__(self) -> None:
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.written += 1
        if self.written == 1:
            signal.raise_signal(signal.SIGINT)
        return len(bytes(data))  # type: ignore[call-overload]


def test_a_signal_in_the_middle_of_a_log_line_only_asks_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stream = Interrupting()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(stream), write_through=True))
    try:
        stop = stop_on_signals()
        say("x" * 20_000)  # longer than the buffer, so that it is written at once
        sys.stderr.flush()
        assert stop.is_set()
        assert stream.written
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_work_goes_on_although_its_output_is_not_read() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    work = "from runner.commands.console import err\nfor _ in range(3): err.print('at work')\nprint('done')"
    done = subprocess.run([sys.executable, "-c", work], stdout=subprocess.PIPE, stderr=writer, check=False)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"done\n")


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\x03", 130), (b"\x04", 130)])
def test_a_question_is_answered_at_a_terminal_and_ctrl_c_is_130(typed: bytes, code: int) -> None:
    assert asked(typed).returncode == code


def test_a_question_without_a_terminal_is_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no terminal to ask at: Delete all? Confirm with --yes\n"


ASK = "from runner.commands.console import confirm, run\nrun(lambda: confirm('Delete all?'))"
PROGRAM = """
import signal, sys, typer
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with SIGINT ignored
from runner.commands.console import confirm, run
app = typer.Typer()
app.command()(lambda: confirm("Delete all?"))
sys.argv = ["ask"]
run(app)
"""


def asked(typed: bytes) -> subprocess.CompletedProcess[bytes]:
    """A question at a terminal of its own, where this is typed once it has been asked."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-c", PROGRAM], stdin=slave, stdout=subprocess.PIPE, stderr=slave
    )
    os.close(slave)
    said = b""
    while b"Delete all?" not in said:
        said += os.read(master, 1000)
    os.write(master, typed)
    out, _ = child.communicate(timeout=60)
    os.close(master)
    return subprocess.CompletedProcess(child.args, child.returncode, out)
