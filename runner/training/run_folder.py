"""The folder of one run of `sim-arena train`: what was asked for, what happened, where to go on from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from agents.kinds import agent_kind
from agents.saved.files import write_atomic
from env.errors import ConfigError
from runner.folders import locked, new_folder

CONFIG, SUMMARY = "config.json", "summary.json"
RUNS = Path("runs")  # where runs are kept that name no folder


class RunFolder:
    """Paths and files of a run. Every file but the logs and the JSON Lines is replaced in one piece."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, to: Path | None, agent: str, command: Sequence[str], config: Mapping[str, Any]) -> RunFolder:
        """A new run in the folder `to`, which is made, or is there and empty; None: in runs/<agent>-<time>.

        Two processes that begin in one folder at the same moment: one of them finds it locked, or not empty.

        Raises:
            ConfigError: the folder cannot be made, or has something in it.
        """
        path = new_folder(RUNS, f"{agent}-{{time}}") if to is None else to
        run = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with run.locked():
                if any(path.iterdir()):
                    raise ConfigError(f"run folder {path}: is not empty; name another one with --to")
                write_atomic(path / "command.txt", (shlex.join(command) + "\n").encode())
                run.write_json(CONFIG, config)
        except OSError as error:
            raise ConfigError(f"run folder {path}: cannot be made ({error.strerror})") from error
        return run

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run that `path`, a folder or a checkpoint in it, belongs to; ConfigError if there is none."""
        folder = path if path.is_dir() else path.parent
        if not (folder / CONFIG).is_file():
            raise ConfigError(f"{path}: no run of sim-arena train (there is no {folder / CONFIG})")
        return cls(folder)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from training in this folder meanwhile.

        Raises:
            ConfigError: one does already.
        """
        return locked(self.path, "sim-arena train")

    @property
    def config(self) -> Path:
        """What the run came to be, as `sim-arena train --config` reads it."""
        return self.path / CONFIG

    @property
    def latest(self) -> Path:
        """The newest state to go on from."""
        return self.path / "checkpoint_latest.pt"

    def kept_state(self, done: int) -> Path:
        """The state after so many units, to go on from."""
        return self.path / f"checkpoint_ep{done}.pt"

    def remove_kept_states(self, last: int) -> None:
        """Remove the states after so many units or fewer."""
        for path in self.path.glob("checkpoint_ep*.pt"):
            number = path.stem.removeprefix("checkpoint_ep")
            if number.isdecimal() and int(number) <= last:
                path.unlink(missing_ok=True)

    @property
    def steps(self) -> Path:
        """Step records, as JSON Lines."""
        return self.path / "step.jsonl"

    @property
    def metrics(self) -> Path:
        """What was measured of each episode and between them, as JSON Lines."""
        return self.path / "metrics.jsonl"

    def checkpoint(self, name: str, agent: str) -> Path:
        """Where an agent alone is kept, in the format of its kind."""
        return self.path / f"checkpoint_{name}{agent_kind(agent).suffix}"

    @property
    def has_ended(self) -> bool:
        """Whether the last process that worked in it came to the end: to the summary."""
        return (self.path / SUMMARY).is_file()

    def begin(self) -> None:
        """Work begins, or goes on: an older summary no longer holds."""
        (self.path / SUMMARY).unlink(missing_ok=True)

    def end(self, summary: Mapping[str, Any]) -> None:
        """Work has come to the end."""
        self.write_json(SUMMARY, summary)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a document of the run."""
        write_atomic(self.path / name, json.dumps(value, indent=2).encode() + b"\n")
