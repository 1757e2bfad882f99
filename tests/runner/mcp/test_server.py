"""The server, as the official client in this process sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from agents.llm.conversation import ToolCall
from env.embedded.cluster import EmbeddedCluster
from env.problems.generate import generate_scenario
from runner.mcp.look_tools import look_tools
from runner.mcp.play import RULES, Game
from runner.mcp.toolbox import about, open_toolbox

pytest.importorskip("mcp")

from mcp import Client

from runner.mcp.server import make_server

SCENARIO = generate_scenario("memory", 3)


@pytest.fixture(scope="module")
def look() -> Any:
    held = EmbeddedCluster().objects(SCENARIO, None)
    return make_server(look_tools(lambda: held), "look", about(SCENARIO.workload))


@pytest.fixture
def play() -> Any:
    return make_server(Game(lambda seed: generate_scenario("memory", seed), EmbeddedCluster()).tools(), RULES)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_pods", {"namespace": "default"}),
    ("describe_deployment", {"namespace": "default", "deploy": "web"}),
    ("get_events", {"namespace": "default", "deploy": "web", "last_n": 5}),
    ("get_pod_logs", {"namespace": "default", "pod_name": "web-3c2fd90811-2qksl"}),
    ("get_nodes", {}),
    ("get_pods", {"namespace": "nowhere"}),
    ("get_pods", {"namespaces": "default"}),
    ("get_secrets", {}),
]


def keywords(schema: Any) -> set[str]:
    """All keys in a schema, however deep."""
    if isinstance(schema, dict):
        return set(schema).union(*map(keywords, schema.values()))
    return set().union(*map(keywords, schema)) if isinstance(schema, list) else set()


@pytest.mark.parametrize("server", ["look", "play"])
def test_every_tool_has_schemas_that_all_clients_take(
    server: str, request: pytest.FixtureRequest, run_client: Callable[..., Any]
) -> None:
    from jsonschema import Draft202012Validator

    tools = run_client(request.getfixturevalue(server), lambda client: client.list_tools()).tools
    assert len(tools) >= 5
    for tool in tools:
        for schema in (tool.input_schema, tool.output_schema):
            assert schema["type"] == "object"
            Draft202012Validator.check_schema(schema)
            assert not keywords(schema) & {"$schema", "anyOf", "oneOf", "allOf", "definitions"}
        assert not keywords(tool.input_schema) & {"$ref", "$defs"}
        assert tool.description
        assert tool.title


def test_tools_that_look_only_read(look: Any, play: Any, run_client: Callable[..., Any]) -> None:
    tools = run_client(look, lambda client: client.list_tools()).tools
    assert all(tool.annotations.read_only_hint for tool in tools)
    played = run_client(play, lambda client: client.list_tools()).tools
    assert [tool.name for tool in played if not tool.annotations.read_only_hint] == ["new_problem", "act", "give_up"]


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_a_client_reads_what_an_agent_reads(
    name: str, arguments: dict[str, Any], look: Any, run_client: Callable[..., Any]
) -> None:
    cluster = EmbeddedCluster()
    toolbox = open_toolbox(lambda: cluster.objects(SCENARIO, None), SCENARIO.workload)
    found = run_client(look, lambda client: client.call_tool(name, arguments))
    outcome = toolbox.call(ToolCall("1", name, arguments))
    assert [each.text for each in found.content] == [outcome.text]
    assert found.is_error == outcome.is_error


@pytest.mark.parametrize(("name", "arguments"), CALLS)
def test_an_answer_fits_its_schema_and_an_error_has_no_structure(
    name: str, arguments: dict[str, Any], look: Any, run_client: Callable[..., Any]
) -> None:
    from jsonschema import Draft202012Validator

    async def ask(client: Client) -> tuple[Any, Any]:
        return await client.list_tools(), await client.call_tool(name, arguments)

    listed, found = run_client(look, ask)
    if found.is_error:
        assert found.structured_content is None
    else:
        schema = next(tool.output_schema for tool in listed.tools if tool.name == name)
        Draft202012Validator(schema).validate(found.structured_content)


def test_a_failure_of_one_call_leaves_the_session_alive(look: Any, run_client: Callable[..., Any]) -> None:
    async def ask(client: Client) -> list[bool]:
        return [(await client.call_tool(name, given)).is_error for name, given in [*CALLS, *CALLS]]

    assert run_client(look, ask) == 2 * [False, False, False, False, False, True, True, True]


def test_a_client_plays_a_problem_to_its_end(play: Any, run_client: Callable[..., Any]) -> None:
    async def work(client: Client) -> list[Any]:
        turns = [await client.call_tool("new_problem", {"seed": 3})]
        while not turns[-1].structured_content["over"]:
            pods = await client.call_tool("get_pods", {"namespace": "default"})
            assert f"{turns[-1].structured_content['total']} pods" in pods.content[0].text
            turns.append(await client.call_tool("act", {"action_index": 5}))
        return turns

    turns = run_client(play, work)
    assert turns[0].content[0].text == turns[0].structured_content["text"]
    assert turns[0].content[0].text.startswith("Step 1 of 20; ")
    assert turns[1].content[0].text.startswith("Step 2 of 20; ")
    score = turns[-1].structured_content["score"]
    assert score == {"solved": True, "steps": 8, "least_steps": 8, "reward": score["reward"]}
    assert turns[-1].content[0].text.startswith("The episode is over: solved after 8 steps; the least is 8; ")


def test_who_gives_up_gets_a_score_and_may_begin_again(play: Any, run_client: Callable[..., Any]) -> None:
    async def work(client: Client) -> list[Any]:
        calls = [("observe", {}), ("new_problem", {"seed": 3}), ("act", {"action_index": 7}), ("give_up", {}),
                 ("act", {"action_index": 0}), ("new_problem", {}), ("observe", {})]  # fmt: skip
        return [await client.call_tool(name, given) for name, given in calls]

    none, first, wrong, given_up, over, second, again = run_client(play, work)
    assert none.content[0].text == "refused: there is no episode yet; call new_problem"
    assert wrong.content[0].text.startswith("wrong argument: action_index: ")
    assert not given_up.structured_content["score"]["solved"]
    assert over.content[0].text == "refused: the episode is over; call new_problem"
    assert second.structured_content["text"] != first.structured_content["text"]
    assert again.structured_content == second.structured_content


def test_a_client_is_told_the_rules_of_the_game() -> None:
    assert "Goal: exactly as many pods exist" in RULES
    assert "JSON" not in RULES


def test_what_is_listed_is_small(look: Any, run_client: Callable[..., Any]) -> None:
    """Clients send the list with each request to their model."""
    tools = run_client(look, lambda client: client.list_tools()).tools
    sent = [{"name": t.name, "description": t.description, "input_schema": t.input_schema} for t in tools]
    assert len(json.dumps(sent)) < 4_500
