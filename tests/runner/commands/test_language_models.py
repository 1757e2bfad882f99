"""Commands with a language model: the real SDK against a server that speaks its wire format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ...agents.llm.providers.anthropic_wire import THINKING, error, message, text, tool_use
from ...agents.llm.providers.wire import Wire

EPISODE = ("episode", "--problem", "cpu", "--seed", "1", "--steps", "1", "--agent", "llm", "--provider", "anthropic")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    with Wire() as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        yield server


def test_a_model_looks_at_the_cluster_and_acts(cli: Any, wire: Wire) -> None:
    wire.answers = [
        message(
            THINKING, tool_use("toolu_1", "get_nodes", {}), tool_use("toolu_2", "get_secrets", {}), stop="tool_use"
        ),
        message(text('{"reasoning": "too large", "action_index": 2}')),
    ]
    result = cli(*EPISODE, "--json")
    document = json.loads(result.out)
    (decision,) = document["decisions"]
    assert decision["action"] == document["records"][0]["action"]["index"] == 2
    assert (decision["model"], decision["requests"], decision["usage"]["input_tokens"]) == ("claude-sonnet-5-5", 2, 20)
    _, said, outcomes = wire.received[1].body["messages"]
    assert said["content"][0] == THINKING
    nodes, secrets = outcomes["content"]
    assert (nodes["is_error"], secrets["is_error"]) == (False, True)
    assert "node" in nodes["content"]
    assert "no such tool" in secrets["content"]


def test_a_wrong_key_ends_the_run_with_one_line_that_does_not_show_it(cli: Any, wire: Wire) -> None:
    wire.answers = [error(401, "authentication_error", "invalid x-api-key: sk-ant-secret")]
    result = cli(*EPISODE)
    assert result.code == 2
    assert "refused the request with 401: invalid x-api-key: ***; is the key in ANTHROPIC_API_KEY right?" in result.err
    assert "sk-ant-secret" not in result.err + result.out
    assert len(wire.received) == 1
