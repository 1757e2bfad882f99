"""Recorded pods split among members: half of a file's are trained on, each member has a part; none has the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.saved.files import write_atomic
from env.errors import ConfigError
from env.season.real import Floats, RealSeries, read_samples, read_series
from env.season.series import Series
from env.season.variants import Variant
from infra.bench.season.trainings import Member
from runner.bench.season_fit import is_even


@dataclass(frozen=True)
class Split:
    """Series as they are split.

    Attributes:
        members: The names of those that each member trains on.
        parts: Their series.
        unseen: Those that no member has.
        samples: All that the file holds, by name: times and values.
    """

    members: Sequence[Sequence[str]]
    parts: Sequence[Series]
    unseen: Series
    samples: Mapping[str, tuple[Floats, Floats]]

    def write(self, folder: Path) -> list[Member]:
        """A file for each member."""
        return [self._write(folder / f"member-{number}.csv", own) for number, own in enumerate(self.members)]

    def _write(self, file: Path, own: Sequence[str]) -> Member:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("pod", "seconds", "use"))
        for name in own:
            times, values = self.samples[name]
            writer.writerows((name, repr(float(at)), repr(float(use))) for at, use in zip(times, values, strict=True))
        write_atomic(file, text.getvalue().encode())
        return Member(file.stem, series=file)


def split(path: Path, members: int, variant: Variant) -> Split:
    """A file's series, the half that is trained on shared out in turns.

    Raises:
        ConfigError: The file cannot be read, or has too few series.
    """
    real = read_series(path, variant)
    rows = {name: row for row, name in enumerate(real.names)}
    mine = [name for name in rows if is_even(name)]
    unseen = [rows[name] for name in rows if not is_even(name)]
    if len(mine) < members or not unseen:
        raise ConfigError(
            f"--series {path}: {len(mine)} series to train on and {len(unseen)} to test with; {members} members need "
            "one each at least, and one to test with"
        )
    shares = [mine[number::members] for number in range(members)]
    parts = [_chosen(real, [rows[name] for name in own]) for own in shares]
    return Split(shares, parts, _chosen(real, unseen), read_samples(path))


def _chosen(real: RealSeries, rows: list[int]) -> Series:
    given = real.series
    return Series(*(getattr(given, name)[np.array(rows)] for name in Series.__dataclass_fields__))
