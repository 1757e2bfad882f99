"""The HTTP side of the API server that tests talk to: requests in, answers and faults out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import yaml

Manifest = dict[str, Any]

SPARED = "world"
"""The User-Agent of requests that meet no faults and are not recorded: they play the rest of the cluster."""


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match."""

    status: int | None
    method: str
    path: str
    times: int
    reason: str = ""
    retry_after: int | None = None
    cut: bool = False
    hang: bool = False


class ApiError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Manifest:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }


_REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Answering(Protocol):
    """What answers: see `fake_api.FakeApi`."""

    def fault(self, method: str, path: str) -> Fault | None: ...

    def hang(self) -> None: ...

    def answer(
        self, method: str, path: str, query: dict[str, str], kind: str, body: Any
    ) -> tuple[int, Manifest | str]: ...


def http_server(api: Answering) -> ThreadingHTTPServer:
    return _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that went away in the middle of an answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets; the second would wait 40 ms for an ACK
    api: Answering

    def log_message(self, *args: object) -> None:
        pass

    def handle_any(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        spared = self.headers.get("User-Agent") == SPARED
        fault = None if spared else self.api.fault(self.command, self.path)
        if fault is not None and fault.hang:
            self.api.hang()
            self.close_connection = True
        elif fault is not None and not fault.cut:
            code = fault.status or 500
            error = ApiError(code, fault.reason or _REASONS.get(code, "Unknown"), f"injected {code}")
            self.reply(code, error.status(), fault.retry_after)
        else:
            self.answer(raw, cut=fault is not None)

    def answer(self, raw: bytes, *, cut: bool) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        kind = self.headers.get("Content-Type", "").split(";")[0]
        try:
            body = yaml.safe_load(raw) if "yaml" in kind else json.loads(raw or b"null")
            code, document = self.api.answer(self.command, url.path.rstrip("/"), query, kind, body)
        except ApiError as error:
            code, document = error.code, error.status()
        self.reply(code, document, cut=cut)

    def reply(self, code: int, document: Manifest | str, retry_after: int | None = None, *, cut: bool = False) -> None:
        data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(document, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", str(retry_after))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = self.close_connection or cut

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any
