"""The benchmark's tables for a terminal."""

from __future__ import annotations

from infra.bench.season.plan import Row
from infra.bench.season.report import ENOUGH, Report, Spread
from runner.commands import tables
from runner.commands.console import out
from runner.commands.fitted import FittedTable


def show(report: Report, bound: str) -> None:
    """Print the rows and what they come to."""
    title = f"cost above {bound} (%), and how requests were: median over seeds (least to most)"
    out.print(f"[bold]{title}[/]", highlight=False)
    tables.show(rows(report))
    _tell(report)


def rows(report: Report) -> FittedTable:
    """A row for each way of training."""
    table = FittedTable("trained", "seeds", "own workloads", "all workloads", "exceeded %", "held")
    for line in report.lines:
        table.add_row(
            line.row.value,
            str(line.seeds),
            _percent(line.own, 1),
            _percent(line.all, 1),
            (_percent(line.exceeded, 2), "" if line.exceeded is None else f"{100 * line.exceeded.median:.2f}"),
            "" if line.held is None else f"{line.held.median:.2f}",
        )
    return table


def _tell(report: Report) -> None:
    """What the rows come to."""
    for row, share in report.recovered.items():
        enough = (
            "" if row is Row.POOLED else f" ({'at least' if share.median >= ENOUGH else 'below'} {100 * ENOUGH:.0f})"
        )
        out.print(f"{row.value}: {_percent(share, 0)} % of what pooling all gives{enough}", highlight=False)
    for row, differences in report.against_alone.items():
        worse = [each for each in differences if each.above_alone > 0]
        names = ", ".join(f"{each.member} (seed {each.seed}) by {100 * each.above_alone:.1f}" for each in worse)
        text = f"{row.value}: worse than alone on own workloads: {len(worse)} of {len(differences)} members"
        out.print(f"{text}{': ' if names else ''}{names}", highlight=False)


def _percent(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return ""
    middle, least, most = (f"{100 * each:.{digits}f}" for each in (spread.median, spread.least, spread.most))
    return middle if least == most else f"{middle} ({least} to {most})"
