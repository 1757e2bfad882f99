"""Real series of use from a CSV file, as episodes: peaks of 140 windows, in steps.

    pod,seconds,memory_utilisation
    web-1,0,0.31
    web-1,60,0.33

The first line names the columns; each other line is one sample: whose, when, how much, in any unit. Lines may be in any
order; `.gz` is read as well. Nothing in the file is trusted.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from env.errors import ConfigError
from env.printable import one_line
from env.season.series import Series, measured
from env.season.variants import ALL_WINDOWS, WARM_UP, Variant
from env.untrusted import LONGEST_NAME

MOST_BYTES = 128 * 1024 * 1024
MOST_SAMPLES = 4_000_000
MOST_SERIES = 20_000
LEAST_SAMPLES = 5
"""A window's peak is that of at least so many samples; shorter series are skipped."""
LEAST_STEPS = 0.01
"""No peak is less."""
TYPICAL_STEPS = 8.0
"""What the median of the warm-up's peaks becomes: series come in any unit, and requests in steps."""

_LARGEST_NUMBER = 1e18

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RealSeries:
    """Series of a file as episodes.

    Attributes:
        names: Whose each one is.
        series: Peaks in steps; no growth with age and no deploys, as a file does not say.
        skipped: How many series were too short, or had no use in the warm-up.
    """

    names: tuple[str, ...]
    series: Series
    skipped: int


def read_series(path: Path, variant: Variant) -> RealSeries:
    """The series of a file, each cut into 140 windows of equally many samples, whatever time they took.

    Peaks are scaled so that their median in the warm-up is TYPICAL_STEPS, and clipped to the variant's `most_peak`.

    Raises:
        ConfigError: The file cannot be read, is not of that form, too large, or has no series that is long enough.
    """
    samples = read_samples(path)
    found = {
        name: peaks_of(values) for name, (_, values) in samples.items() if len(values) >= ALL_WINDOWS * LEAST_SAMPLES
    }
    scaled = {name: scaled_peaks(peaks) for name, peaks in found.items() if np.median(peaks[:WARM_UP]) > 0}
    if not scaled:
        raise ConfigError(
            f"series file {path}: none of its {len(samples)} series has the {ALL_WINDOWS * LEAST_SAMPLES} samples that "
            f"{ALL_WINDOWS} windows of {LEAST_SAMPLES} take, and use in them"
        )
    peaks = np.clip([*scaled.values()], LEAST_STEPS, variant.most_peak)
    return RealSeries(tuple(scaled), measured(peaks), len(samples) - len(scaled))


def peaks_of(values: Floats) -> Floats:
    """The peaks of 140 windows of equally many samples, or one more."""
    edges = np.arange(ALL_WINDOWS) * len(values) // ALL_WINDOWS
    return np.maximum.reduceat(values, edges)


def scaled_peaks(peaks: Floats) -> Floats:
    """Peaks of any unit in steps."""
    return peaks * (TYPICAL_STEPS / np.median(peaks[:WARM_UP]))


def read_samples(path: Path) -> dict[str, tuple[Floats, Floats]]:
    """Times in seconds, ascending, and values of each series, in the file's order of names.

    Raises:
        ConfigError: The file cannot be read, is not of that form or too large; the message names the line.
    """
    found: dict[str, tuple[array[float], array[float]]] = {}
    for number, (where, name, at, value) in enumerate(_rows(path), 1):
        if number > MOST_SAMPLES:
            raise ConfigError(f"series file {path}: more than {MOST_SAMPLES:,} samples; leave some out")
        if name not in found:
            if len(found) == MOST_SERIES:
                raise ConfigError(f"{where}: more than {MOST_SERIES:,} series; leave some out")
            found[name] = (array("d"), array("d"))
        seconds, values = found[name]
        seconds.append(at)
        values.append(value)
    return {name: _in_order(np.array(seconds), np.array(values)) for name, (seconds, values) in found.items()}


def _in_order(seconds: Floats, values: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(seconds, kind="stable")
    return seconds[order], values[order]


def _rows(path: Path) -> Iterator[tuple[str, str, float, float]]:
    """Each sample: where it stands, whose it is, when, and how much."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        if len(header := next(reader, [])) != 3:
            raise ConfigError(f"series file {path}, line 1: {len(header)} columns; it must name three: pod,seconds,use")
        for row in reader:
            where = f"series file {path}, line {reader.line_num}"
            if not row:
                continue
            if len(row) != 3:
                raise ConfigError(f"{where}: {len(row)} cells; each line must have three, as the first")
            yield where, _name(row[0], where), _number(row[1], header[1], where), _number(row[2], header[2], where)
    except csv.Error as error:
        raise ConfigError(f"series file {path}, line {reader.line_num}: {one_line(str(error), 100)}") from error


def _text(path: Path) -> str:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or one_line(str(error), 100)
        raise ConfigError(f"series file {path}: cannot be read: {said}") from error
    if len(data) > MOST_BYTES:
        raise ConfigError(f"series file {path}: more than {MOST_BYTES // 1024**2} MiB of text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"series file {path}: is not text in UTF-8; it must be CSV") from error


def _name(cell: str, where: str) -> str:
    if not cell or len(cell) > LONGEST_NAME or not cell.isprintable():
        raise ConfigError(f"{where}: name {one_line(cell, 60)!r}: must be 1 to {LONGEST_NAME} printable characters")
    return cell


def _number(cell: str, column: str, where: str) -> float:
    try:
        number = float(cell) if len(cell) <= 64 else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= _LARGEST_NUMBER:  # also not a number
        raise ConfigError(
            f"{where}: {one_line(column, 40)} {one_line(cell, 40)!r}: must be a number from 0 to {_LARGEST_NUMBER:g}"
        )
    return number
