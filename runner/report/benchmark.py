"""The page of a benchmark of a language model, made of the rows in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from env.errors import ConfigError
from env.words import count
from runner.benchmark.folder import COMMAND, BenchmarkFolder
from runner.benchmark.players import LLM
from runner.benchmark.report import Document, report
from runner.benchmark.rows import read_rows
from runner.report.bars import PERCENT, bars, shown_estimate
from runner.report.benchmark_kinds import KINDS, BenchmarkKind, estimate
from runner.report.documents import flat, read_text
from runner.report.page import Bars, Cell, Column, Commands, Facts, Kind, Page, Part, Section, Table

_USE: Mapping[str, tuple[str, Kind]] = {
    "requests": ("requests", "number"),
    "tokens_in": ("tokens in", "number"),
    "tokens_cached": ("of them cached", "number"),
    "tokens_out": ("tokens out", "number"),
    "dollars": ("dollars", "dollars"),
    "lost": ("requests without an answer", "number"),
}


def benchmark_page(path: Path, made: str) -> Page:
    """The page of a folder of `sim-arena benchmark`.

    Raises:
        ConfigError: There is none, or no attempt has ended in it.
        RowError: Its rows hold something else.
    """
    folder = BenchmarkFolder.open(path)
    config, family = folder.config(), folder.family()
    rows = read_rows(folder.rows_file, family.row)
    if not rows:
        raise ConfigError(f"{path}: no attempt has ended yet, so there is nothing to report")
    document = report(rows, of=family.reported)
    facts = document["facts"]
    agents = {_name(facts, agent): each for agent, each in document["agents"].items()}
    commands = read_text(path / COMMAND).splitlines()
    again: list[Part] = [Commands("Commands", commands)] if commands else []
    again.append(Facts("Made with", list(flat(config.model_dump(exclude={"scenarios"})).items())))
    kind = KINDS[family.name]
    charts = kind.charts(document, rows)
    sections = [
        Section("results", "Results", [_results(agents, kind), *charts, *_by_type(agents, kind)]),
        Section("use", "What the model used", list(_use(document))),
        Section("hostile", "Text that asks for harm", list(_hostile(agents))),
        Section("scenarios", "Scenarios", [_scenarios(facts, kind), *_away(document)]),
        Section("again", "Make it again", again),
    ]
    title = f"Benchmark of {_name(facts, LLM)}" if LLM in document["agents"] else f"Benchmark {path.resolve().name}"
    return Page(title, _verdict(document, agents, kind), [section for section in sections if section.parts], made)


def _name(facts: Mapping[str, Any], agent: str) -> str:
    return f"{facts['provider']} {facts['model']}" if agent == LLM else agent


def _verdict(document: Document, agents: Mapping[str, Document], kind: BenchmarkKind) -> str:
    name, model = next(iter(agents.items()))
    if model["metrics"]["pass_at_1"] is None:
        return f"No attempt of {name} says anything yet."
    missing = sum(len(each["attempts"]) for each in document["missing"])
    state = f" {count(missing, 'attempt')} still missing." if missing else ""
    scenarios, attempts = count(len(document["facts"]["scenarios"]), "scenario"), document["facts"]["attempts"]
    what, ratio = kind.verdict(model["metrics"])
    return f"{name} {what} of {count(attempts, 'attempt')} at each of {scenarios}{ratio}.{state}"


def _results(agents: Mapping[str, Document], kind: BenchmarkKind) -> Table:
    columns = [Column("agent")]
    for label, scale in kind.metrics.values():
        columns += [
            Column(label, "share" if scale == PERCENT else "number"),
            Column("95\u202f% interval", note=f"Of {label}"),
        ]
    rows: list[list[Cell]] = []
    for name, agent in agents.items():
        row: list[Cell] = [name]
        for metric, (_, scale) in kind.metrics.items():
            found = estimate(agent["metrics"][metric])
            row.append(None if found is None else found.value)
            row.append(None if found is None else shown_estimate(found, scale, interval_alone=True))
        rows.append(row)
    note = "Means over scenarios of a scenario's mean over its attempts."
    return Table("All scenarios", columns, rows, note).without_empty()


def _by_type(agents: Mapping[str, Document], kind: BenchmarkKind) -> Iterator[Bars]:
    types = list(dict.fromkeys(name for agent in agents.values() for name in agent["by_type"]))
    for metric, title, unit, scale in kind.bars:
        values = {
            name: {
                group: found
                for group, each in agent["by_type"].items()
                if (found := estimate(each[metric])) is not None
            }
            for name, agent in agents.items()
        }
        yield bars(title, unit, types, values, scale)


def _use(document: Document) -> Iterator[Part]:
    model = document["agents"].get(LLM)
    if model is None:
        return
    columns = [Column("what"), Column("an attempt", "number"), Column("95\u202f% interval"), Column("in all", "number")]
    rows: list[list[Cell]] = []
    for name, (label, _) in _USE.items():
        found = estimate(model["metrics"].get(name))
        interval = "" if found is None else shown_estimate(found, interval_alone=True)
        rows.append([label, None if found is None else found.value, interval, model["totals"][name]])
    note = "Of attempts that have ended. Dollars are unknown where no price is; that does not mean it is free."
    yield Table("Tokens, requests and dollars", columns, rows, note)


def _hostile(agents: Mapping[str, Document]) -> Iterator[Table]:
    names = ("obeyed", "chosen_without_text", "solved", "solved_without_text")
    labels = ("did what the text says", "did it without the text", "solved", "solved without the text")
    rows: list[list[Cell]] = []
    for agent, each in agents.items():
        if each["hostile"] is not None:
            found = [estimate(each["hostile"][name]) for name in names]
            rows.append([agent, *(None if value is None else value.value for value in found)])
    if rows:
        yield Table(
            "Scenarios whose names and logs give orders",
            [Column("agent"), *(Column(label, "share") for label in labels)],
            rows,
        )


def _scenarios(facts: Mapping[str, Any], kind: BenchmarkKind) -> Table:
    columns = [*kind.scenarios.values(), Column("content", "code", "SHA-256")]
    rows = [[*(each[name] for name in kind.scenarios), each["sha256"][:12]] for each in facts["scenarios"]]
    return Table("What the model made of each", columns, rows)


def _away(document: Document) -> Iterator[Table]:
    errors = document["infrastructure_errors"]
    if errors:
        columns = [Column("scenario", "code"), Column("attempt", "number"), Column("what was away")]
        rows = [[each["scenario"], each["attempt"], each["error"]] for each in errors]
        yield Table("Attempts that say nothing of the model", columns, rows)
