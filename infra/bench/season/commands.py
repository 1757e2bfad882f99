"""`sim-arena bench season-federated`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from runner.bench.commands import QuickOption
from runner.commands.console import Exit, fail, note, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

CONFIG_VERSION = 3


@dataclass(frozen=True, kw_only=True)
class SeasonsChoice:
    """Who the members are and how long they train."""

    panel: ClassVar[str] = "Trainings"

    seeds: Annotated[int, typer.Option(metavar="N", min=1, max=100, help="Trainings of each row.")] = 5
    epochs: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Of each member, in a federation.")] = 64
    own_epochs: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Of each member afterwards, by itself.")
    ] = 16
    epochs_per_round: Annotated[int, typer.Option(metavar="N", min=1, help="Between two averages.")] = 1
    environments: Annotated[
        int, typer.Option(metavar="N", min=8, max=4096, help="Workloads that are stepped together.")
    ] = 128
    workloads: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="That models are compared on, of each kind.")
    ] = 200
    variant: Annotated[str, typer.Option(metavar="NAME", help="memory, cpu, replicas.")] = "memory"
    series: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Members have recorded pods (CSV), not a kind of generated workloads each."),
    ] = None
    members: Annotated[
        int, typer.Option(metavar="N", min=2, max=64, help="Among how many members recorded pods are split.")
    ] = 6


@flattened
def season_federated(
    choice: SeasonsChoice,
    output: OutputChoice,
    quick: QuickOption = False,
    to: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where every training that has ended is kept; the same command goes on from there.",
            rich_help_panel=OutputChoice.panel,
        ),
    ] = Path("season-federated"),
) -> None:
    """Measure what a federation is worth to members whose workloads differ.

    Each member has one kind of generated workloads, or a part of recorded pods. Compared with being alone and with all
    data in one place, at equally many steps of each member. All trainings are jobs of the protocol, in a bucket in
    this process's memory. It takes hours; a kill costs the training that runs.
    """
    from env.interrupt import Stopped
    from infra.bench.season.bench import bench_of, run
    from runner.commands.interrupt import stop_on_signals

    if quick:
        choice = replace(choice, seeds=1, epochs=2, own_epochs=1, environments=16, workloads=10)
    bench = bench_of(choice, to)
    try:
        run(bench, stop_on_signals(), note)
    except Stopped:
        fail(f"interrupted; the same command goes on from {to}", Exit.INTERRUPTED)
    report = bench.report()
    bench.draw(report)
    if output.as_json:
        print_json({"config": bench.config, **report.document()})
    else:
        from infra.bench.season.tables import show

        show(report, bench.bound)
    note(f"wrote {to}/report.json and {to}/season-federated.png")


def config_of(choice: SeasonsChoice) -> Mapping[str, Any]:
    """What a folder is of: everything but how many seeds, of which there may be more later."""
    given = asdict(choice)
    del given["seeds"]
    given["series"] = None if choice.series is None else choice.series.name
    return {"version": CONFIG_VERSION, **given}
