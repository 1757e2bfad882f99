"""The server, as a client in another language sees it: `@modelcontextprotocol/inspector --cli` from npm.

It is looked for on the PATH as `mcp-inspector`: npm install --global @modelcontextprotocol/inspector
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

SERVER = (sys.executable, "-c", "from infra.scripts import sim_arena; sim_arena()", "mcp")
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def inspector() -> str:
    found = shutil.which("mcp-inspector")
    if found is None:
        pytest.skip("mcp-inspector is not installed")
    return found


def ask(inspector: str, *options: str, trace: Path | None = None, **environment: str) -> Any:
    """What the Inspector prints: the server's answer."""
    of_server = ("--trace", str(trace)) if trace else ()
    script = f"exec {shlex.join((*SERVER, *of_server))}"  # the Inspector takes options of the server for its own
    found = subprocess.run(
        [inspector, "--cli", "sh", "-c", script, *options],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={**os.environ, **environment},
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def call(inspector: str, tool: str, *arguments: str, **options: Any) -> Any:
    given = [word for each in arguments for word in ("--tool-arg", each)]
    return ask(inspector, "--method", "tools/call", "--tool-name", tool, *given, **options)


def test_it_lists_the_tools_and_their_schemas(inspector: str, trace_file: Path) -> None:
    tools = ask(inspector, "--method", "tools/list", trace=trace_file)["tools"]
    assert [tool["name"] for tool in tools] == [
        "get_pods", "describe_deployment", "get_events", "get_pod_logs", "get_nodes"
    ]  # fmt: skip
    for tool in tools:
        assert tool["annotations"]["readOnlyHint"] is True
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"


def test_it_calls_a_tool_and_checks_the_answer_against_the_schema(inspector: str, trace_file: Path) -> None:
    found = call(inspector, "get_events", "namespace=default", "deploy=web", "last_n=2", trace=trace_file)
    assert found["structuredContent"]["shown"] == 2
    assert "2 of 41 events shown" in found["content"][0]["text"]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("get_pods", (), "wrong argument: namespace: is required"),
        ("get_pods", ("namespace=nowhere",), "not found: namespace nowhere"),
        ("get_podz", (), "not found: tool 'get_podz'; did you mean 'get_pods'?"),
    ],
)
def test_a_wrong_call_is_an_error_with_a_text(
    inspector: str, trace_file: Path, tool: str, arguments: tuple[str, ...], said: str
) -> None:
    found = call(inspector, tool, *arguments, trace=trace_file)
    assert found["isError"] is True
    assert found["content"][0]["text"].startswith(said)


def test_a_cluster_that_is_away_is_an_error_of_the_call(inspector: str, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    held = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context],
            "users": [{"name": "c", "user": {}}]}  # fmt: skip
    kubeconfig.write_text(json.dumps(held))
    found = call(inspector, "get_nodes", KUBECONFIG=str(kubeconfig))
    assert found["isError"] is True
    assert found["content"][0]["text"].startswith("away: GET /api/v1/nodes: no answer from http://127.0.0.1:9 ")
