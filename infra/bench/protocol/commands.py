"""`sim-arena bench protocol`: what federations cost in requests, dollars and waiting, beside what is promised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.errors import UsageError
from runner.bench.commands import QuickOption, sizes_of
from runner.commands.console import Exit, fail, note, out, print_json, progress
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from infra.bench.protocol.cases import Cost
    from infra.bench.protocol.closing import ClosingResult
    from infra.bench.protocol.deadline import Death, Stragglers
    from infra.bench.protocol.goals import Goal
    from infra.bench.protocol.idle import Idle
    from infra.bench.protocol.real import RealTime

BARRIERS = ("sync-server", "workers")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        members, rounds: of the federations whose cost is compared.
        idle_s: seconds of idleness from which a day's is told.
        history: finished jobs in the bucket.
        seeds: members that die, each in a run of its own.
        straggler_rounds: of the federation with stragglers.
        real_rounds: of the federations in real time.
    """

    members: tuple[int, ...]
    rounds: int
    idle_s: float = 7200.0
    history: int = 10_000
    seeds: int = 5
    straggler_rounds: int = 100
    real_rounds: int = 30


@dataclass
class BenchmarkResults:
    """What was measured."""

    costs: list[Cost] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    stragglers: list[Stragglers] = field(default_factory=list)
    real: list[RealTime] = field(default_factory=list)
    closing: list[ClosingResult] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)


@flattened
def protocol(
    output: OutputChoice,
    members: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Sizes of the federations. Default: 2,8,32,128.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(metavar="N", min=4, help="Of each federation. Default: 100.")] = None,
    work_s: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.0, help="Seconds that a member trains in a round, 10 % more or less."),
    ] = 10.0,
    latency_ms: Annotated[float, typer.Option(metavar="MS", min=0.0, help="What a request takes.")] = 10.0,
    barrier: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who closes rounds: sync-server, workers. Default: both in turn."),
    ] = None,
    real: Annotated[
        bool, typer.Option("--real", help="Federations of 2 and 8 in real time too, over the embedded S3.")
    ] = False,
    quick: QuickOption = False,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw protocol-cost.png and stragglers.png in this folder.")
    ] = None,
) -> None:
    """Count requests, dollars and waiting of federations.

    Beside what is promised, at AWS's list prices. They train nothing. The protocol's own code over an in-memory S3 in
    virtual time: no figure depends on this machine, except with --real and for closing a round. Exit code 1: a promise
    is missed.
    """
    effort = Effort((2, 8), 10, 600.0, 500, 1, 30, 6) if quick else Effort((2, 8, 32, 128), 100)
    sizes = effort.members if members is None else sorted(sizes_of(members, 10_000))
    barriers = _barriers(barrier)
    if to is not None:
        _make(to)  # now, not after minutes of measuring
    results = BenchmarkResults()
    steps = [
        *_virtual(results, effort, sizes, rounds or effort.rounds, barriers, work_s, latency_ms),
        *(_real(results, effort, barriers) if real else ()),
        _closing(results, quick),
    ]
    try:
        for rows, measure in progress(steps, "measuring"):
            rows.extend(measure())
    except KeyboardInterrupt:
        fail("interrupted; nothing was kept", Exit.INTERRUPTED)
    if output.as_json:
        print_json(document(results))
    else:
        _show(results, effort.history)
    if to is not None:
        _draw(results, to)
    if not all(goal.met for goal in results.goals):
        fail("a promise is missed")


Step = tuple[list[Any], Callable[[], Sequence[Any]]]
"""Rows, and what measures more of them."""


