"""`sim-arena mcp` as clients start it: a process, and JSON-RPC on its stdin and stdout."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from env.problems.generate import generate_scenario
from env.trace.document import Trace

pytest.importorskip("mcp")

from mcp import Client, StdioServerParameters

PROGRAM = (sys.executable, "-c", "from infra.scripts import sim_arena; sim_arena()", "mcp")
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}
    },
}  # fmt: skip
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
PODS = {
    "jsonrpc": "2.0", "id": 2, "method": "tools/call",
    "params": {"name": "get_pods", "arguments": {"namespace": "default"}},
}  # fmt: skip
TIMEOUT_S = 60


@contextmanager
def started(*options: str, program: tuple[str, ...] = PROGRAM, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server, which is dead in the end."""
    server = subprocess.Popen(
        [*program, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        yield server
    finally:
        server.kill()
        server.wait()
        for stream in (server.stdin, server.stdout, server.stderr):
            assert stream is not None
            stream.close()


def send(server: subprocess.Popen[bytes], *messages: Any) -> None:
    assert server.stdin is not None
    for each in messages:
        server.stdin.write(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n")
    server.stdin.flush()


def receive(server: subprocess.Popen[bytes]) -> Any:
    """The next message; a line that is none fails."""
    assert server.stdout is not None
    assert select.select([server.stdout], [], [], TIMEOUT_S)[0], "no answer"
    return json.loads(server.stdout.readline())


def ended(server: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    """Exit code, what was left on stdout, stderr."""
    out, err = server.communicate(timeout=TIMEOUT_S)
    return server.returncode, out, err.decode()


def parameters(*options: str, **environment: str) -> StdioServerParameters:
    return StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], *options], env={**os.environ, **environment})


def test_the_official_client_lists_and_calls(trace_file: Path, run_client: Callable[..., Any]) -> None:
    async def work(client: Client) -> list[Any]:
        listed = await client.list_tools()
        found = [await client.call_tool("get_pods", {"namespace": "default"})]
        found.append(await client.call_tool("get_pods", {"namespace": "other"}))
        return [[tool.name for tool in listed.tools], *found]

    names, pods, nowhere = run_client(parameters("--trace", str(trace_file)), work)
    assert names == ["get_pods", "describe_deployment", "get_events", "get_pod_logs", "get_nodes"]
    assert pods.structured_content["total"] == 20
    assert nowhere.is_error
    assert nowhere.content[0].text.startswith(
        "not found: namespace other; there are default; the workload is Deployment web "
    )


def test_a_trace_of_several_deployments_may_be_looked_at(tmp_path: Path, run_client: Callable[..., Any]) -> None:
    document = generate_scenario("cpu", 3).trace.document
    (first,) = document["events"][0]["applied_objs"]
    other = {**first, "metadata": {**first["metadata"], "name": "other", "namespace": "team"}}
    document["events"][0]["applied_objs"].append(other)
    document.pop("metadata", None)
    (tmp_path / "two.sktrace").write_bytes(Trace(document, "two").to_bytes())

    async def work(client: Client) -> list[Any]:
        names = ("default", "team", "nowhere")
        return [await client.call_tool("get_pods", {"namespace": name}) for name in names]

    default, team, nowhere = run_client(parameters("--trace", str(tmp_path / "two.sktrace")), work)
    assert default.structured_content["total"] == team.structured_content["total"] == 6
    assert nowhere.content[0].text == "not found: namespace nowhere; there are default, team"


def test_a_cluster_that_is_away_is_an_error_of_the_call(tmp_path: Path, run_client: Callable[..., Any]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        })
    )  # fmt: skip

    async def work(client: Client) -> list[Any]:
        return [await client.call_tool("get_nodes", {}), await client.call_tool("get_nodes", {})]

    for found in run_client(parameters(KUBECONFIG=str(kubeconfig)), work):
        assert found.is_error
        assert found.content[0].text.startswith("away: GET /api/v1/nodes: no answer from http://127.0.0.1:9 ")


