"""A server over stdin and stdout, on which nothing but JSON-RPC may ever be written.

Descriptors 0 and 1 are taken away from everything else before anything is imported or asked. What a library prints goes
to stderr, where clients show it in a log; and a child, such as a kubeconfig's credential plugin, reads nothing.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import warnings
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

_INTERRUPTED = 130


class Wire(NamedTuple):
    """The only ways to the client from now on."""

    reading: BinaryIO
    writing: BinaryIO


def take_stdio() -> Wire:
    """Stdin and stdout, for the protocol alone: everything else reads nothing, and prints to stderr."""
    nothing = os.open(os.devnull, os.O_RDWR)
    wire = Wire(os.fdopen(_copy_of(0, nothing), "rb"), os.fdopen(_copy_of(1, nothing), "wb"))
    os.dup2(nothing, 0)
    os.dup2(_copy_of(2, nothing), 1)
    return wire


def _copy_of(descriptor: int, instead: int) -> int:
    """Another descriptor of the same; of `instead` where it is closed."""
    try:
        return os.dup(descriptor)
    except OSError:
        return os.dup(instead)


def be_quiet() -> None:
    """No library's warning or log on stderr: clients show it to people as an error of the server."""
    warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())


def serve_stdio(server: Server[Any], wire: Wire) -> None:
    """Serve one client until it closes stdin or goes away; a signal ends the process."""
    import anyio
    from mcp.server.stdio import stdio_server

    async def serve() -> None:
        requests = anyio.wrap_file(io.TextIOWrapper(wire.reading, encoding="utf-8", errors="replace"))
        answers = anyio.wrap_file(io.TextIOWrapper(wire.writing, encoding="utf-8"))
        async with stdio_server(requests, answers) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    try:
        anyio.run(serve)
    except* (BrokenPipeError, ConnectionError):
        _discard(wire.writing)  # the client does not read any more


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: a thread that waits for stdin cannot be woken, and there is nothing to save."""
    os._exit(_INTERRUPTED)


def _discard(stream: BinaryIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
