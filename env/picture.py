"""The picture of render_mode="rgb_array": text; and nodes as columns with their pods, or amounts over time as bars.

Pillow draws it in a few milliseconds. It is always of the same size, as videos need, and shows the first nodes and
pods of clusters that are too large for it, with the number of those that are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from env.printable import one_line
from env.words import count

WIDTH, HEIGHT = 640, 400
SHAPE = (HEIGHT, WIDTH, 3)
MOST_COLUMNS = 24

Colour = tuple[int, int, int]
READY: Colour = (46, 160, 67)
FAILING: Colour = (207, 34, 46)
STARTING: Colour = (212, 167, 44)
OTHER: Colour = (140, 149, 159)
"""A pod of another workload."""
WAITING: Colour = (251, 143, 68)
_PAPER, _INK, _EMPTY, _LINE = (255, 255, 255), (31, 35, 40), (234, 238, 242), (110, 119, 129)

_MARGIN, _LINE_HEIGHT, _MOST_LINES, _LETTERS = 12, 17, 4, 96
_TOP, _FLOOR, _SQUARE = 92, 318, 12
_WIDEST = 110


@dataclass(frozen=True)
class Bar:
    """One resource of a node, or its places for pods.

    Attributes:
        size: How much there is of it, against the largest node: (0, 1].
        parts: What pods take of it from below, as fractions of this bar, with their colours.
    """

    size: float
    parts: tuple[tuple[float, Colour], ...]


@dataclass(frozen=True)
class Column:
    """A node.

    Attributes:
        label: What stands below it.
        bars: Side by side.
        border: The colour around them.
    """

    label: str
    bars: tuple[Bar, ...]
    border: Colour = _LINE


def picture(text: str, columns: Sequence[Column], waiting: Sequence[Colour], legend: str) -> NDArray[np.uint8]:
    """Draw a cluster.

    Args:
        text: Where the episode stands; wrapped, and cut after four lines.
        columns: The nodes.
        waiting: The colour of each pod that no node has.
        legend: What bars and colours mean, one line.

    Returns:
        uint8 of SHAPE.
    """
    shown = columns[:MOST_COLUMNS]
    left = len(columns) - len(shown)
    image, draw = _sheet(text, f"{legend}; {count(left, 'more node')}" if left else legend)
    width = min(_WIDEST, (WIDTH - 2 * _MARGIN) / max(1, len(shown)))
    for number, column in enumerate(shown):
        _draw_column(draw, column, _MARGIN + number * width, width)
    _draw_waiting(draw, waiting)
    return np.array(image)


def chart(
    text: str, bars: Sequence[tuple[float, Colour]], line: Sequence[float], scale: str, legend: str
) -> NDArray[np.uint8]:
    """Draw bars over time, and a line of steps before them.

    Args:
        text: Where the episode stands; wrapped, and cut after four lines.
        bars: Height and colour of each; the largest height of all, the line's included, fills the picture.
        line: A height for each bar, from the first; it ends where the bars do.
        scale: What the largest height is, in words.
        legend: What bars and line mean, one line.

    Returns:
        uint8 of SHAPE.
    """
    image, draw = _sheet(text, legend)
    width = (WIDTH - 2 * _MARGIN) / max(1, len(bars))
    per = (_FLOOR - _TOP) / max([1e-9, *(height for height, _ in bars), *line])
    draw.line((_MARGIN, _FLOOR, WIDTH - _MARGIN, _FLOOR), _LINE)
    draw.text((_MARGIN, _TOP - 16), one_line(scale), _LINE, _font(11))
    for number, (height, colour) in enumerate(bars):
        left, top = _MARGIN + number * width, _FLOOR - height * per
        if _FLOOR - top >= 1:
            draw.rectangle((left, top, max(left, left + width - 1.5), _FLOOR - 1), colour)
    points = [(_MARGIN + (number + side) * width, _FLOOR - y * per) for number, y in enumerate(line) for side in (0, 1)]
    if points:
        draw.line(points, _INK, 2)
    return np.array(image)


def _sheet(text: str, legend: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A picture with its text and its legend, and nothing between them."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(wrap(one_line(text), _LETTERS)[:_MOST_LINES]):
        draw.text((_MARGIN, 8 + number * _LINE_HEIGHT), line, _INK, _font(12))
    draw.text((_MARGIN, HEIGHT - 22), legend, _LINE, _font(11))
    return image, draw


def _draw_column(draw: ImageDraw.ImageDraw, column: Column, x: float, width: float) -> None:
    gap = max(1.0, width / 12)
    each = (width - 2 * gap) / len(column.bars)
    for number, bar in enumerate(column.bars):
        left, right = x + gap + number * each, x + gap + (number + 1) * each - 1
        height = bar.size * (_FLOOR - _TOP)
        draw.rectangle((left, _FLOOR - height, right, _FLOOR), _EMPTY, column.border)
        bottom = float(_FLOOR)
        for share, colour in bar.parts:
            top = max(_FLOOR - height, bottom - share * height)
            if bottom - top >= 1:
                draw.rectangle((left, top, right, bottom), colour, _PAPER if bottom - top > 3 else None)
            bottom = top
    if width >= 40:
        longest = int(width / 6.5)
        draw.text((x + gap, _FLOOR + 3), one_line(column.label, longest), _INK, _font(11))


def _draw_waiting(draw: ImageDraw.ImageDraw, waiting: Sequence[Colour]) -> None:
    y, x = 346, 120
    draw.text((_MARGIN, y - 2), f"no node: {count(len(waiting), 'pod')}", _INK, _font(11))
    fit = (WIDTH - _MARGIN - x) // (_SQUARE + 2)
    for number, colour in enumerate(waiting[:fit]):
        left = x + number * (_SQUARE + 2)
        draw.rectangle((left, y, left + _SQUARE, y + _SQUARE), colour)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