def test_only_json_rpc_is_on_stdout_and_nothing_on_stderr(trace_file: Path) -> None:
    with started("--trace", str(trace_file)) as server:
        send(server, HELLO, READY, b"no JSON\n", b'{"jsonrpc": "2.0"}\n', b"\xff\xfe\n", b"[]\n", PODS)
        answers = []
        while not any(each.get("id") == 2 for each in answers):
            answers.append(receive(server))
        assert all(each["jsonrpc"] == "2.0" for each in answers)
        assert answers[0]["result"]["serverInfo"]["name"] == "sim-arena"
        assert not answers[-1]["result"]["isError"]
        code, out, err = ended(server)
    assert (code, out, err) == (0, b"", "")


NOISY = """
import os, sys, warnings, logging
from runner.mcp.stdio import be_quiet, serve_stdio, take_stdio
wire = take_stdio()
be_quiet()
from runner.mcp.answers import Nodes
from runner.mcp.look_tools import Nothing
from runner.mcp.server import make_server
from runner.mcp.tools import Tool

def run(given):
    print("printed")
    os.write(1, b"written")
    os.system("echo by a child")
    warnings.warn("warned")
    logging.getLogger("x").error("logged")
    raise ZeroDivisionError("shown to nobody")

print("a banner")
os.system("cat")  # would read what the client says
serve_stdio(make_server([Tool("t", "t", "t", Nothing, Nodes, run)], "noisy"), wire)
print("the end")
"""


def test_what_a_library_prints_never_reaches_stdout() -> None:
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "t"}}
    with started(program=(sys.executable, "-c", NOISY)) as server:
        send(server, HELLO, READY, call)
        assert receive(server)["id"] == 1
        answer = receive(server)
        assert answer["result"]["content"][0]["text"] == "failed: tool t: ZeroDivisionError, a defect of sim-arena"
        code, out, err = ended(server)
    assert (code, out) == (0, b"")
    for text in ("a banner", "printed", "written", "by a child", "the end"):
        assert text in err
    for text in ("warned", "logged", "shown to nobody"):
        assert text not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_that_waits_for_its_client(number: signal.Signals, trace_file: Path) -> None:
    with started("--trace", str(trace_file)) as server:
        send(server, HELLO)
        receive(server)
        server.send_signal(number)
        assert server.wait(TIMEOUT_S) == 130
        assert server.stderr is not None
        assert server.stderr.read() == b""


def test_a_client_that_reads_no_more_ends_it_without_a_traceback(trace_file: Path) -> None:
    with started("--trace", str(trace_file)) as server:
        send(server, HELLO, READY)
        receive(server)
        assert server.stdout is not None
        server.stdout.close()
        send(server, *({**PODS, "id": number} for number in range(2, 40)))
        assert server.stdin is not None
        server.stdin.close()
        assert server.wait(TIMEOUT_S) == 0
        assert server.stderr is not None
        assert server.stderr.read() == b""


@pytest.mark.parametrize("closed", ["<&-", "</dev/null", "<&- >&- 2>&-"])
def test_without_a_client_it_ends_at_once(closed: str, trace_file: Path) -> None:
    command = f"exec {shlex.join((*PROGRAM, '--trace', str(trace_file)))} {closed}"
    found = subprocess.run(["sh", "-c", command], capture_output=True, timeout=TIMEOUT_S, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("options", "environment", "said"),
    [
        (
            ("--trace", "no-such.sktrace"),
            {},
            "error: trace no-such.sktrace: cannot be read: No such file or directory\n",
        ),
        (
            (),
            {"KUBECONFIG": "/no/such"},
            "error: kubeconfig /no/such: Invalid kube-config file. No configuration found",
        ),
        (("--problem", "cpu"), {}, "error: --problem cpu: needs --play\n"),
        (("--deploy", "web"), {}, "error: --deploy: needs --trace or -f; "),
        (("--play", "--problem", "cup"), {}, "error: problem 'cup' is unknown"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_the_session(
    options: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    with started(*options, **environment) as server:
        code, out, err = ended(server)
    assert (code, out) == (2, b"")
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_without_the_extra_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['mcp'] = None; from infra.scripts import sim_arena; sim_arena()"
    with started(program=(sys.executable, "-c", script, "mcp")) as server:
        code, out, err = ended(server)
    assert (code, out) == (2, b"")
    assert err == "error: sim-arena mcp needs the package mcp; run: pip install 'sim-arena[llm]'\n"
