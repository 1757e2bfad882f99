"""The folder of one benchmark: what was asked for, its rows, its transcripts, and the report made of the rows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.saved.files import write_atomic
from env.errors import ConfigError, reason
from runner.benchmark.families import Family, family_named
from runner.benchmark.lines import append_whole, cut_torn_line
from runner.benchmark.players import LLM
from runner.benchmark.rows import ROWS_AGAIN, AttemptRow, read_rows
from runner.benchmark.scenarios import AnyScenario
from runner.folders import locked, new_folder

RESULTS = Path("benchmark") / "results"
CONFIG, COMMAND, ROWS, TRANSCRIPTS = "run.json", "command.txt", "rows.jsonl", "transcripts"
_LONGEST_CONFIG = 1 << 20


class RunConfig(BaseModel):
    """What decides the results of a run; a run that is resumed keeps it.

    Attributes:
        schema_version: Of this form.
        provider, model: As asked; the model with its provider's default filled in.
        env: The environment whose scenarios are played.
        scenarios: Names of those that are played.
        stream: That they are drawn from.
        scenarios_sha256: Of their names and contents.
        attempts, steps, max_tool_rounds, max_output_tokens, seed: As the options of the same names.
        cluster: The cluster's name.
        prompt_sha256: Of all wording that the model gets.
        agent, agent_sha256: The file of a model that is played beside it, and its content; None: there is none.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    provider: str
    model: str
    env: str = "cluster"
    scenarios: list[str]
    stream: Annotated[int, Field(ge=0, le=1 << 53)]
    scenarios_sha256: str
    attempts: Annotated[int, Field(ge=1)]
    steps: Annotated[int, Field(ge=1)]
    max_tool_rounds: Annotated[int, Field(ge=0)]
    max_output_tokens: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0)]
    cluster: str
    prompt_sha256: str
    agent: str | None = None
    agent_sha256: str | None = None


class BenchmarkFolder:
    """Paths and files of a benchmark."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, config: RunConfig, command: Sequence[str]) -> BenchmarkFolder:
        """A new one, in RESULTS.

        Raises:
            ConfigError: It cannot be made.
        """
        folder = cls(new_folder(RESULTS, f"{{time}}_{safe_name(config.provider)}_{safe_name(config.model)}"))
        folder.note_command(command)
        (folder.path / TRANSCRIPTS).mkdir()
        write_atomic(folder.path / CONFIG, config.model_dump_json(indent=2).encode() + b"\n")
        return folder

    @classmethod
    def open(cls, path: Path) -> BenchmarkFolder:
        """One that is there.

        Raises:
            ConfigError: There is none.
        """
        if not (path / CONFIG).is_file():
            raise ConfigError(f"--resume {path}: no results of sim-arena benchmark (there is no {path / CONFIG})")
        return cls(path)

    def config(self) -> RunConfig:
        """What was asked for.

        Raises:
            ConfigError: The file holds something else.
        """
        path = self.path / CONFIG
        try:
            with path.open("rb") as file:
                return RunConfig.model_validate_json(file.read(_LONGEST_CONFIG))
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(f"{path}: {'.'.join(map(str, first['loc']))}: {reason(first)}"[:1000]) from None

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from working in this folder meanwhile; ConfigError if one does already."""
        return locked(self.path, "sim-arena benchmark")

    def family(self) -> Family:
        """What is played; ConfigError as of `config`."""
        return family_named(self.config().env)

    def rows(self) -> list[AttemptRow]:
        """The rows so far; what a crash left of the last line is taken away first."""
        cut_torn_line(self.rows_file)
        return read_rows(self.rows_file, self.family().row)

    def check_rows(self, config: RunConfig, scenarios: Sequence[AnyScenario]) -> None:
        """Refuse rows of another run, before a request is paid whose row could not be reported beside them.

        Raises:
            ConfigError: There are some.
            RowError: What is there are no rows.
        """
        contents = {scenario.name: scenario.sha256 for scenario in scenarios}
        limits = (config.attempts, config.steps, config.seed)
        model = (config.provider, config.model, config.prompt_sha256, config.max_tool_rounds)
        for row in self.rows():
            is_ours = (
                contents.get(row.scenario) == row.scenario_sha256
                and (row.attempts, row.max_steps, row.seed) == limits
                and (row.agent != LLM or (row.provider, row.model, row.prompt_sha256, row.max_tool_rounds) == model)
            )
            if not is_ours:
                raise ConfigError(
                    f"{self.rows_file}: the row of {row.agent}, {row.scenario}, attempt {row.attempt} is of another "
                    f"run than {CONFIG}; {ROWS_AGAIN}"
                )

    @property
    def rows_file(self) -> Path:
        """One line an attempt, in the order in which they ended."""
        return self.path / ROWS

    def transcript(self, scenario: str, attempt: int) -> Path:
        """Where the requests and replies of the model's attempt are kept."""
        (self.path / TRANSCRIPTS).mkdir(exist_ok=True)
        return self.path / TRANSCRIPTS / f"{scenario}_{attempt}.jsonl"

    def note_command(self, command: Sequence[str]) -> None:
        """Add a command line to those that worked in this folder."""
        append_whole(self.path / COMMAND, f"{shlex.join(command)}\n".encode(), sync=False)

    def write_report(self, document: dict[str, Any], text: str) -> None:
        """Replace the report."""
        write_atomic(self.path / "report.json", json.dumps(document, indent=2, allow_nan=False).encode() + b"\n")
        write_atomic(self.path / "report.md", text.encode())


def safe_name(name: str) -> str:
    """A name that a user or a provider chose, as part of a folder's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:80].strip(".-") or "model"
