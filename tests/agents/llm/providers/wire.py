"""A local HTTP server that answers what it is told, one answer a request, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Rest = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Answer:
    """What is sent for one request.

    Attributes:
        body: Bytes, or a value that is sent as JSON.
        length: What Content-Length says; None: the truth.
        rest: What is written after the body.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    rest: Rest | None = None


@dataclass(frozen=True)
class Received:
    """A request as it came.

    Attributes:
        headers: By names in lower case.
        body: Read as JSON.
    """

    path: str
    headers: Mapping[str, str]
    body: Any


class Wire:
    """The server; answers are queued, and asking for more is an error 500 that says so."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(wire) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                wire.received.append(Received(self.path, headers, json.loads(body)))
                answer = wire.answers.pop(0) if wire.answers else Answer(500, {"error": "more requests than answers"})
                sent = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                kind = "application/octet-stream" if isinstance(answer.body, bytes) else "application/json"
                self.close_connection = True
                try:
                    self.send_response_only(answer.status)
                    for name, value in {"content-type": kind, "connection": "close", **answer.headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(sent) if answer.length is None else answer.length))
                    self.end_headers()
                    self.wfile.write(sent)
                    if answer.rest:
                        self.wfile.flush()
                        answer.rest(self)
                except OSError:
                    pass  # the client has gone, as it may

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Blanks, one at a time: each comes soon enough for a time limit of single reads."""
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        threading.Event().wait(0.02)


def flood(handler: BaseHTTPRequestHandler) -> None:
    """More than anything needs."""
    for _ in range(64):
        handler.wfile.write(b" " * (1 << 20))
