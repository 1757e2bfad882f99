"""What is printed, logged or put into JSON for a terminal: one printable line, whoever wrote it."""

from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.printable import LONGEST, LineFormatter, json_text, lines, one_line, without_user

HOSTILE = "\x1b]0;OWNED\x07\x1b[2J\x9b31m\x7f\u202egnp\u2066\u200f\u2028x\ttab\r\nsecond\ud800 line"


def harmless(text: str) -> bool:
    return not any(char in text for char in "\x1b\x07\x7f\x9b\u202e\u2066\u200f\u2028\r\ud800")


def test_a_text_becomes_one_printable_line_and_plain_text_stays_as_it_is() -> None:
    assert harmless(one_line(HOSTILE))
    assert one_line(HOSTILE).isprintable()
    assert one_line("±1.5 → naïve 日本 100 %") == "±1.5 → naïve 日本 100 %"
    assert one_line("a\nb\r\nc\td") == "a b c d"


@given(st.text())
def test_every_text_becomes_one_short_line_that_stays_as_it_is_then(text: str) -> None:
    found = one_line(text)
    assert len(found.splitlines()) <= 1
    assert len(found) <= LONGEST
    assert one_line(found) == found


def test_a_long_text_is_cut() -> None:
    assert len(one_line("x" * 10**6)) == LONGEST
    assert one_line("x" * 10**6).endswith("…")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no answer from http://me:secret@host:9000/b", "no answer from http://host:9000/b"),
        ("https://me@host", "https://host"),
        ("'HTTPS://me:se@cr/et@[::1'", "'HTTPS://[::1'"),
        ("http://me:secret@[bad:port", "http://[bad:port"),
        ("s3://bucket/key@2 and me@example.com", "s3://bucket/key@2 and me@example.com"),
    ],
)
def test_urls_are_shown_without_user_information_also_those_that_are_none(text: str, shown: str) -> None:
    assert one_line(text) == without_user(text) == shown
    assert json.loads(json_text([text])) == [shown]


def test_a_log_keeps_its_lines_and_tabs() -> None:
    assert lines("a\tb\n\x1b[2Jc\n") == "a\tb\n?[2Jc\n"


@given(st.recursive(st.text() | st.none() | st.integers(), st.lists, max_leaves=5))
def test_json_for_a_terminal_says_the_same_in_printable_characters(value: object) -> None:
    text = json_text(value)
    assert all(line.isprintable() or harmless(line) for line in text.split("\n"))
    if "@" not in text:
        assert json.loads(text) == value


def test_json_escapes_what_a_terminal_would_obey() -> None:
    assert harmless(json_text({"a\x9b": HOSTILE}))
    assert json.loads(json_text({"a\x9b": HOSTILE})) == {"a\x9b": HOSTILE}


def test_what_follows_the_first_line_of_a_log_record_cannot_be_taken_for_another_record() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "bad %s", ("\x1b[2J\n12:00:00 done",), None)
    assert LineFormatter("%(message)s").format(record) == "bad ?[2J 12:00:00 done"
    try:
        raise ValueError("\x1b[2J\n12:00:00 done")
    except ValueError as error:
        record.exc_info = (ValueError, error, None)
    assert LineFormatter("%(message)s").format(record).endswith("\n  | ValueError: ?[2J 12:00:00 done")
