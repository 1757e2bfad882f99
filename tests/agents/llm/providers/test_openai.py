"""The provider `openai`: the real SDK against a server that speaks chat completions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from agents.llm.conversation import Stop, ToolCall, Usage
from agents.llm.model import ProviderAway, ProviderRefused
from agents.llm.providers.openai import OpenAI
from agents.llm.providers.table import PROVIDERS

from .conversations import answered, asking
from .openai_wire import completion, error, tool_call
from .wire import Answer, Wire

DEFAULT_MODEL = PROVIDERS["openai"].default_model


@pytest.fixture
def model(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAI]:
    """A model of a compatible server, without a key."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{wire.url}/v1")
    model = OpenAI("smollm2", timeout_s=10)
    yield model
    model.close()


@pytest.fixture
def own(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAI]:
    """A model of OpenAI's own, at the address of the local server."""
    monkeypatch.setattr("agents.llm.providers.openai.URL", f"{wire.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    model = OpenAI(None, timeout_s=10)
    yield model
    model.close()


def test_a_reply_has_its_text_its_tokens_and_the_model_that_wrote_it(wire: Wire, model: OpenAI) -> None:
    wire.answers = [completion('{"action_index": 1}')]
    reply = model.complete(asking())
    assert (reply.text, reply.calls, reply.stop) == ('{"action_index": 1}', (), Stop.END)
    assert reply.usage == Usage(input_tokens=117, output_tokens=25, cached_tokens=100)
    assert reply.model == "gpt-6.1-terra-2026-10-26"


def test_a_compatible_server_is_asked_by_names_that_all_of_them_know(wire: Wire, model: OpenAI) -> None:
    wire.answers = [completion("x")]
    model.complete(asking())
    (received,) = wire.received
    assert received.path == "/v1/chat/completions"
    assert "authorization" not in received.headers
    assert set(received.body) == {"model", "messages", "max_tokens", "tools", "tool_choice"}
    assert received.body["messages"][0] == {"role": "system", "content": "You right-size pods."}


def test_a_key_goes_to_a_compatible_server_if_there_is_one(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{wire.url}/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    wire.answers = [completion("x")]
    model = OpenAI("m", timeout_s=10)
    model.complete(asking())
    model.close()
    assert wire.received[0].headers["authorization"] == "Bearer sk-secret"
    assert wire.received[0].path == "/v1/chat/completions"


def test_a_compatible_server_is_asked_for_a_schema_where_no_tool_may_be_called(wire: Wire, model: OpenAI) -> None:
    wire.answers = [completion("x"), completion("x")]
    model.complete(asking(must_answer=True))
    model.complete(asking(tools=False))
    for received in wire.received:
        assert received.body["response_format"]["json_schema"]["schema"]["required"] == ["action_index", "reasoning"]
    assert wire.received[0].body["tool_choice"] == "none"
    assert "tool_choice" not in wire.received[1].body


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_that_takes_no_schema_is_asked_otherwise_and_then_without(
    wire: Wire, model: OpenAI, status: int
) -> None:
    wire.answers = [
        error(status, "x", "response_format.type: Input should be 'text' or 'json_object'"),
        error(status, "x", "response_format is not known"),
        completion("x"),
        completion("y"),
    ]
    for form in ("json_schema", "json_object"):
        with pytest.raises(ProviderAway, match=f"takes no response_format '{form}'") as raised:
            model.complete(asking(tools=False))
        assert (raised.value.retry_after_s, raised.value.may_be_paid) == (0.0, False)
    assert [model.complete(asking(tools=False)).text for _ in range(2)] == ["x", "y"]
    formats = [received.body.get("response_format") for received in wire.received]
    assert [form and form["type"] for form in formats] == ["json_schema", "json_object", None, None]
    assert formats[1]["schema"] == formats[0]["json_schema"]["schema"]


def test_openai_itself_is_asked_by_its_current_names(wire: Wire, own: OpenAI) -> None:
    wire.answers = [completion("x")]
    own.complete(asking())
    body = wire.received[0].body
    assert (own.name, body["model"]) == (DEFAULT_MODEL, DEFAULT_MODEL)
    assert body["max_completion_tokens"] == 500
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["reasoning_effort"] == "none", "its models refuse tools here otherwise"


def test_openai_itself_reasons_where_there_are_no_tools(wire: Wire, own: OpenAI) -> None:
    wire.answers = [completion("x")]
    own.complete(asking(tools=False))
    assert "reasoning_effort" not in wire.received[0].body


def test_calls_are_answered_one_by_one_and_the_message_is_given_back(wire: Wire, model: OpenAI) -> None:
    calls = [tool_call("call_1", "get_pods", '{"namespace": "a"}'), tool_call("call_2", "get_nodes", "")]
    wire.answers = [
        completion(None, *calls, finish="tool_calls", reasoning_content="Pending?\u00fc", reasoning_details=[{"a": 1}]),
        completion("x"),
    ]
    reply = model.complete(asking())
    assert reply.stop is Stop.TOOLS
    assert reply.calls == (ToolCall("call_1", "get_pods", {"namespace": "a"}), ToolCall("call_2", "get_nodes", {}))
    assert json.loads(json.dumps(reply.native)) == reply.native
    model.complete(asking(*answered(reply, "web-1 Pending", "n1 Ready")))
    said, *outcomes = wire.received[1].body["messages"][2:]
    assert said["reasoning_content"] == "Pending?\u00fc"
    assert said["reasoning_details"] == [{"a": 1}]
    assert said["tool_calls"][0] == calls[0]
    assert outcomes == [
        {"role": "tool", "tool_call_id": "call_1", "content": "web-1 Pending"},
        {"role": "tool", "tool_call_id": "call_2", "content": "n1 Ready"},
    ]


@pytest.mark.parametrize(
    "arguments",
    ['{"namespace": ', "[1]", '"a"', "null", 7, None, ["a"], "[" * 100_000, f'{{"a": {"[" * 900}{"]" * 900}}}'],
)
def test_arguments_that_are_no_object_are_none_and_given_back_as_one(wire: Wire, model: OpenAI, arguments: Any) -> None:
    wire.answers = [completion(None, tool_call("call_1", "get_pods", arguments)), completion("x")]
    reply = model.complete(asking())
    assert reply.calls[0].arguments is None
    model.complete(asking(*answered(reply, "no JSON object", is_error=True)))
    assert wire.received[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_arguments_may_come_as_an_object(wire: Wire, model: OpenAI) -> None:
    wire.answers = [completion(None, tool_call("call_1", "get_pods", {"namespace": "a"}))]
    reply = model.complete(asking())
    assert reply.calls[0].arguments == {"namespace": "a"}
    assert reply.native["tool_calls"][0]["function"]["arguments"] == '{"namespace": "a"}'


@pytest.mark.parametrize("ids", [("call_1", "call_1"), (None, None), ("", "b")])
def test_calls_have_ids_of_their_own_whatever_a_server_sends(
    wire: Wire, model: OpenAI, ids: tuple[str | None, str | None]
) -> None:
    wire.answers = [completion(None, *(tool_call(id_, "get_pods", "{}") for id_ in ids)), completion("x")]
    reply = model.complete(asking())
    assert len({call.id for call in reply.calls} - {""}) == 2
    model.complete(asking(*answered(reply, "a", "b")))
    said, *outcomes = wire.received[1].body["messages"][2:]
    assert [call["id"] for call in said["tool_calls"]] == [outcome["tool_call_id"] for outcome in outcomes]


def test_a_name_that_the_api_would_not_take_back_is_told_and_mended(wire: Wire, model: OpenAI) -> None:
    wire.answers = [completion(None, tool_call("call_1", "functions.get pods", "{}"))]
    reply = model.complete(asking())
    assert reply.calls[0].name == "functions.get pods"
    assert reply.native["tool_calls"][0]["function"]["name"] == "functions_get_pods"


@pytest.mark.parametrize(
    ("answer", "stop", "text"),
    [
        (completion('{"action_in', finish="length"), Stop.LENGTH, '{"action_in'),
        (completion(None, finish="content_filter"), Stop.REFUSED, ""),
        (completion(None, refusal="I cannot help."), Stop.REFUSED, "I cannot help."),
        (completion("x", tool_call("call_1", "get_pods", "{}"), finish="stop"), Stop.TOOLS, "x"),
        (completion("x", finish="a reason of next year"), Stop.END, "x"),
    ],
)
def test_a_reply_says_why_it_stopped(wire: Wire, model: OpenAI, answer: Answer, stop: Stop, text: str) -> None:
    wire.answers = [answer]
    reply = model.complete(asking())
    assert (reply.stop, reply.text) == (stop, text)


@pytest.mark.parametrize("missing", ["usage", "model", "id", "created"])
def test_what_compatible_servers_leave_out_is_no_failure(wire: Wire, model: OpenAI, missing: str) -> None:
    answer = completion("x")
    del answer.body[missing]
    wire.answers = [answer]
    reply = model.complete(asking())
    assert reply.text == "x"
    assert reply.model == ("smollm2" if missing == "model" else "gpt-6.1-terra-2026-10-26")
    assert reply.usage == (Usage() if missing == "usage" else Usage(117, 25, 100))


@pytest.mark.parametrize(
    "wrong", [{"choices": []}, {"choices": [{}]}, {"choices": None}, {"usage": {"prompt_tokens": -1}}]
)
def test_an_answer_of_another_shape_is_no_reply(wire: Wire, model: OpenAI, wrong: dict[str, Any]) -> None:
    right = completion("x")
    right.body.update(wrong)
    wire.answers = [right]
    with pytest.raises(ProviderAway, match="malformed answer") as raised:
        model.complete(asking())
    assert raised.value.may_be_paid


def test_an_account_without_credit_is_not_waited_for(wire: Wire, own: OpenAI) -> None:
    wire.answers = [error(429, "insufficient_quota", "You exceeded your current quota.")]
    with pytest.raises(ProviderRefused, match="no credit left for this key: You exceeded your current quota"):
        own.complete(asking())


def test_an_unknown_model_names_the_default_or_where_to_look(wire: Wire, model: OpenAI, own: OpenAI) -> None:
    wire.answers = [
        error(404, "model_not_found", "The model `smollm2` does not exist"),
        error(404, "model_not_found", f"The model `{DEFAULT_MODEL}` does not exist"),
    ]
    with pytest.raises(ProviderRefused, match=r"has no model 'smollm2', or no longer .* its /models lists"):
        model.complete(asking())
    with pytest.raises(ProviderRefused, match=f"a current one is {DEFAULT_MODEL}"):
        own.complete(asking())


def test_a_path_without_v1_is_told_as_such(wire: Wire, model: OpenAI) -> None:
    wire.answers = [Answer(404, b"404 page not found", {"content-type": "text/plain"})]
    with pytest.raises(ProviderRefused, match=r"no such API is there; check the base URL \(for most .* ends in /v1\)"):
        model.complete(asking())


@pytest.mark.parametrize(
    "body",
    [
        {"error": "model is loading"},
        {"object": "error", "message": "model is loading", "code": 503},
        {"detail": "model is loading"},
        {"detail": [{"loc": ["body"], "msg": "model is loading"}]},
    ],
)
def test_what_compatible_servers_say_is_told(wire: Wire, model: OpenAI, body: dict[str, Any]) -> None:
    wire.answers = [Answer(503, body)]
    with pytest.raises(ProviderAway, match="model is loading"):
        model.complete(asking())
