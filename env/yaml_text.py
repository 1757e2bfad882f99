"""YAML and JSON from anywhere to plain data, within bounds, read as kubectl reads it.

kubectl turns YAML into JSON (sigs.k8s.io/yaml, a YAML 1.1 reader): dates, times such as 12:30 and a lone `=` are text,
keys are text, a key that is there twice is an error. Anchors, aliases and merge keys (`<<`) count; as a few of them
can stand for any amount of data, what they stand for is bounded as if it were written out.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from env.errors import one_line
from env.yaml_scalars import LARGEST, check_tag, key_text, scalar

MAX_DEPTH = 100
MAX_NODES = 4_000_000
"""Maps, lists and scalars of a text, aliases written out."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SPACES = re.compile(r"\s*")


class UnreadableText(ValueError):
    """Neither YAML nor JSON, or too much of it; the message has the document's number, and the line if it is known.

    Attributes:
        line: From 1 on; None: not known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def read_documents(body: bytes) -> list[tuple[int, Any]]:
    """The documents of a text with their numbers from 1 on; empty ones are left out.

    Raises:
        UnreadableText: Not YAML, not JSON, or beyond the bounds.
    """
    text = _decoded(body)
    if text.lstrip()[:1] == "{":
        with suppress(json.JSONDecodeError):  # flow-style YAML begins so, too
            return list(enumerate(_json_documents(text), start=1))
    return list(_yaml_documents(text))


def _decoded(body: bytes) -> str:
    encoding = "utf-8"
    for mark, name in _BOMS:
        if body.startswith(mark):
            body, encoding = body[len(mark) :], name
            break
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise UnreadableText(f"line {line}: not text in UTF-8") from None
    return text.replace("\n\ufeff", "\n")  # files put together with `cat` have one each


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json_documents(text: str) -> Iterator[Any]:
    """JSON documents that follow one another."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse_constant)
    position, number = _after_spaces(text, 0), 1
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
            _check_bounds(value)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise UnreadableText(f"document {number}: nested more than {MAX_DEPTH} deep") from None
        except ValueError as error:
            raise UnreadableText(f"document {number}: {error}") from None
        yield value
        number += 1
        position = _after_spaces(text, position)


def _after_spaces(text: str, position: int) -> int:
    match = _SPACES.match(text, position)
    return position if match is None else match.end()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r:.80} is there twice")
        found[key] = value
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text}: not a number in JSON")


def _check_bounds(value: Any) -> None:
    """Depth and size, and integers that fit into 64 bits."""
    level, depth, size = [value], 0, 0
    while level:
        size += len(level)
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if size > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES:,} values")
        if any(isinstance(each, int) and abs(each) > LARGEST for each in level):
            raise ValueError("a whole number of more than 64 bits")
        maps = [child for each in level if isinstance(each, dict) for child in each.values()]
        level = maps + [child for each in level if isinstance(each, list) for child in each]
        depth += 1


# --- YAML -----------------------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """A map or list that is being read.

    Attributes:
        value: What has been read of it.
        size: Its values so far, aliases written out.
        anchor: Its name for aliases.
        key: The key whose value comes next; None: a key comes next.
        merged: Maps of `<<`, which fill in what it has not itself.
    """

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    key: str | None = None
    merged: list[Any] = field(default_factory=list)


class _Reader:
    """One YAML document from its events."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self.size = 0
        self.root: Any = None

    def take(self, event: Any) -> None:
        """The next event.

        Raises:
            ValueError: What JSON cannot hold, or beyond the bounds.
        """
        match type(event).__name__:
            case "ScalarEvent":
                self._add(scalar(event), 1, event.anchor, is_merge=event.value == "<<" and event.implicit[0])
            case "AliasEvent":
                if event.anchor not in self._anchors:
                    raise ValueError(f"alias *{event.anchor:.80}: no such anchor before it")
                self._add(*self._anchors[event.anchor], None)
            case "MappingStartEvent" | "SequenceStartEvent" as kind:
                is_map = kind == "MappingStartEvent"
                check_tag(event, ("map" if is_map else "seq",))
                self._open.append(_Open({} if is_map else [], event.anchor))
                if len(self._open) > MAX_DEPTH:
                    raise ValueError(f"nested more than {MAX_DEPTH} deep")
            case "MappingEndEvent" | "SequenceEndEvent":
                done = self._open.pop()
                if isinstance(done.value, dict):
                    done.value = _merged(done.value, done.merged)
                self._add(done.value, done.size, done.anchor)

    def _add(self, value: Any, size: int, anchor: str | None, *, is_merge: bool = False) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.root, self.size = value, size
            return
        parent = self._open[-1]
        parent.size += size
        if parent.size > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES:,} values, aliases written out")
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            parent.key = "<<" if is_merge else key_text(value)
            if parent.key in parent.value and not is_merge:
                raise ValueError(f"the key {parent.key!r:.80} is there twice")
        else:
            key, parent.key = parent.key, None
            if key == "<<":
                parent.merged += value if isinstance(value, list) else [value]
            else:
                parent.value[key] = value


def _merged(own: dict[str, Any], others: list[Any]) -> dict[str, Any]:
    """A map with what it has not itself from others, the earlier ones first."""
    for other in others:
        if not isinstance(other, dict):
            raise ValueError("<<: must be a map, or a list of maps")
        own |= {key: value for key, value in other.items() if key not in own}
    return own


def _yaml_documents(text: str) -> Iterator[tuple[int, Any]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times as fast, where libyaml is there
    number, reader, line, size = 0, _Reader(), 0, 0
    try:
        for event in yaml.parse(text, loader):
            line = event.start_mark.line + 1
            match type(event).__name__:
                case "DocumentStartEvent":
                    number, reader = number + 1, _Reader()
                case "DocumentEndEvent":
                    size += reader.size
                    if size > MAX_NODES:
                        raise ValueError(f"more than {MAX_NODES:,} values, aliases written out")
                    if reader.root is not None:
                        yield number, reader.root
                case _:
                    reader.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = mark.line + 1 if mark is not None else line
        place = f", line {line}" if line else ""
        problem = "a tab; YAML is indented with spaces" if _is_at_tab(text, mark) else _problem(error)
        raise UnreadableText(f"document {max(1, number)}{place}: {problem}", line or None) from None
    except ValueError as error:
        place = f"document {max(1, number)}, line {line}"
        raise UnreadableText(f"{place}: {one_line(str(error), 200)}", line) from None


def _is_at_tab(text: str, mark: Any) -> bool:
    """Whether a reader stopped at a tab in front of a line's text."""
    lines = text.splitlines() if mark is not None else []
    return bool(lines) and mark.line < len(lines) and lines[mark.line][: mark.column + 1].endswith("\t")


def _problem(error: Any) -> str:
    """What the YAML reader says, without an excerpt of the text: that may be a secret."""
    parts = [getattr(error, "context", None), getattr(error, "problem", None), getattr(error, "reason", None)]
    return one_line(", ".join(part for part in parts if part) or "not YAML", 200)
