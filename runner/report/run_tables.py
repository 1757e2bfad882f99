"""The tables of trainings: evaluations, kinds of problems, settings, and how to make the runs again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from runner.evaluation.intervals import share
from runner.report.documents import flat
from runner.report.page import Cell, Column, Commands, Facts, Part, Table
from runner.report.run_data import RunData, solved_words
from runner.training.validation import best

_LAST = 1_000
"""Units at the end of a training that the table by kind of problem is of."""
_RUN = Column("run")


def evaluations(runs: Sequence[RunData]) -> Iterator[Table]:
    """The last and the best evaluation of each run, beside the baselines: once, where they are the same for all."""
    rows: list[list[Cell]] = []
    for run in runs:
        found = run.metrics.evaluations
        if found:
            top = best(found)
            at = f"{run.unit} {found[-1]['episode']:,}"
            rows.append([run.name, f"{run.config.get('agent', 'agent')}, {at}", *_scored(run, found[-1])])
            if top is not found[-1]:
                rows.append([run.name, f"the best, {run.unit} {top['episode']:,}", *_scored(run, top)])
    alike = all(run.metrics.baselines == runs[0].metrics.baselines for run in runs)
    for run in runs[:1] if alike else runs:
        name = "all" if alike else run.name
        rows += [[name, row["agent"], *_scored(run, row)] for row in run.metrics.baselines]
    if rows:
        columns = [
            _RUN,
            Column("who plays"),
            Column("problems", "number"),
            Column(solved_words(runs), "share"),
            Column("from", "share", "The lower end of the 95 % interval (Wilson)"),
            Column("to", "share", "Its upper end"),
            Column("mean return", "number"),
            Column("mean steps", "number", "An unsolved episode counts with the step limit"),
            Column("steps over optimum", "number", "Mean steps less those of the optimum on the same problems"),
        ]
        yield _without_empty(Table("Greedy, on problems that training never draws", columns, rows), len(runs) == 1)


def _scored(run: RunData, row: Mapping[str, Any]) -> list[Cell]:
    found = share(round(row["solved_rate"] * row["n"]), int(row["n"]))
    return [
        int(row["n"]),
        row["solved_rate"],
        found.low if found else None,
        found.high if found else None,
        row["mean_return"],
        row["mean_steps"],
        None if run.fewest_steps is None else row["mean_steps"] - run.fewest_steps,
    ]


def by_problem(runs: Sequence[RunData]) -> Iterator[Table]:
    """What the last units of trainings came to, by kind of problem, where they have kinds."""
    rows: list[list[Cell]] = []
    for run in runs:
        last = np.array(run.problems[-_LAST:])
        for name in sorted(set(last.tolist()) - {""}):
            chosen = last == name
            solved, steps, reward = (run.measured[each][-_LAST:][chosen] for each in ("solved", "steps", "reward"))
            rows.append([run.name, name, int(chosen.sum()), *(float(each.mean()) for each in (solved, steps, reward))])
    if rows:
        columns = [
            _RUN,
            Column("kind of problem"),
            Column("episodes", "number"),
            Column("solved", "share"),
            Column("mean steps", "number"),
            Column("mean return", "number"),
        ]
        note = "Training explores, so a trained agent does better than this when it plays greedily."
        title = f"In training, the last {_LAST:,} episodes by kind of problem"
        yield _without_empty(Table(title, columns, rows, note), len(runs) == 1)


def settings(runs: Sequence[RunData]) -> list[Part]:
    """What differs between the runs, and what does not."""
    return _compared(runs, [run.config for run in runs], "", "What differs", "The same in all")


def again(runs: Sequence[RunData]) -> list[Part]:
    """Command lines, hashes to compare what comes out, and what the runs were made with."""
    commands = [run.command.splitlines()[0] for run in runs if run.command]
    parts: list[Part] = [Commands("Commands", commands)] if commands else []
    hashes = [(run, name, run.summary.get(f"{name}_sha256")) for run in runs for name in ("weights", "state")]
    rows: list[list[Cell]] = [[run.name, name, value] for run, name, value in hashes if isinstance(value, str)]
    if rows:
        note = "The same command gives the same weights with the same versions on a processor of the same kind."
        columns = [_RUN, Column("of"), Column("SHA-256", "code")]
        parts.append(_without_empty(Table("Hashes", columns, rows, note), len(runs) == 1))
    made = [flat(run.environment) for run in runs]
    if any(made):
        parts += _compared(runs, made, "Made with", "Made with: what differs", "Made with: the same in all")
    return parts


def _compared(
    runs: Sequence[RunData], values: Sequence[Mapping[str, str]], alone: str, differs: str, same: str
) -> list[Part]:
    """Values by name: of one run as they are; of several those that differ as a table, and the others."""
    names = list(dict.fromkeys(name for each in values for name in each))
    differing = [name for name in names if len({each.get(name) for each in values}) > 1]
    equal = [(name, values[0][name]) for name in names if name not in differing]
    parts: list[Part] = []
    if differing:
        columns = [Column("name", "code"), *(Column(run.name, "code") for run in runs)]
        parts.append(Table(differs, columns, [[name, *(each.get(name) for each in values)] for name in differing]))
    if equal:
        parts.append(Facts(same if len(runs) > 1 else alone, equal))
    return parts


def _without_empty(table: Table, alone: bool) -> Table:
    """Without columns in which nothing is, and without the run's where there is one alone."""
    shown = [not (alone and column is _RUN) for column in table.columns]
    rows = [[cell if is_shown else None for cell, is_shown in zip(row, shown, strict=True)] for row in table.rows]
    return replace(table, rows=rows).without_empty()
