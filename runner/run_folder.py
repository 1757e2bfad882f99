"""The folder of one run of `sim-arena train`: what was asked for, what happened, where to go on from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agents.files import parse_json, read_bounded, write_atomic
from env.errors import ConfigError
from runner.episode import StepRecord

LATEST = "checkpoint_latest.pt"


class RunFolder:
    """Paths and files of a run. Every file but the logs is replaced in one piece."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, parent: Path, agent: str, command: Sequence[str], config: Mapping[str, Any]) -> RunFolder:
        """A new folder `parent`/<agent>-<time>; ConfigError if it cannot be made."""
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            path = parent / f"{agent}-{started}{f'-{number}' if number > 1 else ''}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise ConfigError(f"run folder {path}: cannot be made ({error.strerror})") from error
            run = cls(path)
            write_atomic(path / "command.txt", (shlex.join(command) + "\n").encode())
            run.write_json("config.json", config)
            return run
        raise ConfigError(f"run folder {parent}/{agent}-{started}: a thousand of them exist")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run that `path`, a folder or a checkpoint in it, belongs to; ConfigError if there is none."""
        folder = path if path.is_dir() else path.parent
        if not (folder / "config.json").is_file():
            raise ConfigError(f"{path}: no run of sim-arena train (there is no {folder / 'config.json'})")
        return cls(folder)

    @property
    def latest(self) -> Path:
        """The state after the last whole episode."""
        return self.path / LATEST

    @property
    def steps(self) -> Path:
        """Step records of all episodes, as JSON Lines."""
        return self.path / "step.jsonl"

    def config(self) -> Mapping[str, Any]:
        """What `create` was given; AgentError if it is damaged."""
        path = self.path / "config.json"
        return parse_json(read_bounded(path), str(path))

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a document of the run."""
        write_atomic(self.path / name, json.dumps(value, indent=2).encode() + b"\n")

    def add_step(self, record: StepRecord) -> None:
        """Append a step record; it is on its way to the disk when this returns."""
        with self.steps.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def drop_steps_after(self, episode: int) -> None:
        """Forget the steps of episodes that were begun after `episode` and did not end."""
        if not self.steps.is_file():
            return
        lines = self.steps.read_text(encoding="utf-8").splitlines(keepends=True)
        write_atomic(self.steps, "".join(line for line in lines if _is_of(line, episode)).encode())


def _is_of(line: str, last_episode: int) -> bool:
    """Whether a line is a whole record of an episode up to `last_episode`."""
    try:
        record = json.loads(line)
    except ValueError:
        return False  # cut short by a crash
    return isinstance(record, dict) and 0 < record.get("episode", 0) <= last_episode
