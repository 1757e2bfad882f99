"""A server over stdin and stdout, on which nothing but JSON-RPC may ever be written.

Descriptor 1 is taken away from everything else before the SDK is imported: what a library prints goes to stderr, where
clients show it in a log, or nowhere.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import warnings
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

_INTERRUPTED = 130


def take_stdout() -> BinaryIO:
    """The only way to stdout from now on: what is printed goes to stderr."""
    wire = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # stderr is closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return os.fdopen(wire, "wb")


def be_quiet() -> None:
    """No library's warning or log on stderr: clients show it to people as an error of the server."""
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def serve_stdio(server: Server[Any], wire: BinaryIO) -> None:
    """Serve one client until it closes stdin or goes away; a signal ends the process.

    Args:
        server: The server.
        wire: Stdout, from `take_stdout`.
    """
    import anyio
    from mcp.server.stdio import stdio_server

    async def serve() -> None:
        out = anyio.wrap_file(io.TextIOWrapper(wire, encoding="utf-8"))
        async with stdio_server(stdout=out) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        anyio.run(serve)
    except* (BrokenPipeError, ConnectionError):
        _discard(wire)  # the client does not read any more


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: a thread that waits for stdin cannot be woken, and there is nothing to save."""
    if number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty():
        os.write(2, b"interrupted\n")
    os._exit(_INTERRUPTED)


def _discard(wire: BinaryIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), wire.fileno())
