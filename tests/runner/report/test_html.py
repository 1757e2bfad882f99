"""A page as one HTML file: what is in it, and what text from outside cannot do."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from runner.report.html import render
from runner.report.page import Chart, Column, Commands, Facts, Line, Page, Section, Table

HOSTILE = "</script><img src=x onerror=alert(1)>\u202eevil\x1b[31m\x00'\"&"
MADE = "Made by a test."


class Elements(HTMLParser):
    """The names of a document's elements, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.shown = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.shown += data


def page(*parts: Chart | Table | Facts | Commands) -> Page:
    return Page("a run", "It went well.", [Section("all", "All", parts)], MADE)


def test_text_from_outside_is_shown_and_makes_no_element() -> None:
    name = HOSTILE
    hostile = Page(
        name,
        name,
        [
            Section(
                "all",
                name,
                [
                    Chart(name, name, name, [Line(name, [1, 2], [3, 4])], name, note=name),
                    Table(name, [Column(name, "code", name)], [[name]], name),
                    Facts(name, [(name, name)]),
                    Commands(name, [name]),
                ],
            )
        ],
        name,
    )
    elements = Elements(render(hostile))
    assert "img" not in elements.names
    assert elements.names.count("script") == 3  # the charts' data, the library, the page's own
    assert "\u202e" not in elements.shown
    assert "\x1b" not in elements.shown
    assert elements.shown.count("<img src=x onerror=alert(1)>?evil") > 8


def test_only_scripts_of_the_page_may_run_and_nothing_may_be_loaded() -> None:
    document = render(page(Chart("c", "x", "y", [Line("a", [1], [2])], "One point.")))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', document)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert [source[:8] for source in rules["script-src"].split()] == ["'sha256-", "'sha256-"]
    assert rules["img-src"] == "data:"


def test_what_is_no_number_is_null_in_a_charts_data() -> None:
    nan = float("nan")
    document = render(page(Chart("c", "x", "y", [Line("a", [1, 2, 3], [nan, 1 / 3, float("inf")])], "Gaps.")))
    data = re.search(r'id="charts">(.*)</script>', document)
    assert data is not None
    assert json.loads(data[1])[0]["lines"][0]["y"] == [None, 0.333333, None]


def test_a_page_without_charts_carries_no_library() -> None:
    assert len(render(page(Facts("f", [("a", "b")])))) < 40_000


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2.2."""
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_lines_can_be_told_from_what_is_behind_them(theme: str) -> None:
    style = render(page(Facts("f", [("a", "b")])))
    light, dark = (
        dict(re.findall(r"--(\w+): #([0-9a-f]+)", block)) for block in re.findall(r":root[^{]*\{(.*?)\}", style, re.S)
    )
    colours = light if theme == "light" else dark
    assert len(colours) == 19
    for behind in ("page", "card", "head"):
        for name in ("text", "soft", "accent"):
            assert contrast(colours[name], colours[behind]) >= 4.5, (name, behind)
    for name in ("edge", *(f"s{number}" for number in range(10))):
        assert contrast(colours[name], colours["card"]) >= 3, name


@pytest.mark.parametrize("ids", [["a", "a"], ["A"], ['x"']])
def test_a_sections_id_must_be_one(ids: list[str]) -> None:
    with pytest.raises(ValueError, match="ids"):
        render(Page("t", "v", [Section(each, each) for each in ids], MADE))
