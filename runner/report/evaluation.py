"""The page of an evaluation: what `sim-arena evaluate --json` has printed, kept in a file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.errors import ConfigError
from env.words import count
from runner.evaluation.evaluate import TOTAL
from runner.evaluation.intervals import Estimate
from runner.report.bars import PERCENT, bars, shown_estimate
from runner.report.documents import flat, number, read_document
from runner.report.page import Bars, Cell, Column, Commands, Facts, Page, Part, Section, Table

_MOST_SCORES = 20_000
_DEFAULT_MODEL = "default model"


@dataclass(frozen=True)
class _Measure:
    """What is measured: its name in documents, its title, its unit, and what it is multiplied by for that unit."""

    name: str
    title: str
    unit: str = ""
    scale: float = 1.0
    in_bars: bool = False
    less_is_better: bool = False


_MEASURES = (
    _Measure("solved_rate", "Solved", "%", 100, in_bars=True),
    _Measure("cost", "Cost of a window", "windows at the typical peak", in_bars=True, less_is_better=True),
    _Measure("nodes", "Nodes", "on average", less_is_better=True),
    _Measure("above", "Above the yardstick", "%", 100),
    _Measure("best", "As few as the best known", "% of problems", 100),
    _Measure("mean_steps_ratio", "Steps over optimum", "× the fewest", in_bars=True),
    _Measure("median_steps_ratio", "Steps over optimum, median", "× the fewest"),
    _Measure("over_allocation", "Over-allocation", "% of the cluster", 100, in_bars=True),
    _Measure("mean_steps", "Steps", "steps"),
    _Measure("mean_return", "Return", "sum of rewards"),
    _Measure("exceeded", "Use above the request", "% of windows", 100),
    _Measure("held", "Held", "of the typical peak"),
    _Measure("changed", "Changes", "% of windows", 100),
    _Measure("broken_rate", "Others broken", "%", 100),
)


@dataclass(frozen=True)
class Score:
    """How one who plays did on one kind of problems."""

    agent: str
    problems: str
    n: int
    measured: Mapping[str, Estimate]


def evaluation_page(path: Path, made: str) -> Page:
    """The page of a file.

    Raises:
        ConfigError: It holds no evaluation.
    """
    document = read_document(path)
    scores = _scores(document)
    if not scores:
        raise ConfigError(f"{path}: holds no evaluation; write one by `sim-arena evaluate --json > {path}`")
    facts = flat({name: value for name, value in document.items() if not isinstance(value, dict | list)})
    again: list[Part] = [Facts("Made with", list(facts.items()))] if facts else []
    if command := _command(facts, scores):
        again.insert(0, Commands("Command", [command]))
    sections = [
        Section("results", "Results", [_table(scores, whole=True)]),
        Section("problems", "By kind of problem", list(_by_problem(scores))),
        Section("again", "Make it again", again),
    ]
    title = f"Evaluation: {facts.get('suite') or facts.get('variant') or facts.get('environment') or path.stem}"
    return Page(title, _verdict(scores), [section for section in sections if section.parts], made)


def _scores(document: Mapping[str, Any]) -> list[Score]:
    """From any of the forms: by agent, or as a list."""
    agents = document.get("agents")
    if isinstance(agents, dict):
        found = [(name, row) for name, rows in agents.items() if isinstance(rows, list) for row in rows]
    else:
        rows = document.get("evaluation")
        found = [(row.get("agent"), row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    scores = []
    for name, row in found[:_MOST_SCORES]:
        if isinstance(row, dict):
            problems = row.get("problem") or row.get("problems") or row.get("kind") or TOTAL
            n = number(row.get("n", row.get("episodes")))
            measured = {each.name: estimate for each in _MEASURES if (estimate := _estimate(row, each.name))}
            if measured and n >= 0:
                scores.append(Score(str(name), str(problems), int(n), measured))
    return scores


def _estimate(row: Mapping[str, Any], name: str) -> Estimate | None:
    """A value with its interval: as an object, or as NAME with NAME_interval."""
    value = row.get(name)
    if isinstance(value, dict):
        low, high = value.get("low"), value.get("high")
        value = value.get("value")
    else:
        interval = row.get(f"{name}_interval")
        low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
    found, ends = number(value), [number(low), number(high)]
    if found != found:
        return None
    return Estimate(found, *(None if end != end else end for end in ends))


def _of_all(scores: Sequence[Score]) -> list[Score]:
    """One score for each who plays: that of all problems, or its only one."""
    found: dict[str, Score] = {}
    for score in scores:
        if score.agent not in found or score.problems == TOTAL:
            found[score.agent] = score
    return list(found.values())


def _verdict(scores: Sequence[Score]) -> str:
    """What the first one comes to, and who is better."""
    whole = _of_all(scores)
    measure = next(each for each in _MEASURES if each.name in whole[0].measured)
    known = [score for score in whole if measure.name in score.measured]
    first = known[0]
    better = [
        score.agent
        for score in known
        if (score.measured[measure.name].value - first.measured[measure.name].value)
        * (-1 if measure.less_is_better else 1)
        > 0
    ]
    what = f"{measure.title.lower()} {shown_estimate(first.measured[measure.name], measure.scale)} {measure.unit}"
    others = f"better: {', '.join(better[:4])}" if better else "none of the others is better"
    beside = f"; of {len(known)} who play, {others}" if len(known) > 1 else ""
    return f"{first.agent}: {what} on {count(first.n, 'problem')}{beside}."


def _by_problem(scores: Sequence[Score]) -> Iterator[Part]:
    kinds = list(dict.fromkeys(score.problems for score in scores if score.problems != TOTAL))
    if len(kinds) < 2:
        return
    for measure in _MEASURES:
        values = {
            agent: {
                score.problems: score.measured[measure.name]
                for score in scores
                if score.agent == agent and measure.name in score.measured
            }
            for agent in dict.fromkeys(score.agent for score in scores)
        }
        if measure.in_bars and any(values.values()):
            yield _bars(measure, kinds, values)
    yield _table([score for score in scores if score.problems != TOTAL], whole=False)


def _bars(measure: _Measure, kinds: Sequence[str], values: Mapping[str, Mapping[str, Estimate]]) -> Bars:
    return bars(f"{measure.title} by kind of problem", measure.unit, kinds, values, measure.scale)


def _table(scores: Sequence[Score], *, whole: bool) -> Table:
    shown = _of_all(scores) if whole else scores
    measures = [each for each in _MEASURES if any(each.name in score.measured for score in shown)]
    columns = [Column("who plays"), *([] if whole else [Column("problems")]), Column("n", "number")]
    for each in measures:
        label = each.title.lower()
        columns += [
            Column(label, "share", each.unit) if each.scale == PERCENT else Column(label, "number", each.unit),
            Column("95\u202f% interval", note=f"Of {label}"),
        ]
    rows: list[list[Cell]] = []
    for score in shown:
        row: list[Cell] = [score.agent, *([] if whole else [score.problems]), score.n]
        for each in measures:
            found = score.measured.get(each.name)
            row.append(None if found is None else found.value)
            row.append(None if found is None else shown_estimate(found, each.scale, interval_alone=True))
        rows.append(row)
    return Table("All problems" if whole else "Each kind of problem", columns, rows).without_empty()


def _command(facts: Mapping[str, str], scores: Sequence[Score]) -> str:
    """What makes the document of a fixed suite again; "" where that cannot be told from it."""
    names = list(dict.fromkeys(score.agent for score in scores))
    if not {"suite", "sha256", "steps", "reward"} <= facts.keys():
        return ""
    agents = [] if names[0] == _DEFAULT_MODEL else [part for name in names for part in ("--agent", name)]
    return shlex.join(
        [
            "sim-arena",
            "evaluate",
            "--suite",
            facts["suite"],
            "--steps",
            facts["steps"],
            "--reward",
            facts["reward"],
            *agents,
            "--json",
        ]
    )
