"""A trace of one problem, and a client of the official SDK."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from env.problems.generate import generate_scenario

T = TypeVar("T")


@pytest.fixture(scope="session")
def trace_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty pods of Deployment default/web, of which one finds no node."""
    path = tmp_path_factory.mktemp("traces") / "web.sktrace"
    path.write_bytes(generate_scenario("memory", 3).trace.to_bytes())
    return path


@pytest.fixture
def run_client() -> Callable[..., Any]:
    """Runs `work(client)` with a client of a server in this process, or of one that is started for it."""
    pytest.importorskip("mcp")
    import anyio
    from mcp import Client

    def run(server: Any, work: Callable[[Client], Awaitable[T]]) -> T:
        async def session() -> T:
            async with Client(server) as client:
                return await work(client)

        return anyio.run(session)

    return run
