"""JSON Lines of a run, one record a line, each with the number of its episode; what is beyond an episode can be cut."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agents.saved.files import write_atomic
from env.errors import OutputError


class JsonLines:
    """A file that records are appended to.

    Args:
        path: The file; it is made if it is not there.
        last_episode: Records of later episodes, and a line that a crash cut short, are dropped first.
        at_once: Hand every record to the system at once, so that others can follow. Without it they wait for `flush`.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, last_episode: int, *, at_once: bool = False) -> None:
        _cut(path, last_episode)
        try:
            self._file = path.open("a", encoding="utf-8", buffering=1 if at_once else -1)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror})") from error

    def add(self, record: Mapping[str, Any]) -> None:
        """Append a record."""
        self._file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Return when everything is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The whole records in a file, none if there is no file; a line that a crash cut short is left out."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            record = _record(line)
            if record is not None:
                yield record


def _cut(path: Path, last_episode: int) -> None:
    if not path.is_file():
        return
    with path.open("rb") as file:
        kept = [line for line in file if (record := _record(line)) is not None and record["episode"] <= last_episode]
    write_atomic(path, b"".join(kept))


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line; None if it is not a whole one."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(record, dict) and isinstance(record.get("episode"), int) and line.endswith(b"\n")
    return record if is_record else None
