"""Files of lines, one JSON document each: read whole, appended whole, and mended after a crash."""

from __future__ import annotations

import os
from pathlib import Path

from env.errors import OutputError, UsageError

LONGEST_LINE = 1 << 20  # bytes of one row
LONGEST_FILE = 1 << 29


class RowError(UsageError):
    """A file that should hold rows holds something else."""


def whole_lines(path: Path, longest: int = LONGEST_LINE) -> list[bytes]:
    """The lines of a file, none if there is no file; what a crash left of the last one is left out.

    Raises:
        RowError: A file or a line that is too large, or cannot be read.
    """
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise RowError(f"{path}: larger than {LONGEST_FILE >> 20} MiB")
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RowError(f"{path}: cannot be read ({error.strerror})") from error
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    if any(len(line) > longest for line in lines):
        raise RowError(f"{path}: a line is longer than {longest} bytes")
    return lines


def cut_torn_line(path: Path) -> None:
    """Take away what a crash left of the last line, so that the next one begins at the left.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def append_whole(path: Path, data: bytes, *, sync: bool) -> None:
    """Append lines in one write.

    Args:
        sync: Return when they are on the disk. Without it they outlive the process, not the machine.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            while data:
                data = data[os.write(file, data) :]
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error
