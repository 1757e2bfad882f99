"""Tables of what the benchmarks measured: medians, with the lowest and the highest where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.markup import escape

from runner.bench.dqn import SpeedComparison
from runner.bench.environments import Rate
from runner.bench.exam import ExamResult, Spread, Summary
from runner.commands.fitted import Cell, FittedTable


def speeds(comparisons: Sequence[SpeedComparison]) -> FittedTable:
    """A row for each case; SB3's columns only where it was measured."""
    both = all(each.theirs is not None for each in comparisons)
    figures: tuple[Cell, ...] = (("updates/s", "updates /s"), "env steps/s", "act us")
    titles = [name for title in figures for name in (title, *(("SB3", ("ratio", "x")) if both else ()))]
    table = FittedTable("hidden", "batch", "update every", *titles, right=range(3, 3 + len(titles)))
    for each in comparisons:
        case = each.case
        row: list[Cell] = [", ".join(map(str, case.hidden)), str(case.batch_size), f"{case.train_every} env steps"]
        for name in ("updates", "env_steps", "act_us"):
            row.append(_figure(getattr(each.ours, name)))
            if each.theirs is not None:
                ratio = getattr(each, f"{name.removesuffix('_us')}_ratio")
                row += [
                    _figure(getattr(each.theirs, name)),
                    (
                        f"{ratio.median:.1f} ({ratio.low:.1f} to {ratio.high:.1f})",
                        f"{ratio.median:.1f} ({ratio.low:.0f} to {ratio.high:.0f})",
                        f"{ratio.median:.1f}",
                    ),
                ]
        table.add_row(*row)
    return table


def summaries(title: str, rows: Mapping[str, Summary]) -> FittedTable:
    """A row for each name: medians and ranges over seeds."""
    columns = (title, "solved %", "steps / fewest", "env steps to 95 %", "seconds")
    table = FittedTable(*columns)
    for name, row in rows.items():
        table.add_row(
            escape(name),
            _spread(row.solved, 100, ".1f", ".0f"),
            _spread(row.median_ratio, 1, ".2f", ".1f"),
            _spread(row.env_steps_to_95, 1, ",.0f", ",.0f"),
            _spread(row.seconds, 1, ".1f", ",.0f"),
        )
    return table


def rates_and_returns(title: str, rows: Mapping[str, Summary]) -> FittedTable:
    """A row for each name: medians and ranges over seeds."""
    table = FittedTable(title, "env steps/s", "mean return")
    for name, row in rows.items():
        table.add_row(escape(name), _spread(row.env_steps_per_s, 1, ",.0f"), _spread(row.mean_return, 1, ".2f", ".1f"))
    return table


def kinds(title: str, rows: Mapping[str, Summary]) -> FittedTable:
    """A row for each name: the share of every kind of problem that is solved, medians over seeds."""
    names = list(dict.fromkeys(kind for row in rows.values() for kind in row.by_problem))
    table = FittedTable(title, *(f"{name} %" for name in names))
    for name, row in rows.items():
        table.add_row(
            escape(name),
            *((f"{share:.1f}", f"{share:.0f}") for share in (100 * row.by_problem[kind] for kind in names)),
        )
    return table


def trainings(title: str, rows: Iterable[tuple[str, int, ExamResult]]) -> FittedTable:
    """A row for each training: a name, the seed, and the results."""
    columns = (title, "seed", "env steps", "solved %", "steps / fewest", "env steps to 95 %", "seconds")
    table = FittedTable(*columns)
    for name, seed, outcome in rows:
        ratio, enough = outcome.final.median_ratio, outcome.env_steps_to_95
        table.add_row(
            escape(name),
            str(seed),
            f"{outcome.env_steps:,}",
            (f"{100 * outcome.final.solved:.1f}", f"{100 * outcome.final.solved:.0f}"),
            "-" if ratio is None else (f"{ratio:.2f}", f"{ratio:.1f}"),
            "-" if enough is None else f"{enough:,}",
            (f"{outcome.seconds:.1f}", f"{outcome.seconds:.0f}"),
        )
    return table


def _figure(rate: Rate) -> Cell:
    """A median, and the same with two digits at most, in thousands where it has more than three."""
    whole = f"{rate.median:,.0f}" if rate.median >= 100 else f"{rate.median:.1f}"
    thousands = rate.median / 1000
    short = whole if thousands < 1 else f"{thousands:.1f}k" if thousands < 10 else f"{thousands:.0f}k"
    return whole, whole, short


def _spread(spread: Spread, factor: float, *styles: str) -> tuple[str, ...]:
    """`median (low to high)` in each style, then the median alone in the last; a dash for what never came."""

    def form(style: str) -> tuple[str, str]:
        median, low, high = (
            "-" if value is None else format(factor * value, style)
            for value in (spread.median, spread.low, spread.high)
        )
        return median, median if low == median == high else f"{median} ({low} to {high})"

    return (*(form(style)[1] for style in styles), form(styles[-1])[0])
