"""What is said between an agent and a language model, in no provider's own form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class ToolSpec:
    """A tool as a model is told of it.

    Attributes:
        name: At most 64 letters, digits, `_` and `-`.
        description: What it returns and when to use it.
        parameters: JSON schema, dialect 2020-12, of an object.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """A model asks for a tool.

    Attributes:
        id: By which the outcome refers to it; unique within a reply.
        name: As the model wrote it; there may be no such tool.
        arguments: None where what it wrote is no JSON object.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None


@dataclass(frozen=True)
class ToolOutcome:
    """What a tool returned, or why it did not.

    Attributes:
        call_id: Of the call.
        name: Of the tool.
        text: Bounded, and free of control characters.
        is_error: Whether the text says why there is no answer.
    """

    call_id: str
    name: str
    text: str
    is_error: bool


@dataclass(frozen=True)
class Usage:
    """Tokens of one or more requests.

    Attributes:
        input_tokens: All that were read, cached ones included.
        output_tokens: All that were written, reasoning included.
        cached_tokens: Those of the input that the provider took from its cache.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
        )


class Stop(StrEnum):
    """Why a model stopped writing."""

    END = "end"
    TOOLS = "tools"  # it waits for its calls
    LENGTH = "length"  # its answer was cut
    REFUSED = "refused"  # the model, or a filter of its provider


@dataclass(frozen=True)
class Reply:
    """One answer of a model.

    Attributes:
        text: What it wrote, without its reasoning.
        calls: The tools it asks for; none: this is its answer.
        usage: Tokens of this request.
        model: The model's id, as the provider answered it.
        stop: Why it stopped.
        native: The provider's own form of this message, as plain JSON data: it is given back in the next request, as it
            carries signatures of reasoning, and it is kept in files, so that a conversation that was cut off goes on.
            Only the provider that made it reads it.
    """

    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    model: str
    stop: Stop
    native: Any = None


@dataclass(frozen=True)
class Asked:
    """A turn of the agent: text."""

    text: str


@dataclass(frozen=True)
class Said:
    """A turn of the model."""

    reply: Reply


@dataclass(frozen=True)
class Answered:
    """A turn of the agent: the outcomes of all calls of the reply before, in their order."""

    outcomes: tuple[ToolOutcome, ...]


Turn = Asked | Said | Answered


@dataclass(frozen=True)
class Request:
    """All that a model is given to write one reply; nothing is kept by the provider between requests.

    Attributes:
        system: Instructions that stay the same.
        turns: The conversation so far, the agent's turn last.
        tools: That it is told of, and may call unless `must_answer`.
        answer_schema: JSON schema of the answer, for providers that can be held to one.
        max_output_tokens: Of this reply, reasoning included.
        must_answer: It may call no tool, as the answer is wanted now. The tools are still given: providers refuse turns
            with calls of tools that they are not told of, and what stays the same is read from their cache.
    """

    system: str
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...]
    answer_schema: Mapping[str, Any]
    max_output_tokens: int
    must_answer: bool = False
