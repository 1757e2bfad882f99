"""What an answer that is no reply means, without a server."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from agents.llm.model import ContextExceeded, ProviderAway, ProviderRefused
from agents.llm.providers.endpoint import Endpoint
from agents.llm.providers.failures import broken, failure_of, json_object, retry_after_s

HERE = Endpoint(
    provider="openai",
    url="http://user:hunter2@localhost:8000/v1/",
    model="some-model",
    replacement="its /models lists what it serves",
    key_variables=("A_KEY", "B_KEY"),
    key="sk-secret",
)


def response(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return httpx2.Response(status, content=body, headers=named)
    return httpx2.Response(status, json=body, headers=named)


@pytest.mark.parametrize(
    ("status", "may_be_paid"),
    [
        (408, False),
        (409, False),
        (425, False),
        (429, False),
        (500, True),
        (502, True),
        (503, False),
        (504, True),
        (520, False),
        (529, False),
    ],
)
def test_a_server_that_is_busy_or_broken_is_away(status: int, may_be_paid: bool) -> None:
    failure = failure_of(HERE, response(status, {"error": {"message": "Overloaded"}}))
    assert isinstance(failure, ProviderAway)
    assert str(failure) == f"openai (http://localhost:8000/v1) answered {status}: Overloaded"
    assert (failure.may_be_paid, failure.retry_after_s) == (may_be_paid, None)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 2048 tokens", "code": "context_length_exceeded"},
        {"message": "the request exceeds the available context size", "type": "exceed_context_size_error"},
        {"message": "Requested tokens (2490) exceed context window of 2048"},
        {"message": "prompt is too long: 210000 tokens > 200000 maximum"},
        {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."},
    ],
)
def test_a_request_that_is_too_long_is_told_from_others_that_are_refused(error: dict[str, str]) -> None:
    assert isinstance(failure_of(HERE, response(400, {"error": error})), ContextExceeded)
    assert isinstance(failure_of(HERE, response(413, b"{}")), ContextExceeded)
    assert not isinstance(failure_of(HERE, response(400, {"error": {"message": "no such field"}})), ContextExceeded)
    assert not isinstance(failure_of(HERE, response(401, {"error": error})), ContextExceeded)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422, 501])
def test_all_else_is_refused(status: int) -> None:
    failure = failure_of(HERE, response(status, {"error": {"message": "No"}}))
    assert isinstance(failure, ProviderRefused)
    advice = "; is the key in A_KEY or B_KEY right?" if status in (401, 403) else ""
    assert str(failure) == f"openai (http://localhost:8000/v1) refused the request with {status}: No{advice}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_it_leads(status: int) -> None:
    failure = failure_of(HERE, response(status, b"", location="https://elsewhere.example/\x1b[31m"))
    assert isinstance(failure, ProviderRefused)
    assert "redirects to https://elsewhere.example/?[31m: set the base URL to where it leads" in str(failure)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "why"}}, "why"),
        ([{"error": {"message": "why"}}], "why"),
        ({"error": "why"}, "why"),
        ({"object": "error", "message": "why"}, "why"),
        ({"detail": "why"}, "why"),
        ({"detail": [{"msg": "why"}]}, '[{"msg": "why"}]'),
        ({"error": {"message": ["why"]}}, '["why"]'),
        ({"error": {"message": " "}}, "no reason"),
        ({"error": {}}, "no reason"),
        ({}, "no reason"),
        ([], "no reason"),
        (None, "no reason"),
        (7, "no reason"),
        (b"why", "why"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", "no reason"),
        ({"error": {"message": "a\nb\t\x1b[31m\u202e  sk-secret"}}, "a b ?[31m? ***"),
        ({"error": {"message": "x" * 9_999}}, "x" * 400),
    ],
)
def test_what_was_said_is_told_as_one_short_line(body: Any, said: str) -> None:
    assert str(failure_of(HERE, response(503, body))).endswith(f" answered 503: {said}")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        ({"retry_after": "Sat, 28 Nov 2026 10:00:30 GMT", "date": "Sat, 28 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry_after": "Sat, 28 Nov 2026 09:00:00 GMT", "date": "Sat, 28 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry_after": "Sat, 28 Nov 2026 09:00:00", "date": "Sat, 28 Nov 2026 09:00:05 +0100"}, 3595.0),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "Sat, 99 Nov 2026 09:00:00 GMT"}, None),
    ],
)
def test_the_time_to_wait_is_in_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(response(429, {}, **headers)) == seconds


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"retryDelay": "34.07s"}], 34.07),
        ([{"other": 1}, {"retryDelay": "2s"}], 2.0),
        ([{"retryDelay": 7}], None),
        ([{"retryDelay": "soon"}], None),
        ([7], None),
        ({}, None),
        (None, None),
    ],
)
def test_the_time_to_wait_may_be_in_googles_details(details: Any, seconds: float | None) -> None:
    assert retry_after_s(response(429, {"error": {"details": details}})) == seconds


PAGE: dict[str, Any] = {"body": b"<html>", "content_type": "text/html"}


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_web_page_is_no_api(status: int) -> None:
    failure = failure_of(HERE, response(status, **PAGE))
    assert isinstance(failure, ProviderRefused)
    assert f"answered {status} with text/html, not JSON: no such API is there" in str(failure)


def test_a_web_page_with_status_200_is_no_api() -> None:
    with pytest.raises(ProviderRefused, match="no such API is there"):
        json_object(HERE, response(200, **PAGE))


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"7", b'"text"', b"null", b"\xff\xfe{", b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(ProviderAway, match="malformed answer: no JSON object in") as raised:
        json_object(HERE, response(200, body, content_type="application/json"))
    assert raised.value.may_be_paid


def test_half_a_character_is_malformed() -> None:
    assert json_object(HERE, response(200, b'{"text": "\\ud83d\\ude80"}')) == {"text": "\U0001f680"}
    with pytest.raises(ProviderAway, match="malformed answer: text that is no Unicode"):
        json_object(HERE, response(200, b'{"text": "\\ud83d"}'))


@pytest.mark.parametrize(
    ("error", "may_be_paid"),
    [
        (httpx2.ConnectError("refused"), False),
        (httpx2.ConnectTimeout("slow"), False),
        (httpx2.ReadTimeout("slow"), True),
        (httpx2.ReadError("reset"), True),
        (httpx2.WriteError("reset"), True),
        (httpx2.RemoteProtocolError("half"), True),
        (RuntimeError(""), True),
    ],
)
def test_a_request_may_be_paid_from_the_moment_it_may_have_been_sent(error: Exception, may_be_paid: bool) -> None:
    wrapped = RuntimeError("Connection error.")
    wrapped.__cause__ = error
    failure = broken(HERE, wrapped)
    assert failure.may_be_paid == may_be_paid
    assert "hunter2" not in str(failure)
