"""What these commands share: opening a bucket, stopping cleanly, log lines."""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import threading
from contextlib import suppress
from datetime import datetime
from types import FrameType

from protocol.commands.instance import ec2_instance_id
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.probe import probe
from protocol.wire.store import S3Store, valid_bucket
from runner.commands.console import err

INTERACTIVE_PATIENCE_S = 5.0  # a person waits for `dispatch`; a daemon has time


def open_bucket(name: str, role: str = "dispatch") -> Bucket:
    """The bucket of that name, for a command that a person waits for.

    Raises:
        UsageError: no bucket can have this name.
        Unfit: no credentials, no region.
    """
    return Bucket(S3Store(valid_bucket(name), role=role), system_clock(), patience_s=INTERACTIVE_PATIENCE_S)


def open_daemon_bucket(name: str, role: str) -> Bucket:
    """A bucket for a process that runs for long: it is probed first, and SIGTERM or SIGINT ends all waits."""
    store, clock = S3Store(valid_bucket(name), role=role), system_clock(stop_on_signals())
    probe(Bucket(store, clock, patience_s=INTERACTIVE_PATIENCE_S))
    return Bucket(store, clock)


def stop_on_signals() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one kills as usual."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        # Not by `say`: the signal may have come while that was writing, and a buffer cannot be entered twice.
        text = f"{signal.Signals(number).name}: saving what is whole and stopping; once more to stop at once"
        with suppress(OSError):  # stderr is closed
            os.write(2, f"{_clock()} {text}\n".encode())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stop


def say(line: str) -> None:
    """A log line on stderr with the local time."""
    err.print(f"{_clock()} {line}", markup=False, highlight=False)


def _clock() -> str:
    return f"{datetime.now().astimezone():%H:%M:%S}"


def this_worker() -> str:
    """A worker id: the instance's on EC2; elsewhere one that no other process has, of the host's name and chance.

    It is shown, and decides nothing: two processes of one instance may share it.
    """
    instance = ec2_instance_id()
    if instance:
        return instance
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:40] or "worker"
    return f"{host}-{secrets.token_hex(4)}"
