"""The tools as an agent in this process gets them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from agents.llm.conversation import ToolCall, ToolOutcome
from agents.llm.situation import Toolbox
from env.api_objects import ApiObjects, ReadRefused
from env.embedded.cluster import EmbeddedCluster
from env.errors import ClusterError
from env.interrupt import Stopped
from env.problems.generate import generate_scenario
from env.workload import WorkloadRef
from runner.mcp.toolbox import open_toolbox

WEB = WorkloadRef("default", "web")


@pytest.fixture
def toolbox() -> Toolbox:
    """Over a generated problem."""
    scenario, cluster = generate_scenario("memory", 3), EmbeddedCluster()
    return open_toolbox(lambda: cluster.objects(scenario, None), scenario.workload)


def ask(toolbox: Toolbox, name: str, **arguments: Any) -> ToolOutcome:
    return toolbox.call(ToolCall("call-1", name, arguments))


def failing(error: Exception) -> Callable[[], ApiObjects]:
    def objects() -> ApiObjects:
        raise error

    return objects


def test_every_tool_answers(toolbox: Toolbox) -> None:
    pods = ask(toolbox, "get_pods", namespace="default")
    assert pods.text.startswith("namespace default: 20 pods\nNAME ")
    assert "19 Insufficient memory" in pods.text
    well = next(line.split()[0] for line in pods.text.splitlines() if " 1/1 " in line)
    outcomes = [
        pods,
        ask(toolbox, "describe_deployment", namespace="default", deploy="web"),
        ask(toolbox, "get_events", namespace="default", deploy="web", last_n=3),
        ask(toolbox, "get_pod_logs", namespace="default", pod_name=well),
        ask(toolbox, "get_nodes"),
    ]
    assert [each.name for each in outcomes] == [spec.name for spec in toolbox.specs]
    for each in outcomes:
        assert not each.is_error, each.text
        assert each.call_id == "call-1"


def test_nothing_is_replayed_before_a_call() -> None:
    toolbox = open_toolbox(failing(AssertionError("replayed")), WEB)
    assert len(toolbox.specs) == 5


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (ToolCall("1", "get_pod", {}), "not found: tool 'get_pod'; did you mean 'get_pods'?"),
        (ToolCall("1", "get_pods", None), "wrong argument: arguments: "),
        (ToolCall("1", "get_pods", {}), "wrong argument: namespace: is required; get_pods takes namespace"),
        (ToolCall("1", "get_pods", {"namespace": ".."}), "wrong argument: namespace: "),
        (ToolCall("1", "get_pods", {"namespace": "default\n"}), "wrong argument: namespace: "),
        (ToolCall("1", "get_pods", {"namespace": ["default"]}), "wrong argument: namespace: "),
        (ToolCall("1", "get_nodes", {"all": True}), "wrong argument: all: is unknown; get_nodes takes no arguments"),
        (
            ToolCall("1", "get_pods", {"namespace": "defualt"}),
            "not found: namespace defualt; there are default; the workload is ",
        ),
        (ToolCall("1", "describe_deployment", {"namespace": "default", "deploy": "wbe"}), "not found: Deployment "),
        (ToolCall("1", "get_events", {"namespace": "default", "deploy": "wbe"}), "not found: Deployment default/wbe"),
        (ToolCall("1", "get_pod_logs", {"namespace": "default", "pod_name": "web-1"}), "not found: pod default/web-1"),
    ],
)
def test_a_wrong_call_is_an_error_that_says_what_was_wrong(toolbox: Toolbox, call: ToolCall, text: str) -> None:
    outcome = toolbox.call(call)
    assert outcome.is_error
    assert outcome.text.startswith(text)
    assert len(outcome.text) <= 1_000


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClusterError("GET /api/v1/nodes: no answer from https://c"), "away: GET /api/v1/nodes: no answer"),
        (ReadRefused("GET /api/v1/nodes: 403 Forbidden"), "refused: GET /api/v1/nodes: 403 Forbidden"),
        (ZeroDivisionError("secret"), "failed: tool get_nodes: ZeroDivisionError, a defect of sim-arena"),
    ],
)
def test_a_cluster_that_cannot_be_read_is_an_error(error: Exception, text: str) -> None:
    outcome = ask(open_toolbox(failing(error), WEB), "get_nodes")
    assert outcome.is_error
    assert outcome.text.startswith(text)
    assert "secret" not in outcome.text


def test_a_request_to_stop_is_no_failure_of_a_tool() -> None:
    with pytest.raises(Stopped):
        ask(open_toolbox(failing(Stopped()), WEB), "get_nodes")


def test_null_stands_for_an_argument_that_is_left_out(toolbox: Toolbox) -> None:
    with_null = ask(toolbox, "get_events", namespace="default", deploy="web", last_n=None)
    assert with_null == ask(toolbox, "get_events", namespace="default", deploy="web")
    assert not with_null.is_error


def test_several_threads_may_use_one_toolbox(toolbox: Toolbox) -> None:
    found: list[str] = []
    work = [threading.Thread(target=lambda: found.append(ask(toolbox, "get_pods", namespace="default").text))
            for _ in range(8)]  # fmt: skip
    for each in work:
        each.start()
    for each in work:
        each.join()
    assert len(found) == 8
    assert len(set(found)) == 1
