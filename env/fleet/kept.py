"""Numbers that take long to find, kept on disk: a file is named after all that they follow from, and has a checksum."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_CHECKSUM = 32


def kept(
    name: str,
    follows_from: bytes,
    shape: tuple[int, ...],
    find: Callable[[], NDArray[np.int64]],
    folder: Path | None = None,
) -> NDArray[np.int64]:
    """Whole numbers of at least 0, read from disk, or found and written.

    Args:
        name: The file's, for people.
        follows_from: All that they follow from, besides this folder's code.
        shape: Theirs.
        find: Finds them.
        folder: Where files are; None: the user's cache folder.
    """
    digest = hashlib.sha256(code_digest() + follows_from).hexdigest()[:32]
    path = (folder or _cache_folder()) / f"{name}-{digest}.int64"
    known = _read(path, shape)
    if known is not None:
        return known
    found = np.ascontiguousarray(find(), "<i8")
    try:
        _write(path, found.tobytes())
    except OSError as error:
        logger.warning("%s: is not kept (%s)", path, error.strerror)
    return found


@cache
def code_digest() -> bytes:
    """SHA-256 of this folder's source files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.digest()


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """The numbers in a file; None where it is not there, or not whole."""
    try:
        if path.stat().st_size != _CHECKSUM + 8 * prod(shape):
            return None
        data = path.read_bytes()
    except OSError:
        return None
    body = data[_CHECKSUM:]
    if hashlib.sha256(body).digest() != data[:_CHECKSUM] or len(body) != 8 * prod(shape):
        logger.warning("%s: is damaged, and found anew", path)
        return None
    numbers = np.frombuffer(body, "<i8").reshape(shape).astype(np.int64)
    return None if numbers.size and numbers.min() < 0 else numbers


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_bytes(hashlib.sha256(body).digest() + body)
    new.replace(path)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sim-arena" / "fleet"
