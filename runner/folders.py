"""Folders of runs: a new one with a name of its own, and the lock that keeps two processes from working in one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from env.errors import ConfigError


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder below `parent` that no run has yet; two runs may begin in the same second.

    Args:
        parent: Made as well, if it is not there.
        name: With `{time}` for the time in UTC.

    Raises:
        ConfigError: It cannot be made.
    """
    named = parent / name.format(time=datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
    for number in range(1, 1000):
        path = named if number == 1 else named.with_name(f"{named.name}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigError(f"run folder {path}: cannot be made ({error.strerror})") from error
        return path
    raise ConfigError(f"run folder {named}: a thousand of them exist")


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Keep other processes from working in this folder meanwhile; the lock ends with the process.

    Args:
        folder: It exists.
        command: Who works in it, for the message.

    Raises:
        ConfigError: One does already.
    """
    file = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"run folder {folder}: another {command} is at work in it") from error
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(file)
