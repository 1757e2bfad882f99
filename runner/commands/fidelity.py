"""`sim-arena fidelity`: how often the engine decides as a real control plane did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.words import count
from runner.commands import tables
from runner.commands.console import fail, note, out, print_json, progress
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.fidelity.comparison import OutcomeComparison
    from env.fidelity.figures import Tally
    from env.fidelity.truth import RecordedOutcome, RecordedScenario
    from runner.commands.fitted import FittedTable

_LONGEST_DIFF = 40


@flattened
def fidelity(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Scenarios with what a control plane decided.", autocompletion=completion.files
        ),
    ],
    output: OutputChoice,
    show: Annotated[int, typer.Option(metavar="N", min=0, help="Show so many disagreements.")] = 5,
    draws: Annotated[
        int,
        typer.Option(
            metavar="K",
            min=1,
            max=1000,
            help="Of scenarios recorded several times: the engine draws what is chance so often.",
        ),
    ] = 20,
) -> None:
    """Compare the engine with what a control plane decided.

    Recorded scenarios are replayed. Exit code 1 if a goal is missed. Where scenarios are recorded several times, the
    goal is that the engine decides what the control plane has decided once, and a second table compares both.
    """
    from env.fidelity.comparison import comparisons
    from env.fidelity.figures import GOALS, SET_GOALS, in_sets, missed_goals, single_draws
    from env.fidelity.truth import read_truth, recorded_sets

    scenarios = read_truth(file)
    sets = recorded_sets(scenario for scenario in scenarios if not scenario.unrecorded)
    repeated = any(len(recordings) > 1 for recordings in sets)
    rows = [
        row
        for recordings in progress(sets, "replaying")
        for row in comparisons(recordings, _simulate, draws if repeated else 0)
    ]
    compared = [row for row in rows if not row.ticked]
    by_kind = {kind: single_draws(row for row in compared if row.kind == kind) for kind in _kinds(compared)}
    over_all = single_draws(compared)
    figures = _set_figures(compared, draws) if repeated else {}
    judged, goals = (in_sets(compared), SET_GOALS) if repeated else (over_all, GOALS)
    left_out = _left_out(scenarios, rows)
    disagreements = [row for row in compared if not row.agreeing["complete"]]
    if output.as_json:
        print_json(
            {
                "file": str(file),
                "kinds": {kind: _figures(counted) for kind, counted in by_kind.items()},
                "all": _figures(over_all),
                "sets": {name: _figures(counted, complete=True) for name, counted in figures.items()},
                "missed": missed_goals(judged, goals),
                "not_compared": left_out,
                "disagreements": [_described(row) for row in disagreements[:show]],
            }
        )
    else:
        tables.show(_table(by_kind, over_all, goal=not repeated))
        if repeated:
            tables.show(_set_table(figures))
        _print_disagreements(disagreements, show)
        _print_left_out(left_out, show)
    if missed_goals(judged, goals):
        fail(_missed(judged, repeated))


def _kinds(rows: Sequence[OutcomeComparison]) -> list[str]:
    return sorted({row.kind for row in rows})


def _left_out(scenarios: Sequence[RecordedScenario], rows: Sequence[OutcomeComparison]) -> list[str]:
    """What cannot be compared, and why."""
    lines = [f"{scenario.id}: not recorded: {scenario.unrecorded}" for scenario in scenarios if scenario.unrecorded]
    for row in rows:
        if row.ticked:
            names = ", ".join(row.ticked)
            lines.append(f"{row.scenario}, step {row.step + 1}: CronJob {names} ticked by wall clock while recorded")
    return lines


def _simulate(scenario: RecordedScenario, draw: int | None) -> list[RecordedOutcome]:
    from env.fidelity.engine_outcomes import simulated_outcomes
    from env.fidelity.truth import RecordedOutcome

    content = scenario.to_json()
    outcomes = simulated_outcomes(content["nodes"], content["steps"], draw)
    return [RecordedOutcome.model_validate(each) for each in outcomes]


def _set_figures(rows: Sequence[OutcomeComparison], draws: int) -> dict[str, Tally]:
    from env.fidelity import figures

    return {
        "engine, each recording": figures.single_draws(rows),
        "engine, any recording": figures.in_sets(rows),
        "cluster, each other recording": figures.cluster_single_draws(rows),
        "cluster, any other recording": figures.cluster_in_sets(rows),
        f"recorded outcomes in {count(draws, 'draw')} of the engine": figures.covered_by_draws(rows),
    }


def _figures(counted: Tally, *, complete: bool = False) -> dict[str, float | int | None]:
    from env.fidelity.agreement import ASPECTS, MEASURES

    names = MEASURES if complete else ASPECTS
    return {"n": counted.n, **{f"{name}_percent": counted.percent(name) for name in names}}


def _table(by_kind: dict[str, Tally], over_all: Tally, *, goal: bool = True) -> FittedTable:
    from rich.markup import escape

    from env.fidelity.agreement import ASPECTS
    from env.fidelity.figures import GOALS
    from runner.commands.fitted import FittedTable

    table = FittedTable("kind", "outcomes", *ASPECTS)
    for kind, counted in [*by_kind.items(), ("all", over_all)]:
        table.add_row(escape(kind), str(counted.n), *(_share(counted.percent(name)) for name in ASPECTS))
    if goal:
        table.add_row("goal", "", *(f"{GOALS[name]:.0f} %" for name in ASPECTS))
    return table


def _set_table(figures: dict[str, Tally]) -> FittedTable:
    from env.fidelity.agreement import MEASURES
    from env.fidelity.figures import SET_GOALS
    from runner.commands.fitted import FittedTable

    table = FittedTable("several recordings", "outcomes", *MEASURES)
    for name, counted in figures.items():
        table.add_row(name, str(counted.n), *(_share(counted.percent(measure)) for measure in MEASURES))
    goals = (f"{SET_GOALS[name]:.0f} %" if name in SET_GOALS else "" for name in MEASURES)
    table.add_row("goal of engine, any recording", "", *goals)
    return table


def _share(percent: float | None) -> str | tuple[str, str]:
    return "-" if percent is None else (f"{percent:.1f} %", f"{percent:.0f} %")


def _print_disagreements(rows: Sequence[OutcomeComparison], show: int) -> None:
    for row in rows[:show]:
        times = len(row.recorded)
        on = ", ".join(
            name if times == 1 else f"{name} as {row.agreeing[name]} of {times} recordings"
            for name in _described(row)["disagrees_on"]
        )
        out.print(f"\n{row.scenario} ({row.kind}), step {row.step + 1}: {on}", highlight=False, markup=False)
        for line in _lines(row)[:_LONGEST_DIFF]:
            out.print(f"  {line}", highlight=False, markup=False)
    if len(rows) > show:
        disagree = "outcome disagrees" if len(rows) == 1 else "outcomes disagree"
        note(f"{len(rows)} {disagree}; --show {len(rows)} shows all")


def _print_left_out(lines: Sequence[str], show: int) -> None:
    if not lines:
        return
    note(f"not compared: {len(lines)}")
    for line in lines[: max(show, 1)]:
        note(f"  {line}")


def _described(row: OutcomeComparison) -> dict[str, Any]:
    """A disagreement, with the recording that is nearest to what the engine decided."""
    from env.fidelity.agreement import ASPECTS

    agreeing, times = row.agreeing, len(row.recorded)
    disagreed = [name for name in ASPECTS if not agreeing[name]]
    return {
        "id": row.scenario,
        "kind": row.kind,
        "step": row.step + 1,
        "recordings": times,
        "disagrees_on": disagreed or [name for name in ASPECTS if agreeing[name] < times],
        "differences": _lines(row),
        "recorded": row.nearest.model_dump(mode="json"),
        "simulated": row.simulated.model_dump(mode="json") if row.simulated else None,
    }


def _lines(row: OutcomeComparison) -> list[str]:
    from env.fidelity.agreement import differences

    if row.simulated is None:
        return [f"not simulated: {row.refusal}"]
    return differences(row.nearest, row.simulated)


def _missed(judged: Tally, repeated: bool) -> str:
    from env.fidelity.figures import GOALS, SET_GOALS, missed_goals

    goals = SET_GOALS if repeated else GOALS
    shares = (f"{name} {judged.percent(name):.1f} % (goal {goals[name]:.0f} %)" for name in missed_goals(judged, goals))
    return f"goals missed: {', '.join(shares)}"
