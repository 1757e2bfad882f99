"""The tables of `sim-arena bench protocol`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape

from env.words import count
from infra.bench.protocol.cases import Cost, growth
from runner.commands.fitted import Cell, FittedTable

if TYPE_CHECKING:
    from infra.bench.protocol.closing import ClosingResult
    from infra.bench.protocol.deadline import Stragglers
    from infra.bench.protocol.goals import Goal
    from infra.bench.protocol.idle import Idle
    from infra.bench.protocol.real import RealTime

Quantity = tuple[str, Callable[[Cost], float], str]

QUANTITIES: tuple[Quantity, ...] = (
    ("a member's requests in a round for its work", lambda cost: cost.own["work"], ".2f"),
    ("  polls in a round", lambda cost: cost.own["polls"], ".2f"),
    ("  renewals in a round", lambda cost: cost.own["renewals"], ".2f"),
    ("  kB sent in a round", lambda cost: cost.sent_bytes / 1000, ".1f"),
    ("  kB received in a round", lambda cost: cost.received_bytes / 1000, ".1f"),
    ("  rows listed in a round", lambda cost: cost.rows, ".2f"),
    ("a member's requests at start and end", lambda cost: cost.once, ".1f"),
    ("requests for closing a round", lambda cost: cost.closing, ".1f"),
    ("closer's polls in a round", lambda cost: cost.closer_polls, ".1f"),
    ("$ per 1000 rounds, requests", lambda cost: cost.dollars_per_1000_rounds, ".3f"),
    ("  per member", lambda cost: cost.dollars_per_1000_rounds / cost.case.members, ".4f"),
    ("$ for the first and the last round", lambda cost: cost.dollars_once, ".4f"),
    ("GB left by 1000 rounds", lambda cost: cost.stored_gb_per_1000_rounds, ".1f"),
    ("  $ a month for keeping them", lambda cost: cost.storage_dollars_a_month, ".2f"),
    ("last update to weights, ms: median", lambda cost: cost.barrier_ms.median, ".0f"),
    ("  95th percentile of it", lambda cost: cost.barrier_ms.p95, ".0f"),
    ("  the same of the last member", lambda cost: cost.barrier_ms.slowest, ".0f"),
    ("a round beyond its slowest member's work, ms", lambda cost: cost.overhead_ms, ".0f"),
)


def by_barrier(rows: Sequence[Cost]) -> dict[str, list[Cost]]:
    """The same rows, sorted by who closes the rounds."""
    return {
        name: [row for row in rows if row.case.barrier == name] for name in dict.fromkeys(r.case.barrier for r in rows)
    }


def growths(rows: Sequence[Cost]) -> dict[str, dict[str, float | None]]:
    """By barrier and quantity: the power of the number of members with which it grows."""
    return {
        barrier: {
            name.strip(): growth([row.case.members for row in some], [value(row) for row in some])
            for name, value, _ in QUANTITIES
        }
        for barrier, some in by_barrier(rows).items()
    }


def costs(rows: Sequence[Cost]) -> FittedTable:
    """Federations of one barrier and several sizes, and how each quantity grows with the size."""
    sizes = [row.case.members for row in rows]
    titles = [*(f"{size:,}" for size in sizes), "grows as"]
    table = FittedTable("members", *titles, right=range(1, 1 + len(titles)))
    for name, value, style in QUANTITIES:
        values = [value(row) for row in rows]
        power = growth(sizes, values)
        table.add_row(name, *(_forms(each, style) for each in values), "-" if power is None else f"N^{power:.2f}")
    return table


def costs_title(rows: Sequence[Cost]) -> str:
    """What all rows of `costs` have in common."""
    case = rows[0].case
    rounds = count(case.rounds, "round")
    return f"barrier {case.barrier}: {rounds} of {case.work_s:g} s, {case.latency_ms:g} ms a request"


def stragglers_title(run: Stragglers) -> str:
    """The run of `stragglers`, and how long it took."""
    plot = run.plot
    how = f"{count(plot.rounds, 'round')} of {plot.work_s:g} s, --round-timeout {plot.timeout_s:g}"
    ended = f"last weights after {run.seconds:,.0f} s, of the fast five alone {run.undisturbed_s:,.0f} s"
    return f"stragglers, barrier {run.barrier}: {how}; {ended}"


def idle(rows: Sequence[Idle], history: int) -> FittedTable:
    """Days without an event."""
    titles = ("PUT", "GET", "HEAD", "LIST", "rows listed", "$ a day", f"after {count(history, 'job')}")
    table = FittedTable("a day of a", *titles, right=range(1, 8))
    for row in rows:
        verbs = (f"{row.requests.get(verb, 0):,}" for verb in ("PUT", "GET", "HEAD", "LIST"))
        same = "the same" if row.same_with_history else "[red]other[/]"
        table.add_row(row.who, *verbs, f"{row.rows:,}", (f"{row.dollars_a_day:.3f}", f"{row.dollars_a_day:.2f}"), same)
    return table


def stragglers(run: Stragglers) -> FittedTable:
    """How each member fared."""
    table = FittedTable("member", "rounds in", "episodes", "result after s", right=[1, 2, 3])
    for row in run.members:
        episodes = "-" if row.episodes is None else str(row.episodes)
        finished = "never" if row.finished_s is None else f"{row.finished_s:,.0f}"
        table.add_row(row.kind, str(len(row.rounds)), episodes, finished)
    return table


def real_time(rows: Sequence[RealTime]) -> FittedTable:
    """Rounds on the clock of this machine."""
    titles = ("members", "delay ms", "round ms", "95th pct", "weights after ms", "request here ms")
    table = FittedTable("barrier", *titles, right=range(1, 7))
    for row in rows:
        table.add_row(
            row.barrier,
            str(row.members),
            f"{row.delay_ms:g}",
            f"{row.round_ms:.0f}",
            f"{row.p95_ms:.0f}",
            f"{row.barrier_ms.median:.0f}",
            _forms(row.undelayed_request_ms, ".1f"),
        )
    return table


def closing(rows: Sequence[ClosingResult]) -> FittedTable:
    """Putting a round's updates together."""
    titles = ("updates", "ms median", "ms best", "extra MB", "")
    table = FittedTable("what is put together", *titles, right=[1, 2, 3, 4])
    for row in rows:
        extra = "-" if row.extra_mb is None else f"{row.extra_mb:.0f}"
        table.add_row(
            escape(row.name),
            str(row.n),
            _forms(row.ms_median, ".2f"),
            _forms(row.ms_best, ".2f"),
            extra,
            escape(row.note),
        )
    return table


def goals(rows: Sequence[Goal]) -> FittedTable:
    """Promises, kept or not."""
    table = FittedTable("goal", "measured", "")
    for row in rows:
        table.add_row(escape(row.goal), escape(row.measured), "[green]met[/]" if row.met else "[bold red]missed[/]")
    return table


def _forms(value: float, style: str) -> Cell:
    """The value in this style, and with three significant digits."""
    return f"{value:,{style}}", f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
