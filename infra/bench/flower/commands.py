"""`sim-arena bench flower`."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from env.words import count
from runner.commands.console import note, out, print_json
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.bench.flower.engines import Measured
    from runner.commands.fitted import FittedTable


@flattened
def flower(
    output: OutputChoice,
    members: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Clients, each with other digits.")] = 2,
    rounds: Annotated[int, typer.Option(metavar="N", min=2, max=1000, help="Each an epoch of every client.")] = 20,
    seed: Annotated[int, typer.Option(metavar="N", min=0, max=1 << 32, help="Of first weights, shares, epochs.")] = 0,
    kill: Annotated[
        bool, typer.Option("--kill", help="Also kill a client and a server after a third of the rounds.")
    ] = False,
    environment: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", file_okay=False, help="Where Flower is or will be installed. Default: in the user's cache."
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for logs. Default: a new one below /tmp.")
    ] = None,
) -> None:
    """Measure a federation of the learner digits beside Flower's, on this machine.

    Same network, same shares, same rounds, by our protocol, by Flower's deployment engine at its shortest interval and
    by its simulation engine. Flower is installed by pip, in an environment of its own.
    """
    from infra.bench.flower.engines import Work, training_s
    from infra.bench.flower.environment import default_folder, set_up
    from infra.bench.flower.runs import all_runs, kills
    from infra.local.processes import new_folder

    place = environment or default_folder()
    folder = new_folder(to, "sim-arena-flower-")
    set_up(place, note)
    work = Work(members, rounds, seed)
    alone = training_s(work)
    found = []
    for run in (*all_runs(work, folder, place), *(kills(work, folder, place) if kill else ())):
        note(f"{run.engine} …")
        found.append(run())
        note(_said(found[-1]))  # should the rest of them not come to an end
    if output.as_json:
        print_json(
            {"training_s": alone, "machine": platform.platform(), "runs": [measured.document() for measured in found]}
        )
        return
    out.print(_table(found, alone))
    out.print(f"the training itself: {alone:.3f} s a round, of one client after the other", highlight=False)
    note(f"logs are in {folder}")


def _said(run: Measured) -> str:
    seconds = "" if run.seconds_a_round is None else f", {run.seconds_a_round:.2f} s a round"
    accuracy = f", accuracy {run.accuracy[-1]:.4f}" if run.accuracy else ""
    end = f"; {run.trouble or run.happened}" if run.trouble or run.happened else ""
    return f"{count(len(run.accuracy), 'round')}{accuracy}{seconds}{end}"


def _table(found: list[Measured], alone: float) -> FittedTable:
    from runner.commands.fitted import FittedTable

    table = FittedTable("engine", "rounds", "accuracy", "s/round", "beside training", "MB", "what happened")
    for run in found:
        seconds = run.seconds_a_round
        table.add_row(
            run.engine,
            str(len(run.accuracy)),
            f"{run.accuracy[-1]:.3f}" if run.accuracy else "",
            "" if seconds is None else f"{seconds:.2f}",
            "" if seconds is None else f"{seconds - alone:.2f}",
            f"{run.peak_bytes / 1e6:.0f}",
            run.trouble or run.happened,
        )
    return table
