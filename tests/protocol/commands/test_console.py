from __future__ import annotations

import io
import os
import signal
import subprocess
import sys

import pytest

from protocol.commands.console import say, stop_on_signals


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


def test_work_goes_on_although_nobody_reads_what_is_said_of_it() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    work = "from runner.commands.console import err\nfor _ in range(3): err.print('at work')\nprint('done')"
    done = subprocess.run([sys.executable, "-c", work], stdout=subprocess.PIPE, stderr=writer, check=False)
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"done\n")
