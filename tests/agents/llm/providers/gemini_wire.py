"""Answers of the Gemini API's generateContent, as its reference and recorded responses show them."""

from __future__ import annotations

from typing import Any

from .wire import Answer

# In the alphabet of proto3's JSON, with the characters in which base64 alphabets differ.
SIGNATURE = "CiQB+/8KjAHwYn//+/c0AdEzLw=="


def call(name: str, args: Any = None, id_: str | None = None, signature: str | None = None) -> dict[str, Any]:
    function = {"name": name, **({"args": args} if args is not None else {}), **({"id": id_} if id_ else {})}
    return {"functionCall": function, **({"thoughtSignature": signature} if signature else {})}


def content(*parts: dict[str, Any], finish: str = "STOP", **usage: int) -> Answer:
    return Answer(
        body={
            "candidates": [
                {"content": {"parts": list(parts), "role": "model"}, "finishReason": finish, "index": 0},
            ],
            "usageMetadata": {
                "promptTokenCount": 117,
                "candidatesTokenCount": 5,
                "thoughtsTokenCount": 20,
                "cachedContentTokenCount": 100,
                "totalTokenCount": 142,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 117}],
                **usage,
            },
            "modelVersion": "gemini-3.5-flash-lite",
            "responseId": "abc",
        }
    )


def blocked(reason: str) -> Answer:
    return Answer(
        body={
            "promptFeedback": {"blockReason": reason},
            "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
            "modelVersion": "gemini-3.5-flash-lite",
        }
    )


def error(status: int, code: str, said: str, *details: dict[str, Any], **headers: str) -> Answer:
    body = {"error": {"code": status, "message": said, "status": code, "details": list(details)}}
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
