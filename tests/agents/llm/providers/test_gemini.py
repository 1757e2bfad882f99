"""The provider `gemini`: the real SDK against a server that speaks the Gemini API."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from typing import Any

import pytest

from agents.llm.conversation import Asked, Said, Stop, ToolCall, Usage
from agents.llm.model import ProviderAway, ProviderRefused
from agents.llm.providers.gemini import Gemini
from agents.llm.providers.table import PROVIDERS

from .conversations import PODS, SCHEMA, answered, asking
from .gemini_wire import SIGNATURE, blocked, call, content, error
from .wire import Answer, Wire

DEFAULT_MODEL = PROVIDERS["gemini"].default_model


@pytest.fixture
def model(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gemini]:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-secret")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", wire.url)
    model = Gemini(None, timeout_s=10)
    yield model
    model.close()


def test_a_reply_has_its_text_its_tokens_and_the_model_that_wrote_it(wire: Wire, model: Gemini) -> None:
    wire.answers = [content({"text": "I think.", "thought": True}, {"text": '{"action_index": '}, {"text": "1}"})]
    reply = model.complete(asking())
    assert (reply.text, reply.calls, reply.stop) == ('{"action_index": 1}', (), Stop.END)
    assert reply.usage == Usage(input_tokens=117, output_tokens=25, cached_tokens=100)
    assert reply.model == "gemini-3.5-flash-lite"


def test_a_request_has_the_tools_and_no_schema_beside_them(wire: Wire, model: Gemini) -> None:
    wire.answers = [content({"text": "x"})]
    model.complete(asking())
    (received,) = wire.received
    assert received.path == f"/v1/models/{DEFAULT_MODEL}:generateContent"
    assert received.headers["x-goog-api-key"] == "AIza-secret"
    assert received.body["systemInstruction"]["parts"] == [{"text": "You right-size pods."}]
    assert received.body["generationConfig"] == {"maxOutputTokens": 500}
    assert received.body["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    (tool,) = received.body["tools"]
    # The SDK writes this name so; the API reads either.
    assert tool["functionDeclarations"] == [
        {"name": "get_pods", "description": PODS.description, "parameters_json_schema": PODS.parameters}
    ]


def test_tools_stay_known_when_the_answer_is_wanted(wire: Wire, model: Gemini) -> None:
    wire.answers = [content({"text": "x"})]
    model.complete(asking(must_answer=True))
    assert wire.received[0].body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
    assert wire.received[0].body["tools"][0]["functionDeclarations"][0]["name"] == "get_pods"


def test_without_tools_the_answer_is_asked_for_by_its_schema(wire: Wire, model: Gemini) -> None:
    wire.answers = [content({"text": "x"})]
    model.complete(asking(tools=False))
    assert wire.received[0].body["generationConfig"] == {
        "maxOutputTokens": 500,
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert "tools" not in wire.received[0].body


def test_calls_are_answered_together_and_signatures_are_given_back_byte_for_byte(wire: Wire, model: Gemini) -> None:
    wire.answers = [
        content(
            {"text": "Pending?", "thought": True},
            call("get_pods", {"namespace": "a"}, "id-1", SIGNATURE),
            call("get_nodes", id_="id-2"),
        ),
        content({"text": "x"}),
    ]
    reply = model.complete(asking())
    assert reply.stop is Stop.TOOLS
    assert reply.calls == (ToolCall("id-1", "get_pods", {"namespace": "a"}), ToolCall("id-2", "get_nodes", {}))
    assert json.loads(json.dumps(reply.native)) == reply.native
    model.complete(asking(*answered(reply, "web-1 Pending", "n1 Ready")))
    question, said, outcomes = wire.received[1].body["contents"]
    assert question == {"role": "user", "parts": [{"text": "Which action?"}]}
    assert (said["role"], outcomes["role"]) == ("model", "user")
    assert said["parts"][0] == {"text": "Pending?", "thought": True}
    # The SDK writes base64 in its other alphabet, which the API reads as well.
    assert urlsafe_b64decode(said["parts"][1]["thoughtSignature"]) == b64decode(SIGNATURE)
    assert said["parts"][1]["functionCall"] == {"id": "id-1", "name": "get_pods", "args": {"namespace": "a"}}
    assert [part["functionResponse"] for part in outcomes["parts"]] == [
        {"id": "id-1", "name": "get_pods", "response": {"output": "web-1 Pending"}},
        {"id": "id-2", "name": "get_nodes", "response": {"output": "n1 Ready"}},
    ]


def test_calls_without_ids_have_ids_here_and_none_there(wire: Wire, model: Gemini) -> None:
    wire.answers = [content(call("get_pods", {}), call("get_pods", {})), content({"text": "x"})]
    reply = model.complete(asking())
    assert len({call.id for call in reply.calls}) == 2
    model.complete(asking(*answered(reply, "a", "b", is_error=True)))
    _, said, outcomes = wire.received[1].body["contents"]
    assert said["parts"][0]["functionCall"] == {"name": "get_pods", "args": {}}
    assert outcomes["parts"][0]["functionResponse"] == {"name": "get_pods", "response": {"error": "a"}}


@pytest.mark.parametrize("arguments", ["namespace a", ["a"], 7])
def test_arguments_that_are_no_object_are_none(wire: Wire, model: Gemini, arguments: Any) -> None:
    wire.answers = [content(call("get_pods", arguments)), content({"text": "x"})]
    reply = model.complete(asking())
    assert reply.calls[0].arguments is None
    model.complete(asking(*answered(reply, "no JSON object", is_error=True)))
    assert wire.received[1].body["contents"][1]["parts"][0]["functionCall"]["args"] == {}


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("MAX_TOKENS", Stop.LENGTH),
        ("CONTINUATION", Stop.LENGTH),
        ("SAFETY", Stop.REFUSED),
        ("PROHIBITED_CONTENT", Stop.REFUSED),
        ("MALFORMED_FUNCTION_CALL", Stop.END),
        ("A_REASON_OF_NEXT_YEAR", Stop.END),
    ],
)
def test_a_reply_says_why_it_stopped(wire: Wire, model: Gemini, reason: str, stop: Stop) -> None:
    wire.answers = [content({"text": "x"}, finish=reason)]
    assert model.complete(asking()).stop is stop


def test_an_answer_that_could_be_continued_is_not_continued(wire: Wire, model: Gemini) -> None:
    answer = content({"text": "x"}, finish="CONTINUATION")
    answer.body["candidates"][0]["continuationToken"] = "AAAA"
    wire.answers = [answer]
    assert model.complete(asking()).text == "x"
    assert len(wire.received) == 1


def test_a_filtered_question_is_a_refusal(wire: Wire, model: Gemini) -> None:
    wire.answers = [blocked("SAFETY"), content({"text": "x"})]
    reply = model.complete(asking())
    assert (reply.stop, reply.text, reply.usage) == (Stop.REFUSED, "", Usage(input_tokens=7))
    model.complete(asking(Said(reply), Asked("And now?")))
    assert [turn["role"] for turn in wire.received[1].body["contents"]] == ["user", "user"]


def test_a_part_that_is_not_known_yet_is_left_out(wire: Wire, model: Gemini) -> None:
    answer = content({"ofNextYear": {"a": 1}}, {"text": "x", "alsoNew": 7})
    answer.body["candidates"][0]["new"] = [1]
    wire.answers = [answer, content({"text": "y"})]
    reply = model.complete(asking())
    assert reply.text == "x"
    assert model.complete(asking(Said(reply), Asked("And now?"))).text == "y"


@pytest.mark.parametrize(
    "wrong",
    [
        {"candidates": []},
        {"candidates": [7]},
        {"candidates": [{"content": {"parts": {}}}]},
        {"usageMetadata": {"promptTokenCount": -1}},
    ],
)
def test_an_answer_of_another_shape_is_no_reply(wire: Wire, model: Gemini, wrong: dict[str, Any]) -> None:
    right = content({"text": "x"})
    right.body.update(wrong)
    wire.answers = [right]
    with pytest.raises(ProviderAway, match="malformed answer") as raised:
        model.complete(asking())
    assert raised.value.may_be_paid


def test_a_candidate_without_content_is_an_empty_reply(wire: Wire, model: Gemini) -> None:
    wire.answers = [Answer(body={"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}]})]
    reply = model.complete(asking())
    assert (reply.text, reply.stop, reply.usage, reply.model) == ("", Stop.END, Usage(), DEFAULT_MODEL)


def test_the_time_to_wait_is_read_from_the_details(wire: Wire, model: Gemini) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []}
    wire.answers = [error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota", quota, retry)]
    with pytest.raises(ProviderAway, match="You exceeded your current quota") as raised:
        model.complete(asking())
    assert raised.value.retry_after_s == 34.07


def test_a_wrong_key_is_one_line(wire: Wire, model: Gemini) -> None:
    wire.answers = [error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")]
    with pytest.raises(ProviderRefused, match="refused the request with 400: API key not valid"):
        model.complete(asking())


def test_a_retired_model_is_one_line_that_names_another(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-secret")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", wire.url)
    said = "models/gemini-2.0-flash-lite is not found for API version v1beta"
    wire.answers = [error(404, "NOT_FOUND", said)]
    model = Gemini("gemini-2.0-flash-lite", timeout_s=10)
    with pytest.raises(ProviderRefused) as raised:
        model.complete(asking())
    model.close()
    assert str(raised.value) == (
        f"gemini has no model 'gemini-2.0-flash-lite', or no longer ({said}); a current one is {DEFAULT_MODEL}"
    )


@pytest.mark.parametrize("variable", ["GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"])
def test_settings_of_googles_other_api_change_nothing(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "AIza-secret")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", wire.url)
    wire.answers = [content({"text": "x"})]
    model = Gemini(None, timeout_s=10)
    assert model.complete(asking()).text == "x"
    model.close()
    assert wire.received[0].headers["x-goog-api-key"] == "AIza-secret"
