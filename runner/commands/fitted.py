"""The table that all commands print: it fits the window, and names of rows stay whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from env.printable import one_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

Cell = str | Text | tuple[str, ...]
"""Markup, a text, or markup in several forms: the most precise first, the shortest last."""

_GAP = 2  # columns between two columns
_FOLD = 24  # a word as long as this may be split, outside of names
_Widths = list[int]


class FittedTable:
    """A table that loses precision before it gets wider than the window. Its first column names the rows.

    On a terminal it takes the first of these that fits: each form of the cells, with other text wrapped at spaces; the
    shortest form, with everything but names wrapped; one block of lines a row, where each cell has the most precise
    form that fits its line. Nothing is ever cut. A pipe has no width: it gets the most precise form and one line a row.
    """

    def __init__(self, *titles: Cell, right: Iterable[int] = (), header: bool = True) -> None:
        """
        Args:
            titles: of the columns.
            right: the columns whose cells are aligned to the right.
            header: whether titles are shown above the columns.
        """
        self._titles, self._right, self._header = titles, frozenset(right), header
        self._rows: list[tuple[Cell, ...]] = []

    def add_row(self, *cells: Cell) -> None:
        """Add a row; one cell alone is a heading of the rows below it, as wide as the table."""
        self._rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        terminal = console.is_terminal
        levels = max(
            (len(cell) for row in (self._titles, *self._rows) for cell in row if isinstance(cell, tuple)), default=1
        )
        for level in range(levels if terminal else 1):
            titles, rows = self._texts(level)
            if not terminal:
                rows = [[Text(" ").join(cell.split()) for cell in row] for row in rows]
            widths = self._widths(titles, rows, options.max_width if terminal else None)
            if widths:
                yield from self._tables(titles, rows, widths)
                return
        widths = self._widths(titles, rows, options.max_width, wrap_all=True)
        yield from (self._tables(titles, rows, widths) if widths else self._blocks(levels, console, options.max_width))

    def _texts(self, level: int) -> tuple[list[Text], list[list[Text]]]:
        titles, *rows = ([_text(cell, level) for cell in row] for row in (self._titles, *self._rows))
        return titles, rows

    @property
    def rows(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of all rows, headings among them."""
        return tuple(self._rows)

    def _widths(
        self, titles: Sequence[Text], rows: Sequence[Sequence[Text]], window: int | None, *, wrap_all: bool = False
    ) -> _Widths | None:
        """The width of each column; None where the window is too narrow."""
        figures = {at for row in self._rows for at, cell in enumerate(row) if isinstance(cell, tuple)}
        widest, least = [], []
        for at, title in enumerate(titles):
            cells = [row[at] for row in rows if len(row) == len(titles)]
            head = [title] if self._header else []
            longest = max((cell.cell_len if window is None else _width(cell) for cell in cells), default=0)
            word = max(map(_word, cells), default=0)
            if at == 0 or (at in figures and not wrap_all):
                needed = longest
            else:
                needed = min(word, _FOLD) if wrap_all else min(longest, max(word, _FOLD))
            widest.append(max([longest, *map(_width, head)]))
            least.append(max([needed, *map(_word, head)]))
        if window is None:
            return widest
        room = window - _GAP * (len(titles) - 1)
        if sum(least) > room or any(_width(row[0]) > window for row in rows if len(row) == 1):
            return None
        widths = [min(most, max(room, few)) for most, few in zip(widest, least, strict=True)]
        while sum(widths) > room:
            at = max((at for at in range(len(widths)) if widths[at] > least[at]), key=lambda at: widths[at])
            widths[at] -= 1
        return widths

    def _tables(
        self, titles: Sequence[Text], rows: Sequence[Sequence[Text]], widths: _Widths
    ) -> Iterator[Table | Text]:
        """The rows between two headings are a table; all have the same widths."""
        table = self._table(titles, widths, header=self._header)
        for row in rows:
            if len(row) > 1 or len(titles) == 1:
                table.add_row(*row)
                continue
            if table.show_header or table.row_count:
                yield table
            yield row[0]
            table = self._table(titles, widths, header=False)
        if table.show_header or table.row_count:
            yield table

    def _blocks(self, levels: int, console: Console, window: int) -> Iterator[Text]:
        """A row as a block of lines: its name, and below it each title with what is in the cell."""
        titles, _ = self._texts(0)
        for row in self._rows:
            name = _text(row[0], 0).copy()
            name.stylize("bold")
            indent = _GAP + len(name.plain) - len(name.plain.lstrip())
            yield from name.wrap(console, window, overflow="fold")
            for title, cell in zip(titles[1:], row[1:], strict=False):
                label = f"{' '.join(title.plain.split())}: " if title.plain else ""
                forms = [Text.assemble((label, "dim"), _text(cell, level)) for level in range(levels)]
                form = next((form for form in forms if form.cell_len <= window - indent), forms[-1])
                if len(form) > len(label):
                    for line in form.wrap(console, window - indent, overflow="fold"):
                        line.pad_left(indent)
                        yield line

    def _table(self, titles: Sequence[Text], widths: _Widths, *, header: bool) -> Table:
        total = sum(widths) + _GAP * (len(widths) - 1)
        table = Table(box=None, pad_edge=False, padding=(0, 1), show_header=header, width=total)
        for at, (title, width) in enumerate(zip(titles, widths, strict=True)):
            table.add_column(title, width=width, overflow="fold", justify="right" if at in self._right else "left")
        return table


def _text(cell: Cell, level: int) -> Text:
    if isinstance(cell, tuple):
        cell = cell[min(level, len(cell) - 1)]
    return Text.from_markup(one_line(cell), emoji=False) if isinstance(cell, str) else cell


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split()), default=0)


def _word(text: Text) -> int:
    return max((Text(word).cell_len for word in text.plain.split()), default=0)
