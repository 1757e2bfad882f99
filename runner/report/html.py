"""A page as one HTML file that needs nothing else: style, script, data and the chart library are in it.

Its Content-Security-Policy lets two scripts run, by their hashes, and nothing be loaded from anywhere, so text that
slipped through could still not act.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from env.printable import one_line
from runner.report.cells import cell_text, has_fraction, sort_key
from runner.report.library import ChartLibrary, chart_library, csp_hash
from runner.report.page import Bars, Cell, Chart, Column, Commands, Facts, Kind, Line, Page, Part, Section, Table

SHOWN_ROWS = 20
"""Rows of a table that are seen before a reader asks for all."""
LONG_TEXT = 66
"""Characters of a cell that are not broken into lines."""

_HERE = Path(__file__).parent
_LEFT: frozenset[Kind] = frozenset({"text", "code"})


def render(page: Page) -> str:
    """The page's HTML.

    Raises:
        ConfigError: The chart library is not installed.
        ValueError: A section's id is none, or there twice.
    """
    ids = [section.id for section in page.sections]
    if len(set(ids)) != len(ids) or not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", each) for each in ids):
        raise ValueError(f"sections' ids {ids}: must be lower-case letters, digits and dashes, each once")
    charts = [part for section in page.sections for part in section.parts if isinstance(part, Chart | Bars)]
    library = chart_library() if charts else None
    script = _file("page.js")
    numbers = iter(range(len(charts)))
    sections = "".join(_section(section, numbers) for section in page.sections)
    return "".join(
        (
            "<!doctype html>\n",
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(script, library)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n',
            f"<title>{text(page.title)}</title>\n<style>\n{_file('page.css')}</style>\n</head>\n<body>\n",
            f'<header><p class="kind">Sim-Arena report</p><h1>{text(page.title)}</h1>',
            f'<p class="verdict">{text(page.verdict)}</p></header>\n',
            _navigation(page.sections),
            "<noscript><p>Charts, sorting and folds need JavaScript. All tables are here without it.</p></noscript>\n",
            f"<main>\n{sections}</main>\n",
            _footer(page, library),
            _data("charts", [_bars_data(each) if isinstance(each, Bars) else _chart_data(each) for each in charts]),
            f'<script type="text/plain" id="library">{library.packed}</script>\n' if library else "",
            f"<script>{script}</script>\n</body>\n</html>\n",
        )
    )


def text(value: str) -> str:
    """Text from anywhere as printable, escaped HTML."""
    return html.escape(one_line(value))


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(script: str, library: ChartLibrary | None) -> str:
    scripts = [csp_hash(script.encode()), *([library.csp_hash] if library else [])]
    return (
        f"default-src 'none'; script-src {' '.join(scripts)}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _navigation(sections: Sequence[Section]) -> str:
    links = "".join(f'<a href="#{section.id}">{text(section.title)}</a>' for section in sections)
    return f'<nav aria-label="Sections">{links}</nav>\n'


def _section(section: Section, numbers: Iterator[int]) -> str:
    parts = "".join(
        _part(part, numbers, is_wide) for part, is_wide in zip(section.parts, _wide(section.parts), strict=True)
    )
    return (
        f'<section id="{section.id}" aria-labelledby="{section.id}-title">'
        f'<h2 id="{section.id}-title">{text(section.title)}</h2>\n<div class="parts">{parts}</div></section>\n'
    )


def _wide(parts: Sequence[Part]) -> list[bool]:
    """Which parts take the whole width: all but lines, and of an odd number of those in a row the last."""
    found, since = [True] * len(parts), 0
    for at, part in enumerate(parts):
        if not isinstance(part, Chart):
            since = at + 1
            continue
        found[at] = (at - since) % 2 == 0
        if not found[at]:
            found[at - 1] = False
    return found


def _part(part: Part, numbers: Iterator[int], is_wide: bool) -> str:
    match part:
        case Chart() | Bars():
            return _chart(part, next(numbers), is_wide)
        case Table():
            return _table(part)
        case Facts():
            return _facts(part)
        case Commands():
            return _commands(part)


def _heading(title: str) -> str:
    return f"<h3>{text(title)}</h3>" if title else ""


def _chart(chart: Chart | Bars, number: int, is_wide: bool) -> str:
    note = f'<p class="note">{text(chart.note)}</p>' if chart.note else ""
    return (
        f'<figure class="card{" wide" if is_wide else ""}"><figcaption>{_heading(chart.title)}</figcaption>'
        f'<div class="plot" data-chart="{number}" tabindex="0" role="img" aria-label="{text(chart.summary)}"></div>'
        f'<p class="said" aria-live="polite"></p>{note}'
        f'<details class="data" data-chart="{number}"><summary>Data as a table</summary></details></figure>\n'
    )


def _table(table: Table) -> str:
    columns = table.columns
    heads = "".join(_head(column) for column in columns)
    fractions = [any(has_fraction(row[at]) for row in table.rows) for at in range(len(columns))]
    rows = "".join(f"<tr>{''.join(map(_cell, row, columns, fractions))}</tr>\n" for row in table.rows)
    empty = "" if table.rows else '<p class="note">Nothing to show.</p>'
    note = f'<p class="note">{text(table.note)}</p>' if table.note else ""
    title = text(table.title)
    return (
        f'<div class="card wide">{_heading(table.title)}{note}<div class="scroll" tabindex="0" role="region" '
        f'aria-label="{title}"><table data-shown="{SHOWN_ROWS}"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>{empty}</div>\n"
    )


def _head(column: Column) -> str:
    title = f' title="{text(column.note)}"' if column.note else ""
    side = "" if column.kind in _LEFT else ' class="n"'
    return f'<th scope="col"{side}><button type="button"{title}>{text(column.name)}</button></th>'


def _cell(value: Cell, column: Column, fractions: bool) -> str:
    shown = text(cell_text(value, column.kind, fractions=fractions))
    if isinstance(value, str) or (column.kind in _LEFT and value is None):
        wraps = ' class="long"' if len(shown) > LONG_TEXT else ""
        return f"<td{wraps}><code>{shown}</code></td>" if column.kind == "code" else f"<td{wraps}>{shown}</td>"
    key = sort_key(value)
    sorts = "" if key is None else f' data-v="{key:.9g}"'
    return f'<td class="n"{sorts}>{shown}</td>'


def _facts(facts: Facts) -> str:
    pairs = "".join(f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in facts.pairs)
    return f'<div class="card wide">{_heading(facts.title)}<dl>{pairs}</dl></div>\n'


def _commands(commands: Commands) -> str:
    lines = "\n".join(map(text, commands.lines))
    return (
        f'<div class="card wide commands">{_heading(commands.title)}'
        f'<button type="button" class="copy" hidden>Copy</button><pre tabindex="0"><code>{lines}</code></pre></div>\n'
    )


def _footer(page: Page, library: ChartLibrary | None) -> str:
    charts = (
        f"<details><summary>Charts: plotly.js from the package plotly {text(library.version)}, MIT licence</summary>"
        f"<pre>{html.escape(library.licence)}</pre></details>"
        if library
        else ""
    )
    return f"<footer><p>{text(page.made)}</p>{charts}</footer>\n"


def _data(name: str, value: object) -> str:
    """JSON that no text in it can end: `<` is escaped."""
    packed = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{packed}</script>\n'


def _chart_data(chart: Chart) -> dict[str, object]:
    return {
        "title": one_line(chart.title),
        "x": one_line(chart.x_label),
        "y": one_line(chart.y_label),
        "log": chart.log_x,
        "whole": chart.whole_x,
        "zero": chart.from_zero,
        "lines": [_line_data(line) for line in chart.lines],
    }


def _bars_data(bars: Bars) -> dict[str, object]:
    """As a chart's, with the groups' names instead of numbers on the x axis."""
    groups = list(map(one_line, bars.groups))
    lines: list[dict[str, object]] = []
    for name, values in bars.series.items():
        line: dict[str, object] = {"name": one_line(name), "style": "bar", "x": groups, "y": _numbers(values)}
        if name in bars.intervals:
            low, high = bars.intervals[name]
            line |= {"low": _numbers(low), "high": _numbers(high)}
        lines.append(line)
    return {"title": one_line(bars.title), "x": "", "y": one_line(bars.y_label), "groups": groups, "lines": lines}


def _line_data(line: Line) -> dict[str, object]:
    found: dict[str, object] = {
        "name": one_line(line.name),
        "style": line.style,
        "x": _numbers(line.x),
        "y": _numbers(line.y),
    }
    if line.low is not None and line.high is not None:
        found |= {"low": _numbers(line.low), "high": _numbers(line.high)}
    return found


def _numbers(values: Iterable[float]) -> list[float | int | None]:
    """Six digits of each; null for what is no number."""
    return [_short(float(value)) if math.isfinite(value) else None for value in values]


def _short(value: float) -> float | int:
    rounded = float(f"{value:.6g}") if abs(value) < 1e6 else round(value)
    return int(rounded) if rounded == int(rounded) else rounded
