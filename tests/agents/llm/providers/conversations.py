"""Requests that the tests of all providers send."""

from __future__ import annotations

from agents.llm.conversation import Answered, Asked, Reply, Request, Said, ToolOutcome, ToolSpec, Turn

PODS = ToolSpec(
    name="get_pods",
    description="Pods of a namespace.",
    parameters={"type": "object", "properties": {"namespace": {"type": "string"}}, "required": ["namespace"]},
)
SCHEMA = {
    "type": "object",
    "properties": {
        "action_index": {"type": "integer", "enum": [0, 1, 2]},
        "reasoning": {"type": "string"},
    },
    "required": ["action_index", "reasoning"],
    "additionalProperties": False,
}


def asking(*more: Turn, tools: bool = True, must_answer: bool = False) -> Request:
    """A request that begins with a question."""
    return Request(
        system="You right-size pods.",
        turns=(Asked("Which action?"), *more),
        tools=(PODS,) if tools else (),
        answer_schema=SCHEMA,
        max_output_tokens=500,
        must_answer=must_answer,
    )


def answered(reply: Reply, *texts: str, is_error: bool = False) -> tuple[Turn, Turn]:
    """The turns that follow a question: the reply, and an outcome for each of its calls."""
    outcomes = tuple(
        ToolOutcome(call.id, call.name, text, is_error) for call, text in zip(reply.calls, texts, strict=True)
    )
    return Said(reply), Answered(outcomes)
