"""What a report's page holds, as plain data: sections of charts, tables, facts and commands.

All text may come from outside: `runner.report.html.render` makes it printable and escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

Cell: TypeAlias = str | int | float | bool | None
"""A table's value; None and NaN are shown as a dash and sort last."""

Kind: TypeAlias = Literal["text", "number", "share", "seconds", "bytes", "dollars", "code"]
"""How a column's values are shown: `share` is 0 to 1 (shown in percent), `code` is in a fixed-width font."""


@dataclass(frozen=True)
class Line:
    """One series of a chart.

    Attributes:
        name: In the legend.
        x: Ascending.
        y: As many; NaN where nothing is known.
        low: Lower ends of an interval around `y`; None: no interval.
        high: Upper ends.
        style: `dashed` for what is compared with, such as a baseline; `points` for single measurements; `thin` for one
            of many that another line sums up.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    style: Literal["line", "dashed", "points", "thin"] = "line"


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Attributes:
        title: What is shown.
        x_label: Of the axis, with its unit.
        y_label: Of the axis, with its unit.
        lines: The first ones are drawn first.
        summary: One sentence for a reader who does not see the chart.
        log_x: Whether the x axis is logarithmic at first; all `x` are positive then.
        whole_x: Whether x counts something, so that ticks are whole numbers.
        from_zero: Whether the y axis begins at zero, as for shares, counts and times.
        note: Under the chart.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    summary: str
    log_x: bool = False
    whole_x: bool = False
    from_zero: bool = False
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Bars side by side, in groups.

    Attributes:
        title: What is shown.
        y_label: Of the axis, with its unit.
        groups: Names along the x axis.
        series: For each name in the legend its values by group; NaN where nothing is known.
        summary: One sentence for a reader who does not see them.
        intervals: For some of the names the lower and upper ends of intervals, by group.
        note: Under the bars.
    """

    title: str
    y_label: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]
    summary: str
    intervals: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column: its heading, how values are shown, and what it means (a tooltip of the heading)."""

    name: str
    kind: Kind = "text"
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows that a click on a heading sorts; long ones fold."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def without_empty(self) -> Table:
        """Without columns in which no row has anything."""
        filled = [at for at in range(len(self.columns)) if any(row[at] not in (None, "") for row in self.rows)]
        rows = [[row[at] for at in filled] for row in self.rows]
        return replace(self, columns=[self.columns[at] for at in filled], rows=rows)


@dataclass(frozen=True)
class Facts:
    """Names and values; without a title where the section's heading says it."""

    title: str
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Commands:
    """Lines to type into a shell."""

    title: str
    lines: Sequence[str]


Part: TypeAlias = Chart | Bars | Table | Facts | Commands


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: Of the heading, for links: lower-case letters, digits and dashes, once in a page.
        title: The heading.
        parts: From top to bottom.
    """

    id: str
    title: str
    parts: Sequence[Part] = field(default_factory=tuple)


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: What it is of.
        verdict: What came of it, in one sentence.
        sections: From top to bottom.
        made: What made the page and when.
    """

    title: str
    verdict: str
    sections: Sequence[Section]
    made: str
