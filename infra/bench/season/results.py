"""The benchmark's folder: every training that has ended is kept there, so that another call goes on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agents.saved.files import write_atomic
from env.errors import ConfigError
from infra.bench.season.plan import Planned, Row
from infra.bench.season.scores import Score

CONFIG = "benchmark.json"
_MOST_BYTES = 1 << 20


class Results:
    """What is in a folder.

    Args:
        path: It is made if it is not there.
        config: What the benchmark is; a folder of another one is refused.

    Raises:
        ConfigError: It cannot be made, or is of another benchmark.
    """

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--to {path}: cannot be made ({error.strerror})") from error
        known = _read(path / CONFIG)
        if known is None:
            if any(path.iterdir()):
                raise ConfigError(f"--to {path}: has something else in it; name another folder")
            write_atomic(path / CONFIG, json.dumps(config, indent=1).encode() + b"\n")
        elif differing := sorted(name for name in {*known, *config} if known.get(name) != config.get(name)):
            raise ConfigError(
                f"--to {path}: is of a benchmark with another {', '.join(differing)}; name another folder, or give "
                "the same options to go on"
            )

    def weights(self, planned: Planned) -> Path:
        """Where a training's weights are."""
        return self._folder(planned) / "weights.pt"

    def log(self, planned: Planned) -> Path:
        """Where its worker's lines go; its folder is made."""
        self._folder(planned).mkdir(parents=True, exist_ok=True)
        return self._folder(planned) / "worker.log"

    def scores(self, planned: Planned) -> Mapping[str, Score] | None:
        """Of a training that has ended; None: it has not."""
        found = _read(self._folder(planned) / "scores.json")
        if found is None or not self.weights(planned).is_file():
            return None
        try:
            return {str(name): Score(**{part: float(row[part]) for part in _PARTS}) for name, row in found.items()}
        except (TypeError, KeyError, ValueError) as error:
            raise ConfigError(f"{self._folder(planned)}/scores.json: is damaged; delete it") from error

    def keep(self, planned: Planned, scores: Mapping[str, Score]) -> None:
        """A training has ended, and its weights are there."""
        body = json.dumps({name: asdict(score) for name, score in scores.items()}, indent=1)
        write_atomic(self._folder(planned) / "scores.json", body.encode() + b"\n")

    def all_of(self, trainings: Sequence[Planned]) -> dict[Row, list[tuple[Planned, Mapping[str, Score]]]]:
        """What has ended so far, by the rows of the table."""
        found: dict[Row, list[tuple[Planned, Mapping[str, Score]]]] = {}
        for planned in trainings:
            if (scores := self.scores(planned)) is not None:
                found.setdefault(planned.row, []).append((planned, scores))
        return found

    def _folder(self, planned: Planned) -> Path:
        return self.path / planned.name


_PARTS = ("above", "exceeded", "held")


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object in a file; None if there is no file."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        found = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: is damaged; delete it, or name another folder")
    return found
