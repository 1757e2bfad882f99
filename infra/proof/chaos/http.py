"""HTTP/1.1 messages as they are on the wire, read whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """A request or an answer as it was on the wire; header names in lower case."""

    start: str
    headers: Mapping[str, str]
    head: bytes
    body: bytes = b""

    @property
    def wire(self) -> bytes:
        return self.head + self.body

    @property
    def method(self) -> str:
        return self.start.split(" ", 2)[0]

    @property
    def path(self) -> str:
        return self.start.split(" ", 2)[1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1])


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Message | None:
    """The next request, None if the client has left. A client that asks leave to send its body gets it at once."""
    message = await _read_head(reader)
    if message is None:
        return None
    if "expect" in message.headers:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # It is not signed, and the server is not to be asked again.
        lines = [line for line in message.head.split(b"\r\n") if not line.lower().startswith(b"expect:")]
        message = Message(message.start, message.headers, b"\r\n".join(lines))
    return Message(message.start, message.headers, message.head, await _read_body(reader, message, to_end=False))


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message:
    """The answer to a request with that method.

    Raises:
        ConnectionError: the server closed the connection instead.
    """
    while message := await _read_head(reader):
        if message.status < 200:
            continue
        if method == "HEAD" or message.status in (204, 304):
            return message
        return Message(message.start, message.headers, message.head, await _read_body(reader, message, to_end=True))
    raise ConnectionError("the server closed the connection")


async def _read_head(reader: asyncio.StreamReader) -> Message | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    start, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return Message(start, {name.strip().lower(): value.strip() for name, _, value in pairs}, head)


async def _read_body(reader: asyncio.StreamReader, message: Message, *, to_end: bool) -> bytes:
    if "content-length" in message.headers:
        return await reader.readexactly(int(message.headers["content-length"]))
    if "chunked" in message.headers.get("transfer-encoding", ""):
        return await _read_chunks(reader)
    return await reader.read() if to_end else b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    """A chunked body with its framing."""
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        parts += [line, await reader.readexactly(size + 2)]
        if size == 0:
            return b"".join(parts)


def error_answer(status: int, code: str, method: str) -> bytes:
    """An answer such as S3 gives, with no effect behind it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>a fault on purpose</Message></Error>".encode()
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + (b"" if method == "HEAD" else body)
