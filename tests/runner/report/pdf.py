"""What stands in a PDF that Chromium has printed: nothing but the standard library is needed."""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import NamedTuple

_OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)endobj", re.S)
_STREAM = re.compile(rb"stream\r?\n(.*)\r?\nendstream", re.S)
_SHOWN = re.compile(
    rb"/(?P<font>F\d+) [\d.]+ Tf"
    rb"|/ActualText \((?P<said>[^)]*)\) >> BDC\s+<[0-9A-F]+> Tj"  # a ligature
    rb"|<(?P<glyphs>[0-9A-F]+)> Tj"
)
_ONE = re.compile(r"<([0-9A-F]{4})> <([0-9A-F]+)>\n")
_RANGE = re.compile(r"<([0-9A-F]{4})> <([0-9A-F]{4})> <([0-9A-F]+)>\n")


class Printed(NamedTuple):
    """Pages of a print.

    Attributes:
        text: Without any white space, since lines break anywhere, and without ligatures.
        scales: Of each page; below 1 where something was wider than the paper, so that all was made smaller.
        colours: Of what was drawn, as the PDF has them, such as `.0824 .1255 .1804`.
    """

    text: str
    scales: list[float]
    colours: set[str]


def read(pdf: bytes) -> Printed:
    """What is in a PDF."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    text, scales, colours = "", list[float](), set[str]()
    for body in objects.values():
        if not re.search(rb"/Type /Page\b", body):
            continue
        fonts = {name: _unicode(objects, int(number)) for name, number in re.findall(rb"/(F\d+) (\d+) 0 R", body)}
        drawn = _stream(objects[_number(rb"/Contents (\d+) 0 R", body)])
        text += _text(drawn, fonts)
        scales.append(float(re.findall(rb"([\d.]+) 0 0 [\d.]+ [-\d.]+ [-\d.]+ cm", drawn)[0]) * 96 / 300)
        colours |= {colour.decode() for colour in re.findall(rb"([\d.]+ [\d.]+ [\d.]+) rg", drawn)}
    return Printed("".join(unicodedata.normalize("NFKC", text).split()), scales, colours)


def _number(pattern: bytes, body: bytes) -> int:
    found = re.search(pattern, body)
    assert found is not None, pattern
    return int(found[1])


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    return zlib.decompress(found[1]) if b"/FlateDecode" in body[: found.start()] else found[1]


def _unicode(objects: dict[int, bytes], font: int) -> dict[str, str]:
    """Text by glyph, both as a PDF's hexadecimal digits have them."""
    table = _stream(objects[_number(rb"/ToUnicode (\d+) 0 R", objects[font])]).decode()
    found = {glyph: bytes.fromhex(text).decode("utf-16-be") for glyph, text in _ONE.findall(table)}
    for first, last, text in _RANGE.findall(table):
        for glyph in range(int(first, 16), int(last, 16) + 1):
            found[f"{glyph:04X}"] = chr(int(text, 16) + glyph - int(first, 16))
    return found


def _text(drawn: bytes, fonts: dict[bytes, dict[str, str]]) -> str:
    font, text = dict[str, str](), ""
    for shown in _SHOWN.finditer(drawn):
        if shown["font"]:
            font = fonts[shown["font"]]
        elif shown["said"]:
            text += shown["said"].decode()
        else:
            glyphs = shown["glyphs"].decode()
            text += "".join(font.get(glyphs[at : at + 4], "") for at in range(0, len(glyphs), 4))
    return text
