"""The one answer of a step, read from what a model wrote. What cannot be read is never guessed at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from env.actions import Action
from env.printable import one_line

INDEX, REASONING = "action_index", "reasoning"
LONGEST = 20_000  # characters of a text that is read; more is no answer
LONGEST_REASONING = 1_000
_MOST_TRIES = 200  # braces at which an object is looked for

# Reasoning comes first: a model that does not think before it writes can then think while it writes.
ANSWER_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        REASONING: {"type": "string", "description": "Why, in at most two sentences."},
        INDEX: {"type": "integer", "enum": [int(action) for action in Action], "description": "Index of the action."},
    },
    "required": [REASONING, INDEX],
    "additionalProperties": False,
}

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_BARE = re.compile(r"[\s`*\"'(]*(?:action(?:[_ ]index)?[\s`*\"':=]*)?([0-9]{1,3})[\s`*\"').]*", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a model decided, or why that cannot be said.

    Attributes:
        action: None: it cannot be read.
        reasoning: One printable line of at most `LONGEST_REASONING` characters.
        error: Why it cannot be read; "" where it can.
    """

    action: Action | None
    reasoning: str = ""
    error: str = ""


def read_answer(text: str) -> Answer:
    """Read a model's answer: the text is JSON, has a JSON object in it, or is a bare integer; in this order.

    Objects count if they have `action_index`. Several that name different actions, or one that names it twice, are no
    answer; neither is an index that is no integer or no action. What stands between `<think>` tags at the beginning,
    where some servers leave a model's reasoning, is not read.
    """
    text = without_thoughts(text)
    if len(text) > LONGEST:
        return Answer(None, error=too_long(text))
    objects = list(objects_with(INDEX, text))
    if objects:
        return _agreed(objects)
    bare = _BARE.fullmatch(text)
    if bare:
        return _answer(int(bare[1]), "")
    return Answer(None, error="no JSON object with action_index, and no bare integer" if text.strip() else "empty")


def without_thoughts(text: str) -> str:
    """What a model wrote, without what stands between `<think>` tags at its beginning."""
    return _THOUGHTS.sub("", text, count=1)


def too_long(text: str) -> str:
    """What is said of a text that is longer than LONGEST."""
    return f"{len(text)} characters; an answer has at most {LONGEST}"


def _agreed(objects: list[dict[str, Any]]) -> Answer:
    """The answer of the last object, if all name the same action."""
    answers = [_answer(each[INDEX], each.get(REASONING)) for each in objects]
    unreadable = [answer for answer in answers if answer.action is None]
    if unreadable:
        return unreadable[0]
    if len({answer.action for answer in answers}) > 1:
        return Answer(None, error=f"{len(answers)} answers that differ")
    return answers[-1]


def _answer(index: object, reasoning: object) -> Answer:
    said = shown_reasoning(reasoning)
    if isinstance(index, bool) or not isinstance(index, int):
        return Answer(None, said, f"action_index is {kind_of(index)}, not an integer")
    if not 0 <= index < len(Action):
        return Answer(None, said, f"action_index is outside 0 to {len(Action) - 1}")
    return Answer(Action(index), said)


def shown_reasoning(reasoning: object) -> str:
    """A reason as it is kept: one printable line of at most `LONGEST_REASONING` characters; "" if it is no text."""
    return one_line(reasoning, LONGEST_REASONING) if isinstance(reasoning, str) else ""


def kind_of(value: object) -> str:
    """What a value is that should be another, in words."""
    return "given twice" if value is _TWICE else "null" if value is None else f"a {type(value).__name__}"


_TWICE = object()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a name that it has twice is marked, as readers of JSON differ in which value they take."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        found[name] = _TWICE if name in found else value
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def objects_with(name: str, text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects with a field of this name in a text, outermost first; the whole text may be one.

    A name that an object has twice has no JSON value there; `kind_of` says so.
    """
    at = text.find("{")
    for _ in range(_MOST_TRIES):
        if at < 0:
            return
        end = at + 1
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and name in value:
            yield value
        else:
            end = at + 1  # one may be inside
        at = text.find("{", end)
