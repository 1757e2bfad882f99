"""`sim-arena mcp --http`: who gets an answer, and who does not."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp")

from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

PROGRAM = (sys.executable, "-c", "from infra.scripts import sim_arena; sim_arena()", "mcp")
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}
    },
}  # fmt: skip
TIMEOUT_S = 60


class Served:
    """A server, its URL and its token."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self.process = process
        self.url = process.stderr.readline().strip()
        self.token = process.stderr.readline().strip().removeprefix("Authorization: Bearer ")

    def post(self, **headers: str | None) -> int:
        """The status of a request with these headers instead of the right ones."""
        right = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        sent = {**right, **{name.replace("_", "-"): value for name, value in headers.items()}}
        kept = {name: value for name, value in sent.items() if value is not None}
        request = urllib.request.Request(self.url, json.dumps(HELLO).encode(), kept)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


@pytest.fixture(scope="module")
def served(trace_file: Path) -> Iterator[Served]:
    process = subprocess.Popen(
        [*PROGRAM, "--trace", str(trace_file), "--http", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Served(process)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_client_with_the_token_is_answered(served: Served) -> None:
    import anyio

    async def work() -> list[Any]:
        headers = {"Authorization": f"Bearer {served.token}"}
        async with (
            create_mcp_http_client(headers=headers) as http,
            Client(streamable_http_client(served.url, http_client=http)) as client,
        ):
            tools = await client.list_tools()
            return [len(tools.tools), await client.call_tool("get_pods", {"namespace": "default"})]

    number, pods = anyio.run(work)
    assert number == 5
    assert pods.structured_content["total"] == 20


def test_a_request_without_the_token_is_refused(served: Served) -> None:
    assert served.post() == 200
    assert served.post(Authorization=None) == 401
    assert served.post(Authorization="Bearer guess") == 401
    assert served.post(Authorization=f"Basic {served.token}") == 401


def test_a_page_in_a_browser_is_refused_even_with_the_token(served: Served) -> None:
    assert served.post(Origin="https://example.com") == 403
    assert served.post(Origin="http://127.0.0.1:1") == 403
    assert served.post(Origin="null") == 403
    assert served.post(Host="example.com") == 421  # a name that was made to point here
    assert served.post(Host="127.0.0.1:1") == 421


def test_only_this_machine_reaches_it(served: Served) -> None:
    assert served.url.startswith("http://127.0.0.1:")
    port = int(served.url.split(":")[2].partition("/")[0])
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_port_that_is_taken_is_said_in_one_line(trace_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [*PROGRAM, "--trace", str(trace_file), "--http", str(port)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"error: --http {port}: ")
    assert "Address already in use" in found.stderr
    assert found.stderr.count("\n") == 1
