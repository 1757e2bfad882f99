"""Observations of replays kept on disk, so that a fixed set of scenarios is replayed once and not in every process.

A replay is a function of the scenario, of what is asked for, and of the code that replays. A row holds the first two
and the observation; the file is named after the third, so that another engine does not read it. It holds whole numbers
and nothing else, with a checksum; what does not fit is not used and written anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from env.api_objects import ApiObjects
from env.embedded.cluster import EmbeddedCluster
from env.observation import Observation
from env.problems.scenario import Scenario, fingerprint
from env.trace.document import Trace
from env.workload import Resources

logger = logging.getLogger(__name__)

_MAGIC = b"sim-arena replays 1\n"
_AS_RECORDED = Resources(-1, -1, -1)
_KEY = 5  # columns: two words of the scenario's fingerprint, and what is asked for
_WIDTH = _KEY + len(Observation._fields) - 1 + len(Resources._fields)
_MOST_ROWS = 2**18  # 57 MB
_PARTS = ("engine", "embedded", "problems", "trace")  # folders of env that a replay runs in


class Key(NamedTuple):
    """Which replay: the first 16 bytes of the scenario's fingerprint, as two words, and what is asked for."""

    first: int
    second: int
    asked: Resources


class KeptReplays:
    """An embedded cluster that looks on disk before it replays; implements `env.cluster.Cluster`.

    Args:
        name: Of the file, for one set of scenarios.
        folder: Where it is; None: the user's cache folder.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.path = (folder or _cache_folder()) / f"{name}-{code_digest()[:16]}.replays"
        self._cluster = EmbeddedCluster()
        self._known = dict(_read(self.path))
        self._on_disk = len(self._known)
        self._digests: WeakKeyDictionary[Trace, tuple[Scenario, int, int]] = WeakKeyDictionary()

    def observe(self, scenario: Scenario, resources: Resources | None) -> Observation:
        """See `env.cluster.Cluster.observe`.

        Raises:
            ClusterError, TraceError, QuantityError: As `EmbeddedCluster.observe`.
        """
        key = self._key(scenario, resources)
        if key not in self._known:
            seen = self._cluster.observe(scenario, resources)
            if len(self._known) >= _MOST_ROWS or max(_flat(key, seen)) >= 2**63:
                return seen
            self._known[key] = seen
        return self._known[key]

    def why(self, scenario: Scenario, resources: Resources | None) -> tuple[str, ...]:
        """As `EmbeddedCluster.why`."""
        return self._cluster.why(scenario, resources)

    def objects(self, scenario: Scenario, resources: Resources | None) -> ApiObjects:
        """As `EmbeddedCluster.objects`."""
        return self._cluster.objects(scenario, resources)

    def close(self) -> None:
        """Write what is new. Where that cannot be, the next process replays again."""
        if len(self._known) > self._on_disk:
            rows = np.array([_flat(key, seen) for key, seen in self._known.items()], "<i8")
            try:
                _write(self.path, rows.tobytes())
            except OSError as error:
                logger.warning("%s: replays are not kept (%s)", self.path, error.strerror)
        self._cluster.close()

    def _key(self, scenario: Scenario, resources: Resources | None) -> Key:
        found = self._digests.get(scenario.trace)
        if found is None or found[0] is not scenario:
            digest = bytes.fromhex(fingerprint([scenario]))
            first, second = (int.from_bytes(digest[at : at + 8], "little", signed=True) for at in (0, 8))
            found = self._digests[scenario.trace] = (scenario, first, second)
        return Key(found[1], found[2], _AS_RECORDED if resources is None else resources)


@cache
def code_digest() -> str:
    """SHA-256 of all source files that a replay depends on, in hex."""
    env = Path(__file__).resolve().parents[1]
    files = [*env.glob("*.py"), *(path for part in _PARTS for path in (env / part).rglob("*.py"))]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(str(path.relative_to(env)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sim-arena" / "replays"


def _flat(key: Key, seen: Observation) -> tuple[int, ...]:
    """A row: the key, what the workload asks for, and the other fields in their order."""
    others = (each for each in seen if not isinstance(each, Resources))
    return (key.first, key.second, *key.asked, *seen.resources, *others)


def _read(path: Path) -> Iterator[tuple[Key, Observation]]:
    """The rows of a file; none where it is not there, or not whole."""
    try:
        if path.stat().st_size > len(_MAGIC) + 32 + _MOST_ROWS * _WIDTH * 8:
            return
        data = path.read_bytes()
    except OSError:
        return
    magic, digest, body = data[: len(_MAGIC)], data[len(_MAGIC) : len(_MAGIC) + 32], data[len(_MAGIC) + 32 :]
    if magic != _MAGIC or digest != hashlib.sha256(body).digest() or len(body) % (_WIDTH * 8):
        logger.warning("%s: is damaged, and replayed anew", path)
        return
    rows = np.frombuffer(body, "<i8").reshape(-1, _WIDTH)
    if rows.size and rows[:, _KEY:].min() < 0:
        logger.warning("%s: holds negative counts, and is replayed anew", path)
        return
    for row in rows.tolist():
        others = row[_KEY + 3 :]
        seen = Observation._make((*others[:3], Resources(*row[_KEY : _KEY + 3]), *others[3:]))
        yield Key(row[0], row[1], Resources(*row[2:_KEY])), seen


def _write(path: Path, body: bytes) -> None:
    """Replace the file at once, and remove those of other engines for the same scenarios."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.new")
    new.write_bytes(_MAGIC + hashlib.sha256(body).digest() + body)
    new.replace(path)
    name = path.name.rpartition("-")[0]
    for other in path.parent.glob(f"{name}-*.replays"):
        if other != path:
            other.unlink(missing_ok=True)
