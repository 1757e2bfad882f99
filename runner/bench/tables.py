"""Tables of what the benchmarks measured: medians, with the lowest and the highest where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from runner.bench.dqn import SpeedComparison
from runner.bench.environments import Rate
from runner.bench.exam import ExamResult, Spread, Summary


def speeds(comparisons: Sequence[SpeedComparison]) -> Table:
    """A row for each case; SB3's columns only where it was measured."""
    both = all(each.theirs is not None for each in comparisons)
    table = Table("hidden", "batch", "update every", box=None, pad_edge=False)
    for title in ("updates/s", "env steps/s", "act us"):
        for name in (title, *(("SB3", "ratio") if both else ())):
            table.add_column(name, justify="right")
    for each in comparisons:
        case = each.case
        row = [", ".join(map(str, case.hidden)), str(case.batch_size), f"{case.train_every} env steps"]
        for name in ("updates", "env_steps", "act_us"):
            row.append(_figure(getattr(each.ours, name)))
            if each.theirs is not None:
                ratio = getattr(each, f"{name.removesuffix('_us')}_ratio")
                row += [
                    _figure(getattr(each.theirs, name)),
                    f"{ratio.median:.1f} ({ratio.low:.1f} to {ratio.high:.1f})",
                ]
        table.add_row(*row)
    return table


def summaries(title: str, rows: Mapping[str, Summary]) -> Table:
    """A row for each name: medians and ranges over seeds."""
    columns = (title, "solved %", "steps / fewest", "env steps to 95 %", "seconds")
    table = Table(*columns, box=None, pad_edge=False)
    for name, row in rows.items():
        table.add_row(
            escape(name),
            _spread(row.solved, 100, ".1f"),
            _spread(row.median_ratio, 1, ".2f"),
            _spread(row.env_steps_to_95, 1, ",.0f"),
            _spread(row.seconds, 1, ".1f"),
        )
    return table


def kinds(title: str, rows: Mapping[str, Summary]) -> Table:
    """A row for each name: the share of every kind of problem that is solved, medians over seeds."""
    names = list(dict.fromkeys(kind for row in rows.values() for kind in row.by_problem))
    table = Table(title, *(f"{name} %" for name in names), box=None, pad_edge=False)
    for name, row in rows.items():
        table.add_row(escape(name), *(f"{100 * row.by_problem[kind]:.1f}" for kind in names))
    return table


def trainings(title: str, rows: Iterable[tuple[str, int, ExamResult]]) -> Table:
    """A row for each training: a name, the seed, and what came out."""
    columns = (title, "seed", "env steps", "solved %", "steps / fewest", "env steps to 95 %", "seconds")
    table = Table(*columns, box=None, pad_edge=False)
    for name, seed, outcome in rows:
        ratio, enough = outcome.final.median_ratio, outcome.env_steps_to_95
        table.add_row(
            escape(name),
            str(seed),
            f"{outcome.env_steps:,}",
            f"{100 * outcome.final.solved:.1f}",
            "-" if ratio is None else f"{ratio:.2f}",
            "-" if enough is None else f"{enough:,}",
            f"{outcome.seconds:.1f}",
        )
    return table


def _figure(rate: Rate) -> str:
    return f"{rate.median:,.0f}" if rate.median >= 100 else f"{rate.median:.1f}"


def _spread(spread: Spread, factor: float, form: str) -> str:
    """`median (low to high)`; a dash for what never came."""
    median, low, high = (
        "-" if value is None else format(factor * value, form) for value in (spread.median, spread.low, spread.high)
    )
    return median if low == median == high else f"{median} ({low} to {high})"
