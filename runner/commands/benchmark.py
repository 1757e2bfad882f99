"""`sim-arena benchmark`: language models on fixed scenarios, beside other agents and the optimum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from env.errors import ConfigError
from env.problems.draw import PROBLEMS
from runner.commands import tables
from runner.commands.console import nothing_to_do, print_json
from runner.commands.fitted import FittedTable
from runner.options import completion
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from runner.benchmark.scenarios import BenchmarkScenario

_TYPES = (*PROBLEMS, "no-fault", "hostile-text")


@dataclass(frozen=True, kw_only=True)
class ScenariosChoice:
    """Which of the scenarios are played."""

    panel: ClassVar[str] = "Scenarios"

    list_scenarios: Annotated[bool, typer.Option("--list-scenarios", help="List the scenarios and leave.")] = False
    scenario: Annotated[
        tuple[str, ...], typer.Option(metavar="NAME", help="Only this scenario. May be given again.")
    ] = ()
    filter_type: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help=f"Only one type of problem: {', '.join(_TYPES)}.",
            autocompletion=completion.of(_TYPES),
        ),
    ] = None
    stream: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Draw scenarios of the same kinds from a stream of your own instead of the published one.",
        ),
    ] = None


@flattened
def benchmark(scenarios: ScenariosChoice, output: OutputChoice) -> None:
    """Measure how well a language model right-sizes workloads."""
    from runner.benchmark.scenarios import STREAM, chosen, registry

    stream = STREAM if scenarios.stream is None else scenarios.stream
    rows = chosen(registry(stream), scenarios.scenario, scenarios.filter_type)
    if not rows:
        nothing_to_do(f"--filter-type {scenarios.filter_type}: none of the scenarios named is of this type")
    if not scenarios.list_scenarios:
        raise ConfigError("benchmark: name --list-scenarios")
    _list(rows, stream, output)


def _list(rows: Sequence[BenchmarkScenario], stream: int, output: OutputChoice) -> None:
    from runner.benchmark.scenarios import registry_hash

    facts = [_facts(row) for row in rows]
    if output.as_json:
        print_json({"stream": stream, "sha256": registry_hash(rows), "scenarios": facts})
        return
    table = FittedTable("name", "type", "difficulty", "least actions", "target", "nodes", "says", "hash")
    for row in facts:
        table.add_row(*(tables.words(row[name]) for name in _SHOWN), row["sha256"][:12])
    tables.show(table)


_SHOWN = ("name", "type", "difficulty", "least_actions", "target", "nodes", "channel")


def _facts(row: BenchmarkScenario) -> dict[str, Any]:
    return {
        "name": row.name,
        "type": row.problem_type,
        "difficulty": row.difficulty,
        "least_actions": row.least_actions,
        "target": row.scenario.target,
        "nodes": row.scenario.nodes.count,
        "channel": row.channel,
        "twin": row.twin,
        "sha256": row.sha256,
    }
