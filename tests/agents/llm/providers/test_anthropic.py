"""The provider `anthropic`: the real SDK against a server that speaks the Messages API."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from agents.llm.conversation import Asked, Said, Stop, ToolCall, Usage
from agents.llm.model import ProviderAway, ProviderRefused
from agents.llm.providers.anthropic import Anthropic
from agents.llm.providers.table import PROVIDERS

from .anthropic_wire import REDACTED, THINKING, error, message, text, tool_use
from .conversations import answered, asking
from .wire import Wire

DEFAULT_MODEL = PROVIDERS["anthropic"].default_model


@pytest.fixture
def model(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Iterator[Anthropic]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire.url)
    model = Anthropic(None, timeout_s=10)
    yield model
    model.close()


def test_a_reply_has_its_text_its_tokens_and_the_model_that_wrote_it(wire: Wire, model: Anthropic) -> None:
    wire.answers = [
        message(text('{"action_index": '), text("1}"), cache_read_input_tokens=100, cache_creation_input_tokens=7)
    ]
    reply = model.complete(asking())
    assert (reply.text, reply.calls, reply.stop) == ('{"action_index": 1}', (), Stop.END)
    assert reply.usage == Usage(input_tokens=117, output_tokens=5, cached_tokens=100)
    assert reply.model == "claude-sonnet-5-5"


def test_a_request_is_stateless_and_asks_for_the_answer_by_its_schema(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(text("x"))]
    model.complete(asking())
    (received,) = wire.received
    assert received.path == "/v1/messages"
    assert received.headers["authorization"] == "Bearer sk-ant-secret"
    assert set(received.body) == {
        "model",
        "max_tokens",
        "system",
        "messages",
        "tools",
        "tool_choice",
        "output_config",
    }
    assert received.body["model"] == DEFAULT_MODEL
    assert received.body["tool_choice"] == {"type": "auto"}
    schema = received.body["output_config"]["format"]["schema"]
    assert schema["properties"]["action_index"]["enum"] == [0, 1, 2]


def test_tools_stay_known_when_the_answer_is_wanted(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(text("x"))]
    model.complete(asking(must_answer=True))
    assert wire.received[0].body["tool_choice"] == {"type": "none"}
    assert wire.received[0].body["tools"][0]["name"] == "get_pods"


def test_calls_are_answered_together_and_blocks_are_given_back_as_they_came(wire: Wire, model: Anthropic) -> None:
    blocks = [
        THINKING,
        REDACTED,
        text("I look."),
        tool_use("toolu_1", "get_pods", {"namespace": "a"}),
        tool_use("toolu_2", "get_nodes", {}),
    ]
    wire.answers = [message(*blocks, stop="tool_use"), message(text("x"))]
    reply = model.complete(asking())
    assert reply.stop is Stop.TOOLS
    assert reply.text == "I look."
    assert reply.calls == (
        ToolCall("toolu_1", "get_pods", {"namespace": "a"}),
        ToolCall("toolu_2", "get_nodes", {}),
    )
    model.complete(asking(*answered(reply, "web-1 Pending", "n1 Ready")))
    question, said, outcomes = wire.received[1].body["messages"]
    assert question == {"role": "user", "content": "Which action?"}
    assert json.dumps(said["content"]) == json.dumps(blocks)
    assert [block["tool_use_id"] for block in outcomes["content"]] == ["toolu_1", "toolu_2"]
    assert [block["content"] for block in outcomes["content"]] == ["web-1 Pending", "n1 Ready"]


def test_what_a_reply_keeps_survives_a_file(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(THINKING, text("x"))]
    native = model.complete(asking()).native
    assert json.loads(json.dumps(native)) == native


def test_a_failed_tool_is_told_as_such(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(tool_use("toolu_1", "get_pods", {}), stop="tool_use"), message(text("x"))]
    reply = model.complete(asking())
    model.complete(asking(*answered(reply, "namespace is missing", is_error=True)))
    (outcome,) = wire.received[1].body["messages"][2]["content"]
    assert outcome["is_error"] is True


def test_arguments_that_are_no_object_are_none(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(tool_use("toolu_1", "get_pods", "namespace a"), stop="tool_use")]
    assert model.complete(asking()).calls[0].arguments is None


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("max_tokens", Stop.LENGTH),
        ("model_context_window_exceeded", Stop.LENGTH),
        ("refusal", Stop.REFUSED),
        ("stop_sequence", Stop.END),
        ("a reason of next year", Stop.END),
    ],
)
def test_a_reply_says_why_it_stopped(wire: Wire, model: Anthropic, reason: str, stop: Stop) -> None:
    wire.answers = [message(text("x"), stop=reason)]
    assert model.complete(asking()).stop is stop


def test_a_reply_without_blocks_is_left_out_of_the_next_request(wire: Wire, model: Anthropic) -> None:
    wire.answers = [message(stop="refusal"), message(text("x"))]
    reply = model.complete(asking())
    assert reply.text == ""
    model.complete(asking(Said(reply), Asked("And now?")))
    assert [turn["role"] for turn in wire.received[1].body["messages"]] == ["user", "user"]


def test_a_block_that_is_not_known_yet_is_kept_and_not_read(wire: Wire, model: Anthropic) -> None:
    block = {"type": "of_next_year", "data": [1, 2]}
    wire.answers = [message(block, text("x"))]
    reply = model.complete(asking())
    assert (reply.text, reply.native[0]) == ("x", block)


@pytest.mark.parametrize(
    "wrong",
    [
        {"content": None},
        {"content": ["text"]},
        {"usage": {}},
        {"usage": {"input_tokens": -1, "output_tokens": 1}},
        {"model": 7},
    ],
)
def test_an_answer_of_another_shape_is_no_reply(wire: Wire, model: Anthropic, wrong: dict[str, object]) -> None:
    right = message(text("x"))
    right.body.update(wrong)
    wire.answers = [right]
    with pytest.raises(ProviderAway, match="malformed answer") as raised:
        model.complete(asking())
    assert raised.value.may_be_paid


def test_a_retired_model_is_one_line_that_names_another(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire.url)
    wire.answers = [error(404, "not_found_error", "model: claude-sonnet-4-20250514")]
    model = Anthropic("claude-sonnet-4-20250514", timeout_s=10)
    with pytest.raises(ProviderRefused) as raised:
        model.complete(asking())
    model.close()
    assert str(raised.value) == (
        "anthropic has no model 'claude-sonnet-4-20250514', or no longer (model: claude-sonnet-4-20250514); "
        f"a current one is {DEFAULT_MODEL}"
    )


def test_a_model_that_the_sdk_calls_deprecated_is_still_asked(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire.url)
    wire.answers = [message(text("x"))]
    model = Anthropic("claude-opus-4-5", timeout_s=10)
    with pytest.warns(DeprecationWarning, match="The model 'claude-opus-4-5' is deprecated"):
        assert model.complete(asking()).text == "x"
    model.close()
