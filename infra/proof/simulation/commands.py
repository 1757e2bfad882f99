"""`sim-arena simulate`: the protocol under faults, in virtual time, one run for each seed."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from env.errors import UsageError
from env.words import count
from runner.commands.console import Exit, err, out, print_json, progress_bars
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.proof.simulation.many import SimulationTotals
    from runner.commands.fitted import FittedTable

SEEDS = 2**53  # as many as a float, and so JSON, tells apart
MembersOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1000, help="Of every federation. Default: 1 to 6.")
]
RoundsOption = Annotated[
    int | None, typer.Option(metavar="N", min=1, max=1000, help="Of every federation. Default: 1 to 5.")
]


@flattened
def simulate(
    output: OutputChoice,
    seeds: Annotated[
        str | None, typer.Option(metavar="FROM:TO", help="Run these seeds, TO excluded. Default: 0:1000.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=SEEDS, help="Replay this one and print its history instead.")
    ] = None,
    members: MembersOption = None,
    rounds: RoundsOption = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes for --seeds. Default: one for each core.")
    ] = None,
) -> None:
    """Run the protocol in virtual time under faults.

    Each seed draws the faults, and all invariants are checked. Federations run over an in-memory S3, with processes
    killed, paused and doubled, requests lost, late and refused. A fifth of them train a learner of a package.

    Exit code 1 if an invariant was violated; what is printed then replays that run exactly.
    """
    if seed is not None:
        if seeds is not None or jobs is not None:
            raise UsageError("--seed: replays one run; --seeds and --jobs are for many")
        _replay(seed, members, rounds, output.as_json)
    else:
        _run_many(_range(seeds or "0:1000"), members, rounds, jobs or len(os.sched_getaffinity(0)), output.as_json)


def _range(text: str) -> range:
    start, colon, stop = text.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal() and int(start) < int(stop) <= SEEDS):
        raise UsageError(f"--seeds {text}: expected FROM:TO with FROM less than TO, for example 0:1000")
    return range(int(start), int(stop))


def _replay(seed: int, members: int | None, rounds: int | None, as_json: bool) -> None:
    from infra.proof.simulation.run import simulate as run
    from infra.proof.simulation.scenario import draw

    report = run(draw(seed, members, rounds), keep_history=True)
    violations = [f"{v.invariant}: {v.text}" for v in report.violations]
    if as_json:
        faults = {str(fault): number for fault, number in report.faults.items()}
        print_json(
            {
                "seed": seed,
                "scenario": report.scenario,
                "history": report.history,
                "faults": faults,
                "violations": violations,
            }
        )
    else:
        for line in (f"seed {seed}", *report.scenario, "", *report.history, ""):
            out.print(line, markup=False, highlight=False)
        for line in violations:
            out.print(f"[bold red]violated[/] {escape(line)}", highlight=False)
        if not violations:
            out.print("no invariant was violated", highlight=False)
    if violations:
        raise typer.Exit(int(Exit.FAILED))


def _run_many(seeds: range, members: int | None, rounds: int | None, jobs: int, as_json: bool) -> None:
    from contextlib import closing

    from infra.proof.simulation.many import SimulationTotals, reports

    tally, began, interrupted = SimulationTotals(), time.monotonic(), False
    with progress_bars() as tell:
        try:
            with closing(reports(seeds, members, rounds, jobs)) as arriving:
                for report in arriving:
                    tally.add(report)
                    tell("simulating", tally.seeds, len(seeds))
        except KeyboardInterrupt:
            interrupted = True
    seconds = time.monotonic() - began
    how = "".join(f" --{name} {value}" for name, value in (("members", members), ("rounds", rounds)) if value)
    if as_json:
        print_json({**tally.as_json(), "seconds": round(seconds, 1), "interrupted": interrupted})
    else:
        _tell(tally, seconds, how)
    if interrupted:
        err.print(f"interrupted after {tally.seeds} of {count(len(seeds), 'seed')}")
        raise typer.Exit(int(Exit.INTERRUPTED))
    if tally.failed:
        raise typer.Exit(int(Exit.FAILED))


def _faults(tally: SimulationTotals) -> FittedTable:
    from runner.commands.fitted import FittedTable

    table = FittedTable("fault", "times", right=[1])
    for fault, number in sorted(tally.faults.items(), key=lambda item: -item[1]):
        table.add_row(str(fault), f"{number:,}")
    return table


def _tell(tally: SimulationTotals, seconds: float, how: str) -> None:
    failed = sorted(tally.failed, key=lambda report: report.seed)
    if failed:
        first = failed[0]
        for line in (f"seed {first.seed}", *first.scenario, "", *first.history, ""):
            out.print(line, markup=False, highlight=False)
        for report in failed:
            for violation in report.violations:
                text = escape(f"{violation.invariant}: {violation.text}")
                out.print(f"[bold red]violated[/] by seed {report.seed}: {text}", highlight=False)
            out.print(f"    sim-arena simulate --seed {report.seed}{how}", highlight=False)
    out.print(_faults(tally))
    out.print(
        f"{tally.seeds - len(failed):,} of {count(tally.seeds, 'seed')} kept every invariant: "
        f"{count(tally.requests, 'request')}, "
        f"{count(round(tally.virtual_s / 3600), 'virtual hour')} in {seconds:.0f} s; "
        f"{count(tally.trained, 'episode')} trained, of which {tally.needed:,} came to use",
        highlight=False,
    )
