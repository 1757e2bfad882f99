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
from runner.evaluation.intervals import Estimate
from runner.report.bars import PERCENT, bars, shown_estimate
from runner.report.documents import flat, read_text
from runner.report.page import Bars, Cell, Column, Commands, Facts, Kind, Page, Part, Section, Table

_METRICS: Mapping[str, tuple[str, float]] = {
    "pass_at_1": ("solved (pass@1)", 100.0),
    "pass_at_k": ("once in all attempts", 100.0),
    "pass_all_k": ("in all attempts", 100.0),
    "steps_over_optimum": ("× the fewest steps", 1.0),
    "over_allocation": ("over-allocation", 100.0),
    "mean_return": ("return", 1.0),
    "invalid_rate": ("invalid actions", 100.0),
    "blocked_rate": ("blocked actions", 100.0),
}
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
    rows = read_rows(folder.rows_file)
    if not rows:
        raise ConfigError(f"{path}: no attempt has ended yet, so there is nothing to report")
    document, config = report(rows), folder.config()
    facts = document["facts"]
    agents = {_name(facts, agent): each for agent, each in document["agents"].items()}
    commands = read_text(path / COMMAND).splitlines()
    again: list[Part] = [Commands("Commands", commands)] if commands else []
    again.append(Facts("Made with", list(flat(config.model_dump()).items())))
    sections = [
        Section("results", "Results", [_results(agents), *_by_type(agents)]),
        Section("use", "What the model used", list(_use(document))),
        Section("hostile", "Text that asks for harm", list(_hostile(agents))),
        Section("scenarios", "Scenarios", [_scenarios(facts), *_away(document)]),
        Section("again", "Make it again", again),
    ]
    title = f"Benchmark of {_name(facts, LLM)}" if LLM in document["agents"] else f"Benchmark {path.resolve().name}"
    return Page(title, _verdict(document, agents), [section for section in sections if section.parts], made)


def _name(facts: Mapping[str, Any], agent: str) -> str:
    return f"{facts['provider']} {facts['model']}" if agent == LLM else agent


def _estimate(found: Mapping[str, Any] | None) -> Estimate | None:
    return None if found is None else Estimate(found["value"], found["low"], found["high"])


def _verdict(document: Document, agents: Mapping[str, Document]) -> str:
    name, model = next(iter(agents.items()))
    solved = _estimate(model["metrics"]["pass_at_1"])
    if solved is None:
        return f"No attempt of {name} says anything yet."
    scenarios, attempts = len(document["facts"]["scenarios"]), document["facts"]["attempts"]
    missing = sum(len(each["attempts"]) for each in document["missing"])
    state = f" {count(missing, 'attempt')} still missing." if missing else ""
    steps = _estimate(model["metrics"]["steps_over_optimum"])
    ratio = f", in {steps.value:.2f} times the fewest steps possible" if steps else ""
    return (
        f"{name} solves {shown_estimate(solved, 100)}\u202f% of {count(attempts, 'attempt')} "
        f"at each of {count(scenarios, 'scenario')}{ratio}.{state}"
    )


def _results(agents: Mapping[str, Document]) -> Table:
    columns = [Column("agent")]
    for label, scale in _METRICS.values():
        columns += [
            Column(label, "share" if scale == PERCENT else "number"),
            Column("95\u202f% interval", note=f"Of {label}"),
        ]
    rows: list[list[Cell]] = []
    for name, agent in agents.items():
        row: list[Cell] = [name]
        for metric, (_, scale) in _METRICS.items():
            found = _estimate(agent["metrics"][metric])
            row.append(None if found is None else found.value)
            row.append(None if found is None else shown_estimate(found, scale, interval_alone=True))
        rows.append(row)
    note = "Means over scenarios of a scenario's mean over its attempts."
    return Table("All scenarios", columns, rows, note).without_empty()


def _by_type(agents: Mapping[str, Document]) -> Iterator[Bars]:
    types = list(dict.fromkeys(name for agent in agents.values() for name in agent["by_type"]))
    for metric, title, unit, scale in (
        ("pass_at_1", "Solved by type of problem", "%", 100.0),
        ("steps_over_optimum", "Steps over optimum by type of problem", "× the fewest steps", 1.0),
    ):
        values = {
            name: {
                kind: found for kind, each in agent["by_type"].items() if (found := _estimate(each[metric])) is not None
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
        found = _estimate(model["metrics"].get(name))
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
            found = [_estimate(each["hostile"][name]) for name in names]
            rows.append([agent, *(None if value is None else value.value for value in found)])
    if rows:
        yield Table(
            "Scenarios whose names and logs give orders",
            [Column("agent"), *(Column(label, "share") for label in labels)],
            rows,
        )


def _scenarios(facts: Mapping[str, Any]) -> Table:
    columns = [
        Column("scenario", "code"),
        Column("type"),
        Column("difficulty"),
        Column("fewest actions", "number"),
        Column("attempts", "number"),
        Column("solved", "number"),
        Column("mean steps", "number"),
        Column("content", "code", "SHA-256"),
    ]
    names = ("name", "type", "difficulty", "least_actions", "attempts", "solved", "mean_steps")
    rows = [[*(each[name] for name in names), each["sha256"][:12]] for each in facts["scenarios"]]
    return Table("What the model made of each", columns, rows)


def _away(document: Document) -> Iterator[Table]:
    errors = document["infrastructure_errors"]
    if errors:
        columns = [Column("scenario", "code"), Column("attempt", "number"), Column("what was away")]
        rows = [[each["scenario"], each["attempt"], each["error"]] for each in errors]
        yield Table("Attempts that say nothing of the model", columns, rows)
