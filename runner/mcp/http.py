"""A server over streamable HTTP, for clients on this machine alone.

Three checks keep others out. It listens on the loopback address only. Every request must carry a token that is made
anew at each start, so that other users of the machine cannot ask. And Host and Origin must be this server's, so that
neither can a page in a browser, whatever name it gives this machine.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings

from env.errors import ConfigError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI application; its first argument is the scope."""

HOST = "127.0.0.1"
PATH = "/mcp"
_STOP_S = 1
_REFUSAL = b"this server needs the header Authorization: Bearer <token>; it was printed at its start\n"


class TokenCheck:
    """Lets requests with the token through, and no others.

    Args:
        app: What answers them.
        token: The secret.
    """

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if scope["type"] == "http" and len(given) == 1 and hmac.compare_digest(given[0], self._expected):
            return await self._app(scope, receive, send)
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(_REFUSAL)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})
        return None


def listen(port: int) -> socket.socket:
    """A socket on the loopback address; port 0: any free one.

    Raises:
        ConfigError: The port is taken, or may not be used.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(16)
    except (OSError, OverflowError) as error:
        found.close()
        raise ConfigError(f"--http {port}: {error}; choose another port, or 0 for any") from error
    return found


def make_token() -> str:
    """A fresh secret."""
    return secrets.token_urlsafe(32)


def make_app(server: Server[Any], token: str, port: int) -> App:
    """The server with its checks, as ASGI."""
    names = [f"{host}:{port}" for host in (HOST, "localhost")]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=names,
        allowed_origins=[f"http://{name}" for name in names],
    )
    return TokenCheck(server.streamable_http_app(streamable_http_path=PATH, transport_security=security), token)


def serve_http(server: Server[Any], listening: socket.socket, token: str) -> None:
    """Serve until a signal comes, which is KeyboardInterrupt."""
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        make_app(server, token, port),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
    served = uvicorn.Server(config)
    served.run(sockets=[listening])
    if served.started:
        # uvicorn raises the signal again that ended it; that is lost where the signal is ignored, or came in between.
        raise KeyboardInterrupt
