"""Reports in a real browser: one session, as its start is what takes long. Skipped where there is no Chromium."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.report.page import page_of
from runner.report.html import render
from runner.report.page import Bars, Chart, Column, Commands, Facts, Line, Page, Section, Table

from ...protocol.report.test_page import record
from . import pdf
from .chromium import PROGRAM, Chromium

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")

HOSTILE = "</script><img src=x onerror=document.title='owned'><b>bold</b>\u202e\x1b[31m"
SIX_MB = 6_000_000


def small_page() -> Page:
    curve = Chart(
        "Return",
        "training episode",
        "sum of rewards",
        [
            Line(HOSTILE, [1, 10, 100, 1_000], [-30, -10, 5, 8], [-31, -12, 4, 7], [-29, -8, 6, 9]),
            Line("random", [1, 1_000], [-25, -25], style="dashed"),
        ],
        "The return rises from -30 to 8.",
        log_x=True,
        whole_x=True,
    )
    solved = Bars("Solved", "%", ["cpu", HOSTILE], {"dqn": [99, 98], "random": [3, float("nan")]}, "dqn solves most.")
    members = Table(
        "Members",
        [Column("member"), Column("reward", "number"), Column("machine", "code")],
        [*((f"member-{number}", number * 37 % 101, f"i-{number:x}") for number in range(60)), (HOSTILE, None, HOSTILE)],
    )
    return Page(
        HOSTILE,
        HOSTILE,
        [
            Section("learning", "Learning", [Facts("Result", [("solved", "98 %")]), curve, solved]),
            Section("members", "Members", [members]),
            Section("again", "Make it again", [Commands("Commands", ["sim-arena train --seed 0", HOSTILE])]),
        ],
        "Made by a test.",
    )


def large_page() -> Page:
    """1,000 members and 1,000 rounds."""
    rounds = range(1, 1_001)
    rewards = Line("members", list(rounds), [number % 97 / 3 for number in rounds])
    columns = [Column(name, "number") for name in ("round", "in", "late", "reward", "steps", "bytes", "requests")]
    of_members = [Column("member"), Column("machine", "code"), *columns[1:], Column("last word")]
    members = [(f"member-{n:04}", f"i-{n:017x}", n, n % 7, n / 3, n * 2, n * 1_000, n, "is at work") for n in rounds]
    sections = [
        Section("rounds", "Rounds", [Chart("Reward", "round", "reward", [rewards], "It goes up and down.")]),
        Section("all", "All", [Table("Rounds", columns, [(n, n, n % 3, n / 7, n * 3, n * 999, n) for n in rounds])]),
        Section("members", "Members", [Table("Members", of_members, members)]),
    ]
    return Page("A large federation", "It is large.", sections, "Made by a test.")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium")) as chromium:
        chromium.size(1280, 1200)
        yield chromium


@pytest.fixture(scope="module")
def opened(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Chromium:
    """The browser with the small page in it."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(render(small_page()))
    browser.open(file)
    browser.wait("document.querySelectorAll('.plot .main-svg').length > 1")
    return browser


