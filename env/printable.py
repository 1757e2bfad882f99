"""Text that came from outside, fit for a terminal, a log line or a JSON document that is printed.

Names in traces, messages of servers and what other processes left in a bucket may hold escape sequences, newlines or
characters that turn the direction of text. All output passes here at its door: `runner.commands.console` and the
formatters of logs.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from traceback import TracebackException
from typing import Any

LONGEST = 4_000  # characters of one line; more is no message
_ODD = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})  # controls, bidi and zero-width, lone surrogates, separators
_USER = re.compile(r"(https?://)\S*@", re.IGNORECASE)


def printable(text: str) -> str:
    """The same text with `?` for each character that a terminal could obey; newlines and tabs are among them."""
    if text.isprintable():
        return text
    return "".join("?" if unicodedata.category(char) in _ODD else char for char in text)


def without_user(text: str) -> str:
    """The same text without user names and passwords in URLs, also in those that are none."""
    return _USER.sub(r"\1", text) if "@" in text else text


def one_line(text: str, longest: int = LONGEST) -> str:
    """A text as one printable line: newlines and tabs become spaces; what is too long is cut."""
    text = " ".join(text[: 2 * longest].splitlines()).replace("\t", " ") if not text.isprintable() else text
    text = printable(without_user(text))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def lines(text: str) -> str:
    """A text of many lines, such as a log, of which each is printable; tabs stay."""
    return "\n".join("\t".join(map(printable, without_user(line).split("\t"))) for line in text.split("\n"))


def json_text(value: Any, indent: int | None = 2) -> str:
    """A JSON document that a terminal can show: what it could obey is escaped, so nothing is lost."""
    text = without_user(json.dumps(value, indent=indent, ensure_ascii=False))
    return "\n".join(map(_escaped, text.split("\n")))


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(json.dumps(char)[1:-1] if unicodedata.category(char) in _ODD else char for char in line)


def traceback_lines(error: BaseException) -> list[str]:
    """A traceback in printable lines; what the errors in it say is one line each."""
    found: list[str] = []
    for part in TracebackException.from_exception(error).format():
        found += map(one_line, part.splitlines() if part.startswith("  File ") else [part.rstrip()])
    return found


class LineFormatter(logging.Formatter):
    """As logging's own; a message is one printable line, and a traceback follows it in indented ones."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return "\n".join(f"  | {line}" for line in traceback_lines(ei[1])) if ei[1] else ""
