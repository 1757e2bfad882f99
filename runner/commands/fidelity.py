"""`sim-arena fidelity`: how often the engine decides as a real control plane did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.commands import tables
from runner.commands.console import fail, note, out, print_json, progress
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.fidelity.agreement import OutcomeComparison, Tally
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
) -> None:
    """Compare the engine with what a control plane decided.

    Recorded scenarios are replayed. Exit code 1 if a goal is missed.
    """
    from env.fidelity.agreement import comparisons, missed_goals, tally
    from env.fidelity.truth import read_truth

    scenarios = read_truth(file)
    rows = [row for scenario in progress(scenarios, "replaying") for row in comparisons(scenario, _simulate)]
    by_kind = {kind: tally(row for row in rows if row.kind == kind) for kind in sorted({row.kind for row in rows})}
    over_all = tally(rows)
    disagreements = [row for row in rows if not row.agreement.complete]
    if output.as_json:
        shown = [_described(row) for row in disagreements[:show]]
        print_json(
            {
                "file": str(file),
                "kinds": {kind: _figures(counted) for kind, counted in by_kind.items()},
                "all": _figures(over_all),
                "missed": missed_goals(over_all),
                "disagreements": shown,
            }
        )
    else:
        tables.show(_table(by_kind, over_all))
        _print_disagreements(disagreements, show)
    if missed_goals(over_all):
        fail(_missed(over_all))


def _simulate(scenario: RecordedScenario) -> list[RecordedOutcome]:
    from env.fidelity.engine_outcomes import simulated_outcomes
    from env.fidelity.truth import RecordedOutcome

    content = scenario.to_json()
    return [RecordedOutcome.model_validate(each) for each in simulated_outcomes(content["nodes"], content["steps"])]


def _figures(counted: Tally) -> dict[str, float | int | None]:
    from env.fidelity.agreement import ASPECTS

    return {"n": counted.n, **{f"{name}_percent": counted.percent(name) for name in ASPECTS}}


def _table(by_kind: dict[str, Tally], over_all: Tally) -> FittedTable:
    from rich.markup import escape

    from env.fidelity.agreement import ASPECTS, GOALS
    from runner.commands.fitted import FittedTable

    table = FittedTable("kind", "outcomes", *ASPECTS)
    for kind, counted in [*by_kind.items(), ("all", over_all)]:
        shares = (counted.percent(name) for name in ASPECTS)
        table.add_row(
            escape(kind),
            str(counted.n),
            *("-" if share is None else (f"{share:.1f} %", f"{share:.0f} %") for share in shares),
        )
    table.add_row("goal", "", *(f"{GOALS[name]:.0f} %" for name in ASPECTS))
    return table


def _print_disagreements(rows: Sequence[OutcomeComparison], show: int) -> None:
    for row in rows[:show]:
        on = ", ".join(_described(row)["disagrees_on"])
        out.print(f"\n{row.scenario} ({row.kind}), step {row.step + 1}: {on}", highlight=False, markup=False)
        for line in _lines(row)[:_LONGEST_DIFF]:
            out.print(f"  {line}", highlight=False, markup=False)
    if len(rows) > show:
        disagree = "outcome disagrees" if len(rows) == 1 else "outcomes disagree"
        note(f"{len(rows)} {disagree}; --show {len(rows)} shows all")


def _described(row: OutcomeComparison) -> dict[str, Any]:
    from env.fidelity.agreement import ASPECTS

    return {
        "id": row.scenario,
        "kind": row.kind,
        "step": row.step + 1,
        "disagrees_on": [name for name in ASPECTS if not getattr(row.agreement, name)],
        "differences": _lines(row),
        "recorded": row.recorded.model_dump(mode="json"),
        "simulated": row.simulated.model_dump(mode="json") if row.simulated else None,
    }


def _lines(row: OutcomeComparison) -> list[str]:
    from env.fidelity.agreement import differences

    if row.simulated is None:
        return [f"not simulated: {row.refusal}"]
    return differences(row.recorded, row.simulated)


def _missed(over_all: Tally) -> str:
    from env.fidelity.agreement import GOALS, missed_goals

    names = missed_goals(over_all)
    shares = (f"{name} {over_all.percent(name):.1f} % (goal {GOALS[name]:.0f} %)" for name in names)
    return f"goals missed: {', '.join(shares)}"
