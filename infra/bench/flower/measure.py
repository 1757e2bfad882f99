"""What processes take while a federation runs: the most memory of all together."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EVERY_S = 0.5
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


class Peak:
    """The most that was seen.

    Attributes:
        bytes: Proportional set sizes (PSS), so that pages which several processes share count once.
        processes: How many there were then.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.processes = 0

    def look(self, mark: str) -> None:
        """Add up what processes take whose environment holds `mark`."""
        sizes = [size for process in Path("/proc").iterdir() if (size := _pss(process, mark))]
        if sum(sizes) > self.bytes:
            self.bytes, self.processes = sum(sizes), len(sizes)


def marked(mark: str) -> list[int]:
    """Processes whose environment holds `mark`: those of an engine, also where their parents are gone."""
    return [int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit() and _has(process, mark)]


@contextmanager
def peak_of(mark: str) -> Iterator[Peak]:
    """Looks every half second until the block ends."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_S):
            peak.look(mark)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def _has(process: Path, mark: str) -> bool:
    try:
        return f"{mark}\0".encode() in (process / "environ").read_bytes()
    except OSError:
        return False  # another user's, or gone


def _pss(process: Path, mark: str) -> int:
    if not process.name.isdigit() or not _has(process, mark):
        return 0
    try:
        found = _PSS.search((process / "smaps_rollup").read_text())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
