"""`sim-arena bench season-fit`: whether the workloads that Season-v0 generates vary as real ones do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from runner.commands import tables
from runner.commands.console import out, print_json
from runner.commands.fitted import FittedTable
from runner.options.flatten import flattened
from runner.options.output import OutputChoice

Floats = NDArray[np.float64]

WORKLOADS = 2000
QUANTILES = (0.1, 0.5, 0.9)
FITTED = ("flat", "bursty", "shifts")
"""Kinds whose parameters were fitted: what a day of measurements can show. Days, weeks, leaks and deploys it cannot."""
_WEEK = 28
_LEAST_DEVIATION = 1e-6


@flattened
def season_fit(
    output: OutputChoice,
    series: Annotated[
        Path, typer.Option(metavar="FILE", help="Real series: a CSV file with name,seconds,use in each line; or .gz.")
    ],
) -> None:
    """Compare the workloads that Season-v0 generates with real series.

    Quantiles 10, 50 and 90 % over workloads. Series whose name has an even SHA-256 are those that parameters were
    fitted to, in the file that they were fitted with; the others were left out.
    """
    groups = groups_of(series)
    found = {name: quantiles(peaks) for name, peaks in groups.items() if len(peaks)}
    sizes = {name: len(peaks) for name, peaks in groups.items()}
    if output.as_json:
        print_json({"workloads": sizes, "quantiles": list(QUANTILES), "statistics": found})
        return
    tables.show(statistics_table(found))
    out.print()
    tables.show_facts({name: f"{size} workloads" for name, size in sizes.items()})


def groups_of(path: Path) -> dict[str, Floats]:
    """Peaks of the real series of each half, and of generated workloads, float64 (n, windows)."""
    from env.season.laws import KINDS
    from env.season.real import read_series
    from env.season.series import generated
    from env.season.variants import VARIANTS

    memory = VARIANTS["memory"]
    read = read_series(path, memory)
    even = np.array([is_even(name) for name in read.names])
    drawn, _ = generated(memory, range(WORKLOADS))
    fitted = np.isin(drawn.kinds, [KINDS.index(kind) for kind in FITTED])
    peaks = read.series.peaks
    return {"even": peaks[even], "odd": peaks[~even], "generated": drawn.peaks[fitted]}


def is_even(name: str) -> bool:
    """Whether a series is of the half that parameters are fitted to."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == 0


def quantiles(peaks: Floats) -> dict[str, list[float]]:
    """The quantiles of each statistic over workloads."""
    return {name: np.quantile(each, QUANTILES).tolist() for name, each in statistics(peaks).items()}


def statistics(peaks: Floats) -> Mapping[str, Floats]:
    """What tells how each of n workloads varies, by name, (n,).

    Changes are of logarithms: from window to window, with their median and root mean square, and the largest between
    the means of 28 windows and of the next 28. Autocorrelation is at 1 and 4 windows.

    Args:
        peaks: float64 (n, windows), above 0.
    """
    changes = np.diff(np.log(peaks), axis=1)
    centred = peaks - peaks.mean(axis=1, keepdims=True)
    variance = np.maximum((centred**2).mean(axis=1), _LEAST_DEVIATION**2)
    weeks = np.log(peaks.reshape(len(peaks), -1, _WEEK).mean(axis=2))

    def correlation(lag: int) -> Floats:
        kept: Floats = (centred[:, lag:] * centred[:, :-lag]).mean(axis=1) / variance
        return kept

    return {
        "deviation / mean": peaks.std(axis=1) / peaks.mean(axis=1),
        "change, median": np.median(np.abs(changes), axis=1),
        "change, rms": np.sqrt((changes**2).mean(axis=1)),
        "autocorrelation 1": correlation(1),
        "autocorrelation 4": correlation(4),
        "highest / median": peaks.max(axis=1) / np.median(peaks, axis=1),
        "change of 28 windows": np.abs(np.diff(weeks, axis=1)).max(axis=1),
    }


def statistics_table(found: Mapping[str, Mapping[str, Any]]) -> FittedTable:
    """A row for each statistic: its quantiles in each group."""
    table = FittedTable("", *found)
    for name in next(iter(found.values())):
        cells = (found[group][name] for group in found)
        table.add_row(
            name, *(tuple(" ".join(f"{value:.{digits}f}" for value in cell) for digits in (3, 2)) for cell in cells)
        )
    return table
