"""What is in a training's folder, for its report: read within bounds, and nothing of it trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from env.errors import ConfigError
from runner.report.documents import flat, number, read_document, read_text
from runner.training.json_lines import records
from runner.training.metrics import Metrics, read_metrics
from runner.training.run_folder import SUMMARY, RunFolder

Series = npt.NDArray[np.float64]

OPTIMUM = "optimum"
MEASURED = ("reward", "steps", "solved", "loss")
_LONGEST_METRICS = 1 << 30
_MOST_PROBLEMS = 1e9
_UNITS = ("episode", "epoch")


class Solved(NamedTuple):
    """What counts as solved where the environment knows no end that is reached.

    Attributes:
        words: That of which an evaluation's rate is the share.
        verb: With `words`, what an agent does.
        problem: What is played.
    """

    words: str
    verb: str
    problem: str


_SOLVED = {
    "season": Solved("cheaper than with VPA", "is", "workload"),
    "fleet": Solved("as few nodes as hill climbing", "comes to", "fleet"),
}


@dataclass(frozen=True)
class RunData:
    """One training.

    Attributes:
        name: Of its folder.
        path: Of its folder, as it was given.
        unit: What it is counted in: episode or epoch.
        number: Of each unit; (n,), ascending.
        measured: What was measured of each unit, by `MEASURED`; (n,), NaN where nothing was.
        problems: The kind of problem of each unit; "" where it has none.
        metrics: Evaluations and baselines.
        config: Settings that are not None, flat, as text.
        summary: As the run has written it at its end; empty before.
        environment: What it was made with.
        command: The command line that began it.
    """

    name: str
    path: str
    unit: str
    number: Series
    measured: Mapping[str, Series]
    problems: list[str]
    metrics: Metrics
    config: dict[str, str]
    summary: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    command: str = ""

    @property
    def solved_as(self) -> Solved | None:
        """What counts as solved; None where a problem is solved or not."""
        return _SOLVED.get(self.config.get("env", ""))

    @property
    def fewest_steps(self) -> float | None:
        """Mean steps of the optimum on the validation problems; None where they are not known."""
        return next((row["mean_steps"] for row in self.metrics.baselines if row["agent"] == OPTIMUM), None)


def read_run(path: Path) -> RunData:
    """The training in a folder.

    Raises:
        ConfigError: There is none.
        AgentError: Its metrics are damaged.
    """
    run = RunFolder.open(path)
    if run.metrics.is_file() and run.metrics.stat().st_size > _LONGEST_METRICS:
        raise ConfigError(f"{run.metrics}: larger than {_LONGEST_METRICS >> 20} MiB")
    rows = [row for row in records(run.metrics) if row.get("kind") in _UNITS]
    metrics = read_metrics(run.metrics)
    for row in (*metrics.evaluations, *metrics.baselines):
        if not (0 <= row["solved_rate"] <= 1 and 1 <= row["n"] <= _MOST_PROBLEMS):
            raise ConfigError(f"{run.metrics}: an evaluation of {row['n']} problems with {row['solved_rate']} solved")
    return RunData(
        name=run.path.resolve().name,
        path=str(run.path),
        unit=str(rows[0]["kind"]) if rows else "episode",
        number=np.array([number(row["episode"]) for row in rows]),
        measured={name: np.array([number(row.get(name)) for row in rows]) for name in MEASURED},
        problems=[str(row.get("problem", ""))[:100] for row in rows],
        metrics=metrics,
        config=flat(read_document(run.config)),
        summary=read_document(run.path / SUMMARY),
        environment=read_document(run.path / "environment.json"),
        command=read_text(run.path / "command.txt").strip(),
    )


def solved_words(runs: Sequence[RunData]) -> str:
    """What an evaluation's rate is the share of; "solved" where that is not one thing in all runs."""
    meant = {run.solved_as.words if run.solved_as else "solved" for run in runs}
    return meant.pop() if len(meant) == 1 else "solved"


def capitalized(words: str) -> str:
    """The words as a title, in which names stay as they are."""
    return words[:1].upper() + words[1:]