def _virtual(
    results: BenchmarkResults,
    effort: Effort,
    sizes: Sequence[int],
    rounds: int,
    barriers: Sequence[str],
    work_s: float,
    latency_ms: float,
) -> list[Step]:
    from infra.bench.protocol import cases as bench
    from infra.bench.protocol import deadline, goals
    from infra.bench.protocol.idle import idle

    cases = [bench.Case(name, size, rounds, work_s, latency_ms) for name in barriers for size in sizes]
    fifth = effort.straggler_rounds // 5
    plot = deadline.StragglerCase(rounds=effort.straggler_rounds, dies_in=fifth, joins_in=2 * fifth)
    steps: list[Step] = [(results.costs, partial(_one, bench.measure, case)) for case in cases]
    steps.append((results.idle, partial(idle, latency_ms, effort.history, effort.idle_s)))
    for name in barriers:
        steps.append((results.deaths, partial(deadline.deaths, name, latency_ms, effort.seeds)))
        steps.append((results.stragglers, partial(_one, deadline.stragglers, name, latency_ms, plot)))
    steps.append((results.goals, partial(goals.few_requests, results.costs)))
    steps.append((results.goals, partial(goals.quick_rounds, barriers, rounds)))
    history = partial(goals.no_dearer_with_history, barriers, results.idle, latency_ms, effort.history)
    steps.append((results.goals, history))
    steps.append((results.goals, partial(goals.dead_members, results.deaths)))
    steps.append((results.goals, partial(goals.stragglers_left_behind, results.stragglers)))
    return steps


def _real(results: BenchmarkResults, effort: Effort, barriers: Sequence[str]) -> list[Step]:
    from infra.bench.protocol.goals import ROUNDS_MS
    from infra.bench.protocol.real import real_time

    return [
        (results.real, partial(_one, real_time, name, size, effort.real_rounds, delay_ms))
        for name in barriers
        for size, delay_ms, _ in ROUNDS_MS
    ]


def _closing(results: BenchmarkResults, quick: bool) -> Step:
    from infra.bench.protocol import closing

    return results.closing, partial(closing.measure, quick)


def _one(measure: Callable[..., Any], *arguments: Any) -> list[Any]:
    return [measure(*arguments)]


def document(results: BenchmarkResults) -> dict[str, Any]:
    """Everything, as JSON has it."""
    from infra.bench.protocol.tables import growths

    return {
        "goals": [asdict(row) for row in results.goals],
        "costs": [
            {**asdict(row), "overhead_ms": row.overhead_ms, "storage_dollars_a_month": row.storage_dollars_a_month}
            for row in results.costs
        ],
        "grows_with_members_to_the_power_of": growths(results.costs),
        "idle": [asdict(row) for row in results.idle],
        "deaths": [{**asdict(row), "extra_s": row.extra_s} for row in results.deaths],
        "stragglers": [{**asdict(row), "waiting_s": row.waiting_s} for row in results.stragglers],
        "real_time": [asdict(row) for row in results.real],
        "closing": [asdict(row) for row in results.closing],
    }


def _show(results: BenchmarkResults, history: int) -> None:
    from infra.bench.protocol import tables as t
    from runner.commands import tables

    shown = [(t.costs_title(rows), t.costs(rows)) for rows in t.by_barrier(results.costs).values()]
    shown.append(("doing nothing", t.idle(results.idle, history)))
    shown += [(t.stragglers_title(run), t.stragglers(run)) for run in results.stragglers]
    shown += [("real time, embedded S3, nothing trained", t.real_time(results.real))] if results.real else []
    shown += [("closing a round", t.closing(results.closing)), ("what is promised", t.goals(results.goals))]
    for title, table in shown:
        out.print(f"[bold]{title}[/]", highlight=False)
        tables.show(table)
        out.print()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--to {folder}: cannot be made ({error.strerror})") from error


def _draw(results: BenchmarkResults, folder: Path) -> None:
    from infra.bench.protocol import plot

    plot.draw_costs(results.costs, folder / "protocol-cost.png")
    plot.draw_stragglers(results.stragglers[0], folder / "stragglers.png")
    note(f"wrote {folder}/protocol-cost.png and stragglers.png")


def _barriers(given: Sequence[str] | None) -> tuple[str, ...]:
    for name in given or ():
        if name not in BARRIERS:
            raise UsageError(f"--barrier {name}: unknown; choose from {', '.join(BARRIERS)}")
    return tuple(dict.fromkeys(given or BARRIERS))
