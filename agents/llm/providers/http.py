"""One exchange with a provider over HTTP: a bounded answer within a total time."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Mapping
from typing import Any

import httpx2

from agents.llm.model import ProviderRefused

# An answer of 100,000 tokens has less than 1 MB.
MAX_ANSWER_BYTES = 8 * 1024 * 1024
# They describe the body as it was sent; the answer that is handed on holds it decoded and whole.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


def proxy_variables() -> list[str]:
    """The environment variables that are set and name a proxy."""
    return sorted(name for name, value in os.environ.items() if value and name.lower() in _PROXIES)


class BoundedClient(httpx2.Client):
    """The HTTP client that all SDKs are given.

    A request ends after `total_s` seconds, whatever the server sends meanwhile (SDKs' own time limits are those of
    one read), and an answer has at most `MAX_ANSWER_BYTES` once it is decompressed. No redirect is followed, as the
    headers with a key would go along to another host. Each request opens a connection of its own: minutes may pass
    between two, in which servers and proxies close idle ones.
    """

    def __init__(self, total_s: float) -> None:
        """A client without connections so far.

        Args:
            total_s: Of a request.

        Raises:
            ProviderRefused: The environment names a kind of proxy that is not supported, such as SOCKS, or certificates
                that cannot be read.
        """
        try:
            super().__init__(timeout=total_s, limits=httpx2.Limits(max_keepalive_connections=0))
        except (ImportError, ValueError):  # their texts may hold a proxy's password
            named = ", ".join(proxy_variables())
            raise ProviderRefused(f"{named}: no proxy by http or https, which alone are supported; unset it") from None
        except OSError as error:
            raise ProviderRefused(f"SSL_CERT_FILE or SSL_CERT_DIR: no certificates there ({error.strerror})") from None
        self._total_s = total_s

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The whole answer, read.

        Raises:
            httpx2.RequestError: There is none; `ReadTimeout` also where it took too long as a whole.
        """
        deadline = _Deadline()
        timer = threading.Timer(self._total_s, deadline.pass_)
        timer.daemon = True
        request.extensions = {**request.extensions, "trace": deadline.trace}
        timer.start()
        try:
            response = super().send(request, **{**options, "stream": True, "follow_redirects": False})
            try:
                body = _body(response)
            finally:
                response.close()
        except Exception:
            if not deadline.passed:
                raise
        finally:
            timer.cancel()
        # The end of a connection that was cut here may look like the end of an answer.
        if deadline.passed:
            raise httpx2.ReadTimeout(f"no whole answer within {self._total_s:g} s", request=request)
        headers = [(name, value) for name, value in response.headers.items() if name not in _OF_THE_TRANSFER]
        return httpx2.Response(response.status_code, headers=headers, content=body, request=request)


def _body(response: httpx2.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise httpx2.ReadError(f"the answer has more than {MAX_ANSWER_BYTES} bytes", request=response.request)
    return bytes(body)


class _Deadline:
    """Ends the connection of one request, which wakes the thread that reads from it."""

    def __init__(self) -> None:
        self.passed = False
        self._socket: socket.socket | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The client's trace hook: keeps the socket, which TLS replaces by another."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.passed:
                self._cut()

    def pass_(self) -> None:
        self.passed = True
        self._cut()

    def _cut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is closed already
                # Not SSLSocket's own, which takes the TLS state away from the thread that is using it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
