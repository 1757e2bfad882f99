"""Tools: what a client may call, whether it comes by MCP or in this process.

A tool takes arguments that fit its input schema and returns an answer that fits its output schema. Every failure is one
text that begins with its kind; nothing that a tool meets ends more than that call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from env.api_objects import NoSuchObject, ReadRefused
from env.errors import SimArenaError, UsageError, nearest
from env.interrupt import Stopped
from env.printable import one_line
from runner.mcp.answers import Answer
from runner.mcp.text import text_of

logger = logging.getLogger("runner.mcp")

_MOST_PROBLEMS = 5


class Arguments(BaseModel):
    """What a tool is called with; unknown names are refused, as they are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Failure(StrEnum):
    """Why there is no answer; the value begins the text."""

    REFUSED = "refused"  # by the API server: the same call fails again
    AWAY = "away"  # the cluster does not answer: the same call may succeed later
    WRONG_ARGUMENT = "wrong argument"
    NOT_FOUND = "not found"
    DEFECT = "failed"  # of this program


@dataclass(frozen=True)
class Tool:
    """A tool.

    Attributes:
        name: Letters, digits and `_`.
        title: For people.
        description: What it returns, and when to use it.
        arguments: The model of its arguments.
        answer: The model of what it returns.
        run: Makes the answer; may raise any SimArenaError.
        changes: Whether it changes anything; else it only reads.
    """

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    answer: type[Answer]
    run: Callable[[Any], Answer]
    changes: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON schema, dialect 2020-12, of its arguments; not to be changed."""
        return schema_of(self.arguments)

    @property
    def output_schema(self) -> dict[str, Any]:
        """JSON schema, dialect 2020-12, of what it returns; not to be changed."""
        return schema_of(self.answer)


@dataclass(frozen=True)
class Outcome:
    """What a call came to.

    Attributes:
        text: The answer as text, or the kind of the failure and what it is about.
        answer: As its output schema says; None: a failure.
    """

    text: str
    answer: dict[str, Any] | None

    @property
    def is_error(self) -> bool:
        """Whether there is no answer."""
        return self.answer is None


def call(tools: Iterable[Tool], name: str, given: Mapping[str, Any] | None, hint: str = "") -> Outcome:
    """Call a tool by name.

    Args:
        tools: Those that there are.
        name: As the client wrote it.
        given: Arguments as JSON; None where the client wrote something else.
        hint: Said where there is no such object.

    Raises:
        Stopped: Whoever runs this asked for a stop.
    """
    known = {tool.name: tool for tool in tools}
    if name not in known:
        return _failed(Failure.NOT_FOUND, f"tool {name!r:.80}; {nearest(name, known)}")
    tool = known[name]
    try:
        arguments = tool.arguments.model_validate(_without_nulls(tool, given))
    except ValidationError as error:
        return _failed(Failure.WRONG_ARGUMENT, _problems(tool, error))
    try:
        answer = tool.run(arguments)
        return Outcome(text_of(answer), answer.model_dump(mode="json", exclude_none=True))
    except Stopped:
        raise
    except SimArenaError as error:
        kind = _kind(error)
        return _failed(kind, f"{error}; {hint}" if hint and kind is Failure.NOT_FOUND else str(error))
    except Exception as error:
        logger.exception("tool %s", tool.name)
        return _failed(Failure.DEFECT, f"tool {tool.name}: {type(error).__name__}, a defect of sim-arena")


def _failed(kind: Failure, message: str) -> Outcome:
    return Outcome(one_line(f"{kind}: {message}", 1_000), None)


def _kind(error: SimArenaError) -> Failure:
    match error:
        case NoSuchObject():
            return Failure.NOT_FOUND
        case ReadRefused() | UsageError():
            return Failure.REFUSED
    return Failure.AWAY


def _without_nulls(tool: Tool, given: Mapping[str, Any] | None) -> Any:
    """Some clients send null for an argument that they leave out."""
    if given is None:
        return given
    optional = {name for name, field in tool.arguments.model_fields.items() if not field.is_required()}
    return {name: value for name, value in given.items() if value is not None or name not in optional}


def _problems(tool: Tool, error: ValidationError) -> str:
    found = []
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_PROBLEMS]:
        where = ".".join(str(part) for part in each["loc"])
        what = {"missing": "is required", "extra_forbidden": "is unknown"}.get(each["type"], each["msg"])
        found.append(f"{where or 'arguments'}: {what}")
    takes = ", ".join(tool.arguments.model_fields) or "no arguments"
    return f"{'; '.join(found)}; {tool.name} takes {takes}"


@cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema, as plain as it can be.

    Left out are titles, which pydantic makes of names, and null beside another type: some clients refuse a schema
    with any `anyOf` in it, and what is null is left out of answers.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            others = [each for each in value.get("anyOf") or () if each != {"type": "null"}]
            if len(others) == 1:
                value = {**value, **others[0]}
                value = {key: each for key, each in value.items() if key != "anyOf" and each is not None}
            return {key: plain(each) for key, each in value.items() if key != "title" or not isinstance(each, str)}
        return [plain(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = plain(model.model_json_schema(mode="serialization"))
    found.pop("description", None)  # the tool has one
    return found
