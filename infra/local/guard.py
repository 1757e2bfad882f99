"""Who may use the embedded S3: processes of this machine, no web page, and beyond loopback only who has the key.

A browser on this machine reaches every port of it. What a page sends carries an Origin, or a Host that is the page's
own (DNS rebinding), or has no signature; and moto would answer with headers that let the page read.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CREDENTIAL = re.compile(r"(?:AWS4-HMAC-SHA256 Credential=)?([^/,\s]+)/[^/,\s]+/[^/,\s]+/s3/aws4_request")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@dataclass(frozen=True)
class Guard:
    """An application behind the rules above.

    Attributes:
        host: where it listens.
        key: the access key that signs requests; on loopback any does, since test programs bring their own.
    """

    application: WSGI
    host: str
    key: str

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        fault = self._fault(environ)
        if fault is not None:
            return _refused(fault, environ["REQUEST_METHOD"], start_response)

        def without_cors(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            own = [(name, value) for name, value in headers if not name.lower().startswith("access-control-")]
            return start_response(status, own, *rest)

        return self.application(environ, without_cors)

    def _fault(self, environ: dict[str, Any]) -> str | None:
        if "HTTP_ORIGIN" in environ or environ["REQUEST_METHOD"] == "OPTIONS":
            return "this endpoint is for programs, not for web pages"
        if not self._is_own_name(environ.get("HTTP_HOST", "")):
            return "the Host header names another machine"
        found = _key_of(environ)
        if found is None:
            return "the request is not signed for S3"
        if found != self.key and not is_loopback(self.host):
            return "the endpoint does not know this access key"
        return None

    def _is_own_name(self, header: str) -> bool:
        name = re.sub(r":[0-9]+$", "", header).lower()
        if name == self.host.lower() or is_loopback(name):
            return True
        return not is_loopback(self.host) and (_is_address(name) or name in _names())


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _names() -> set[str]:
    return {socket.gethostname().lower(), socket.getfqdn().lower()}


def _key_of(environ: dict[str, Any]) -> str | None:
    """The access key that a request was signed with, None if it was not, or for another service than S3."""
    presigned = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])
    found = _CREDENTIAL.match(environ.get("HTTP_AUTHORIZATION") or presigned[0])
    return found[1] if found else None


def _refused(fault: str, method: str, start_response: Callable[..., Any]) -> list[bytes]:
    body = f"<Error><Code>AccessDenied</Code><Message>{fault}</Message></Error>".encode()
    start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [b"" if method == "HEAD" else body]
