"""Answers of Anthropic's Messages API, as its reference and recorded responses show them."""

from __future__ import annotations

from typing import Any

from .wire import Answer

THINKING = {
    "type": "thinking",
    "thinking": "The pod\u2019s Pending: \u00fc \U0001f680 / \\",
    "signature": "EqQBCkYIBRgCKkA+/==",
}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgBEgy3va3pzix/"}


def text(written: str) -> dict[str, Any]:
    return {"type": "text", "text": written, "citations": None}


def tool_use(id_: str, name: str, arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": arguments, "caller": {"type": "direct"}}


def message(*blocks: dict[str, Any], stop: str = "end_turn", **usage: int) -> Answer:
    return Answer(
        body={
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-5-5",
            "content": list(blocks),
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5, "service_tier": "standard", **usage},
        },
        headers={"request-id": "req_1"},
    )


def error(status: int, kind: str, said: str, **headers: str) -> Answer:
    body = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
