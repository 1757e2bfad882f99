"""Answers of chat completions, as OpenAI's reference and compatible servers' recorded ones show them."""

from __future__ import annotations

from typing import Any

from .wire import Answer


def tool_call(id_: str | None, name: str, arguments: Any) -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def completion(content: str | None, *calls: dict[str, Any], finish: str = "stop", **more: Any) -> Answer:
    message = {"role": "assistant", "content": content, "refusal": None, "annotations": [], **more}
    if calls:
        message["tool_calls"] = list(calls)
    return Answer(
        body={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1790000000,
            "model": "gpt-6.1-terra-2026-10-26",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
            "usage": {
                "prompt_tokens": 117,
                "completion_tokens": 25,
                "total_tokens": 142,
                "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            "service_tier": "default",
        }
    )


def error(status: int, code: str, said: str, **headers: str) -> Answer:
    body = {"error": {"message": said, "type": "invalid_request_error", "param": None, "code": code}}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
