"""Recordings of real clusters on this machine, and the simulated clusters that trainings start from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from agents.saved.files import write_atomic
from env.doctor.recording import MOST_BYTES, Recording, parse_recording
from env.errors import ClusterError, ConfigError, OutputError
from env.live.cluster import LiveCluster
from env.live.reading import Reader
from env.live.record import recorded
from env.words import count
from runner.rl.config import home

FEW = 5
"""With fewer recordings a training sees little of how a cluster changes."""
MOST_RECORDINGS = 1_000


def recordings_folder() -> Path:
    """Where they are kept."""
    return home() / "recordings"


def record(reader: Reader) -> Recording:
    """Look at a cluster once, by GET requests alone.

    Raises:
        ConfigError: A namespace that does not exist.
        ClusterError: No answer, or a kind that cannot be read, or no nodes.
    """
    found = recorded(LiveCluster(reader).seen)
    if found is None:
        raise ClusterError(f"{reader.api.host}: has no nodes, so there is nothing to train on")
    return found


def keep(recording: Recording) -> Path:
    """Write a recording, for its user alone, under the time it was made at.

    Raises:
        OutputError: It cannot be written.
    """
    folder = recordings_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, MOST_RECORDINGS):
            stem = datetime.now(UTC).strftime("%Y%m%d-%H%M%S") + (f"-{number}" if number > 1 else "")
            path = folder / f"{stem}.json"
            if not path.exists():
                break
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror})") from error
    write_atomic(path, recording.model_dump_json(indent=2).encode() + b"\n")
    path.chmod(0o600)
    return path


def read(paths: Sequence[str]) -> list[Recording]:
    """The recordings in these files.

    Raises:
        ConfigError: One cannot be read, or is none; or there are too many.
    """
    if len(paths) > MOST_RECORDINGS:
        raise ConfigError(f"--recording: given {len(paths)} times; at most {MOST_RECORDINGS}")
    return [_read(Path(path)) for path in paths]


def about(recordings: Sequence[Recording]) -> list[str]:
    """What a user should know of them before a training."""
    lines = []
    healthy = sum(each.is_healthy for each in recordings)
    if len(recordings) < FEW:
        lines.append(
            f"{count(len(recordings), 'recording')}, which shows little of how this cluster changes; record it again "
            "when other things are wrong, and give all with --recording"
        )
    if healthy:
        lines.append(f"{healthy} of {count(len(recordings), 'recording')} healthy: faults are drawn for those")
    if unmeasured := sum(not each.is_measured for each in recordings):
        lines.append(
            f"{unmeasured} of {count(len(recordings), 'recording')} without a metrics API: use is unknown there"
        )
    return lines


def _read(path: Path) -> Recording:
    try:
        with path.open("rb") as file:
            return parse_recording(file.read(MOST_BYTES + 1), f"recording {path}")
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise ConfigError(f"recording {path}: cannot be read ({getattr(error, 'strerror', error)})") from error
