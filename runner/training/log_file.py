"""The log of a training, in its folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from env.printable import LineFormatter

log = logging.getLogger("runner.training.loop")


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Everything that is logged goes to `path` too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = log.level
    root.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        log.setLevel(level)
        handler.close()
