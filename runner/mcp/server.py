"""The MCP server: tools offered to any client, with the official SDK.

A client's call runs in a thread of its own, so that a slow cluster keeps nobody else from an answer. Structured content
is sent with answers alone: clients hold an error's against the output schema too, and then hide its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from mcp import types
from mcp.server.lowlevel import Server

from runner.mcp.tools import Tool, call

NAME = "sim-arena"


def make_server(tools: Sequence[Tool], instructions: str, hint: str = "") -> Server[Any]:
    """A server of these tools.

    Args:
        tools: In the order in which clients list them.
        instructions: What clients tell their model of the server.
        hint: See `runner.mcp.tools.call`.
    """
    listed = [_listed(tool) for tool in tools]

    async def list_tools(context: object, params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def call_tool(context: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        work = partial(call, tools, params.name, params.arguments or {}, hint)
        outcome = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=outcome.text)],
            structured_content=outcome.answer,
            is_error=outcome.is_error,
        )

    return Server(
        NAME,
        version=version("sim-arena"),
        instructions=instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _listed(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_schema,
        output_schema=tool.output_schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=not tool.changes,
            destructive_hint=False,
            idempotent_hint=not tool.changes,
            open_world_hint=False,
        ),
    )
