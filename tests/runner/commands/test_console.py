from __future__ import annotations

import io
import logging
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
import typer
from rich.markup import escape
from rich.text import Text

from env.errors import SimArenaError
from protocol.commands.status import JobSummary, RoundSummary
from protocol.commands.tables import _rounds_table, jobs_table
from runner.commands.console import err, fail, note, out, print_json, print_lines, run, say
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import stop_on_signals
from runner.commands.tables import show, show_facts


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
        for _ in range(6):
            say("x" * 4_000)  # together longer than the buffer, so that it is written
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


HOSTILE = "\x1b]0;OWNED\x07\x1b[2J\x9b31m\x7f\u202egnp\r\nerror: second line [/][bold"


@pytest.mark.parametrize(
    "shown",
    [
        lambda: say(HOSTILE),
        lambda: note(HOSTILE, whole=True),
        lambda: err.print(escape(HOSTILE)),
        lambda: out.print(HOSTILE, markup=False),
        lambda: out.print(Text(HOSTILE.replace("\n", " "))),
        lambda: show_facts({"name": HOSTILE, "\x1b[2J": [HOSTILE]}),
        lambda: show(jobs_table([JobSummary("job", "failed", error=HOSTILE, worker=HOSTILE)])),
        lambda: show(_rounds([RoundSummary(1, HOSTILE, 1, 1, None, 0, (HOSTILE,))])),
        lambda: print_json({HOSTILE: HOSTILE}),
        lambda: print_lines(HOSTILE.replace("\r\n", " ")),
        lambda: fail(HOSTILE),
        lambda: run(_raise(SimArenaError(HOSTILE))),
        lambda: run(_raise(RuntimeError(HOSTILE))),
        lambda: run(lambda: logging.getLogger("another.library").warning(HOSTILE)),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_whatever_is_printed_steers_no_terminal_and_forges_no_line(
    shown: Callable[[], None], terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, written)
    if logging.lastResort:
        monkeypatch.setattr(logging.getLogger(), "handlers", [])
        monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(written))
    for console in (out, err):
        monkeypatch.setattr(console, "_force_terminal", terminal)
        monkeypatch.setattr(console, "_color_system", None)
    with suppress(typer.Exit, SystemExit):
        shown()
    text = written.getvalue()
    assert "second line" in text
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)  # Rich's own styles
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
    if not terminal:  # which wraps at spaces
        assert not re.search("^.{0,10}error: second", plain, re.MULTILINE)


def _raise(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def _rounds(rows: list[RoundSummary]) -> FittedTable:
    return _rounds_table(tuple(rows))


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


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize("way", ["out.print('x')", "print_json({})"])
def test_a_stdout_that_is_full_or_closed_is_one_line(redirection: str, reason: str, way: str) -> None:
    code = f"from runner.commands.console import out, print_json, run\nrun(lambda: {way})"
    done = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {redirection}', sys.executable, code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, f"error: stdout: cannot be written ({reason})\n")
