"""Estimates as bars with their intervals, and as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from runner.evaluation.intervals import Estimate
from runner.report.cells import number
from runner.report.page import Bars

NAN = math.nan
PERCENT = 100.0
"""What a share is multiplied by."""


def bars(
    title: str, unit: str, groups: Sequence[str], values: Mapping[str, Mapping[str, Estimate]], scale: float = 1.0
) -> Bars:
    """Bars of estimates.

    Args:
        title: What is shown.
        unit: Of the axis.
        groups: Names along the axis.
        values: For each name in the legend the estimates by group, where they are known; a name without any stays,
            so that it has the same colour in all charts.
        scale: What values are multiplied by.
    """
    found = {name: [known.get(group) for group in groups] for name, known in values.items()}
    series = {name: [each.value * scale if each else NAN for each in row] for name, row in found.items()}
    intervals = {
        name: (
            [NAN if each is None or each.low is None else each.low * scale for each in row],
            [NAN if each is None or each.high is None else each.high * scale for each in row],
        )
        for name, row in found.items()
    }
    return Bars(
        title, unit, groups, series, _summary(title, unit, series), intervals, "Thin lines: 95\u202f% intervals."
    )


def shown_estimate(found: Estimate, scale: float = 1.0, *, interval_alone: bool = False) -> str:
    """`97.3 (95.1 to 98.4)`, or the interval alone; "" for one that is not known."""
    text = _percent if scale == PERCENT else number
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f"{text(found.low * scale)} to {text(found.high * scale)}"
    if interval_alone:
        return interval
    value = text(found.value * scale)
    return f"{value} ({interval})" if interval else value


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _summary(title: str, unit: str, series: Mapping[str, Sequence[float]]) -> str:
    """From which to which value each one's bars go."""
    parts = []
    for name, values in list(series.items())[:8]:
        known = [value for value in values if not math.isnan(value)]
        if known:
            parts.append(f"{name} from {number(min(known))} to {number(max(known))}")
    return f"{title} ({unit}): {'; '.join(parts)}."