@pytest.fixture(scope="module")
def federation(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a federation, opened; its charts are of members, rounds and seconds."""
    page = page_of(record(3, 24, [[number, number + 1, -1] for number in range(24)]), "s3://bucket", made="By a test.")
    file = tmp_path_factory.mktemp("federation") / "report.html"
    file.write_text(render(page))
    browser.size(1280, 3000)
    browser.dark(True)
    browser.open(file)
    browser.wait("[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))")
    return page


def first_cells(opened: Chromium, column: int) -> list[str]:
    return list(
        opened.js(f"[...document.querySelector('table').tBodies[0].rows].map(r => r.cells[{column}].textContent)")
    )


def test_a_report_draws_its_charts_without_an_error_and_asks_for_nothing(opened: Chromium) -> None:
    assert opened.js("document.querySelectorAll('.plot .scatterlayer .trace').length") >= 2
    assert opened.js("document.querySelectorAll('.plot .bars').length") == 2
    assert opened.errors() == []
    assert [url[:5] for url in opened.requests()] == ["file:"]


def test_hostile_text_is_shown_and_does_nothing(opened: Chromium) -> None:
    assert opened.js("document.querySelectorAll('img, .plot b, h1 b').length") == 0
    assert opened.js("document.title").startswith("</script><img src=x")
    assert "<b>bold</b>" in opened.js("document.querySelector('.plot .legendtext').textContent")


def test_the_policy_stops_scripts_and_requests_that_are_not_the_pages_own(opened: Chromium) -> None:
    tried = "new Promise(done => fetch('https://example.com/').then(() => done('sent'), () => done('refused')))"
    assert opened.js(tried) == "refused"
    opened.js(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.owned = 1'}))"
    )
    assert opened.js("window.owned") is None
    opened.events.clear()


def test_a_table_sorts_by_a_click_and_by_a_key_with_what_is_unknown_below(opened: Chromium) -> None:
    opened.mouse(*opened.middle("th:nth-child(2) button"), click=True)
    numbers = first_cells(opened, 1)
    assert numbers[:-1] == sorted(numbers[:-1], key=int)
    opened.key("Enter")  # the heading has the focus
    assert first_cells(opened, 1) == [*reversed(numbers[:-1]), "–"]
    assert opened.js("document.querySelectorAll('th')[1].getAttribute('aria-sort')") == "descending"


def test_a_long_table_folds_and_filters(opened: Chromium) -> None:
    seen = "[...document.querySelector('table').tBodies[0].rows].filter(r => r.offsetParent).length"
    assert opened.js(seen) == 20
    opened.js("[...document.querySelectorAll('.tools button')][0].click()")
    assert opened.js(seen) == 61
    opened.js("document.querySelector('.tools input').value = 'member-5'")
    opened.js("document.querySelector('.tools input').dispatchEvent(new Event('input'))")
    assert opened.js(seen) == 11


def test_a_chart_has_tooltips_for_the_mouse_and_the_keyboard_and_a_table(opened: Chromium) -> None:
    opened.mouse(*opened.middle(".plot .nsewdrag"))
    opened.wait("document.querySelector('.plot .hoverlayer').textContent.includes('random')")
    opened.mouse(2, 2)
    opened.js("document.querySelector('.plot').focus()")
    for _ in range(3):
        opened.key("ArrowRight")
    assert opened.js("document.querySelector('.said').textContent").startswith("training episode 100: </script>")
    opened.wait("document.querySelector('.plot .hoverlayer').textContent.includes('100')")
    assert opened.js("document.querySelector('.plot').getAttribute('aria-label')") == "The return rises from -30 to 8."
    opened.js("document.querySelector('details.data').open = true")
    opened.wait("document.querySelector('details.data td')")
    assert opened.js("document.querySelector('details.data tbody').rows.length") == 4


def test_colours_follow_the_readers_wish(opened: Chromium) -> None:
    look = "[getComputedStyle(document.body).backgroundColor, document.querySelector('.plot').data.at(-1).line.color]"
    opened.dark(False)
    light = opened.js(look)
    opened.dark(True)
    opened.wait(f"{look}[1] !== {light[1]!r}")
    assert opened.js(look)[0] != light[0]
    opened.dark(False)


def test_a_phone_needs_no_scrolling_to_the_side(opened: Chromium) -> None:
    opened.size(390, 844, phone=True)
    opened.wait("document.querySelector('.plot .main-svg').getBoundingClientRect().width < 390")
    assert opened.js("document.documentElement.scrollWidth") == 390
    opened.size(1280, 1200)
    assert opened.errors() == []


def test_a_thousand_members_and_rounds_stay_small_and_usable(browser: Chromium, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(render(large_page()))
    assert file.stat().st_size < SIX_MB
    browser.open(file)
    browser.wait("document.querySelector('.plot .main-svg')")
    browser.js("document.querySelectorAll('table')[1].querySelector('th button').click()")
    assert browser.js("document.querySelectorAll('table')[1].tBodies[0].rows.length") == 1_000
    assert browser.errors() == []


LINES = "document.querySelector('.plot').data.filter(line => line.name).map(line => [line.name, line.line.width])"


def test_a_federations_page_shows_the_mean_before_its_members(browser: Chromium, federation: Page) -> None:
    assert browser.errors() == []
    assert browser.js("document.querySelectorAll('.plot').length") == 4
    (mean, width), *members = browser.js(LINES)
    assert mean == "mean of members"
    assert [name for name, _ in members] == ["member 0", "member 1", "member 2"]
    assert all(thin < width for _, thin in members)
    assert browser.js("[...document.querySelectorAll('h3')].filter(title => !title.textContent).length") == 0
    for plot in range(1, 4):  # shares, seconds and members
        assert browser.js(f"document.querySelectorAll('.plot')[{plot}].layout.yaxis.range[0]") == 0
    browser.size(390, 844, phone=True)
    browser.wait("document.querySelector('.plot .main-svg').getBoundingClientRect().width < 390")
    assert browser.js("document.documentElement.scrollWidth") == 390
    browser.size(1280, 3000)


def test_tab_goes_through_a_page_from_top_to_bottom(browser: Chromium, federation: Page) -> None:
    browser.js("document.activeElement.blur(); scrollTo(0, 0)")
    seen = []
    for _ in range(12):
        browser.key("Tab")
        seen.append(browser.js("document.activeElement.getBoundingClientRect().top + scrollY"))
        assert browser.js("document.activeElement.matches(':focus-visible')")
    assert seen[:7] == [seen[0]] * 7  # the links to the seven sections
    rows = [top for top in seen[7:] if top > seen[0]]
    assert len(rows) == 5


def test_a_print_is_light_whole_and_as_wide_as_the_paper(browser: Chromium, federation: Page) -> None:
    paper = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": True}
    printed = pdf.read(b64decode(browser.call("Page.printToPDF", **paper)["data"]))
    headings = [column.name for section in federation.sections for part in section.parts
                if isinstance(part, Table) for column in part.columns]  # fmt: skip
    charts = [part.title for section in federation.sections for part in section.parts if isinstance(part, Chart)]
    for text in (federation.verdict, *headings, *charts, "20 of 24 rows", "dispatch submit", "By a test."):
        assert "".join(text.split()) in printed.text
    assert printed.scales == [1.0] * len(printed.scales)
    light, dark = ".0824 .1255 .1804", ".902 .9216 .949"  # of text, see page.css
    assert light in printed.colours
    assert dark not in printed.colours
    assert browser.js("getComputedStyle(document.querySelector('.plot .legendtext')).fill") == "rgb(230, 235, 242)"
    drawn = "document.querySelector('.plot .main-svg').getBoundingClientRect().width"
    browser.wait(f"Math.abs({drawn} - document.querySelector('.plot').clientWidth) < 2")
    browser.dark(False)
