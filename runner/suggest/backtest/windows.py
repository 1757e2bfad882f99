"""A series of use as the peaks of windows of six hours, which are those of the environment Season-v0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env.season.variants import DAYS_A_WEEK, WINDOWS_A_DAY
from env.usage.series import LEAST_WEEKS_S, WINDOW_S, Floats, Track, usual_step_s

WEEK = DAYS_A_WEEK * WINDOWS_A_DAY
"""Windows."""
LEAST = LEAST_WEEKS_S // WINDOW_S
"""Windows of the shortest series that is tested: a week that is known, and one that is tested."""
LEAST_MEASURED = 0.75
"""Share of the windows in which there must be a sample."""

_FIRST_MONDAY = 16  # the number of the window that begins on Monday, 5 January 1970
_WHOLE = 0.5  # share of the first and the last window that must lie within the series


@dataclass(frozen=True)
class Windows:
    """The peaks of one container, the largest of its pods.

    Attributes:
        first: The number of the first window, counted from 1970 in UTC.
        peaks: Of each window, cores or bytes; where there is no sample, that of a week before, else of the one before.
        is_measured: Whether there is a sample.
    """

    first: int
    peaks: Floats
    is_measured: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def since_monday(self) -> int:
        """Windows from the Monday before, UTC, to the first one."""
        return (self.first - _FIRST_MONDAY) % WEEK

    @property
    def typical(self) -> float:
        """The median of the measured peaks."""
        return float(np.median(self.peaks[self.is_measured]))

    @property
    def days(self) -> float:
        """Their length."""
        return len(self) / WINDOWS_A_DAY

    @property
    def why_not(self) -> str:
        """Why this is not enough to be tested; "" where it is."""
        if len(self) < LEAST:
            return f"{self.days:g} days of use; a backtest takes {LEAST // WINDOWS_A_DAY}"
        measured = float(self.is_measured.mean())
        if measured < LEAST_MEASURED:
            return f"{measured:.0%} of its windows measured; a backtest takes {LEAST_MEASURED:.0%}"
        if not self.typical > 0:
            return "it used nothing in half of its windows"
        return ""


def cut(tracks: Sequence[Track]) -> Windows:
    """The windows of a container's tracks of one resource; without a first or last one that is mostly outside."""
    seconds = np.concatenate([each.seconds for each in tracks]) if tracks else np.empty(0)
    if not len(seconds):
        return Windows(0, np.empty(0), np.empty(0, np.bool_))
    values = np.concatenate([each.values for each in tracks])
    window = (seconds // WINDOW_S).astype(np.int64)
    step_s = min(usual_step_s(tracks), WINDOW_S)
    start, end = float(seconds.min()) / WINDOW_S, (float(seconds.max()) + step_s) / WINDOW_S
    first = int(window.min()) + (start % 1 > 1 - _WHOLE)
    last = int(window.max()) - (end - int(window.max()) < _WHOLE)
    peaks = np.full(max(0, last - first + 1), -1.0)
    inside = (first <= window) & (window <= last)
    np.maximum.at(peaks, window[inside] - first, values[inside])
    is_measured = peaks >= 0
    return Windows(first, _filled(peaks, is_measured), is_measured)


def _filled(peaks: Floats, is_measured: npt.NDArray[np.bool_]) -> Floats:
    found = peaks.tolist()
    for number in np.flatnonzero(~is_measured).tolist():
        found[number] = found[number - WEEK] if number >= WEEK else found[max(number - 1, 0)]
    return np.array(found, np.float64).clip(0)
