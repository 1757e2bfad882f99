"""The tools in this process, for an agent: what they say is what a client of the MCP server is told.

Nothing is kept between calls, and no event loop is needed, so that several threads may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agents.llm.conversation import ToolCall, ToolOutcome, ToolSpec
from agents.llm.situation import Toolbox
from env.api_objects import ApiObjects
from env.workload import WorkloadRef
from runner.mcp.look_tools import look_tools
from runner.mcp.tools import Tool
from runner.mcp.tools import call as call_tool


class LookToolbox:
    """Implements `agents.llm.situation.Toolbox`.

    Args:
        tools: What may be called.
        workload: What they are about.
    """

    def __init__(self, tools: Sequence[Tool], workload: WorkloadRef) -> None:
        self._tools = tools
        self._hint = about(workload)
        self.specs: Sequence[ToolSpec] = tuple(
            ToolSpec(tool.name, tool.description, tool.input_schema) for tool in tools
        )

    def call(self, call: ToolCall) -> ToolOutcome:
        """See `Toolbox.call`."""
        outcome = call_tool(self._tools, call.name, call.arguments, self._hint)
        return ToolOutcome(call.id, call.name, outcome.text, outcome.is_error)


def about(workload: WorkloadRef) -> str:
    """What a client is told that asks for something that is not there."""
    return f"the workload is {workload.kind} {workload.name} in namespace {workload.namespace}"


def open_toolbox(objects: Callable[[], ApiObjects], workload: WorkloadRef) -> Toolbox:
    """The tools that look at a cluster.

    Args:
        objects: What the cluster holds; asked at each call, not before.
        workload: What it is about.
    """
    return LookToolbox(look_tools(objects), workload)
