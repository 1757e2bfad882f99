"""An instance metadata service, version 2 only, as on an instance with HttpTokens=required."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE_ID = "i-0123456789abcdef0"

_TOKEN, _TTL = "X-aws-ec2-metadata-token", "X-aws-ec2-metadata-token-ttl-seconds"
_MAX_TTL_S = 21_600


@dataclass
class Imds:
    """The service as a test sees it.

    Attributes:
        endpoint: its URL, without `/latest`.
        paths: what is below `/latest/`; all else is answered with 404.
        log: method and path of every request.
    """

    endpoint: str
    paths: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    def be(self, instance_id: str, region: str = "us-east-1", instance_type: str = "c6i.large") -> None:
        """Tell of this instance."""
        document = {
            "instanceId": instance_id,
            "region": region,
            "instanceType": instance_type,
            "architecture": "x86_64",
        }
        self.paths["meta-data/instance-id"] = instance_id
        self.paths["meta-data/placement/region"] = region
        self.paths["dynamic/instance-identity/document"] = json.dumps(document)

    def interrupt(self, at: str = "2026-01-01T00:02:00Z") -> None:
        """A spot instance's notice: it ends in two minutes."""
        self.paths["meta-data/spot/instance-action"] = json.dumps({"action": "terminate", "time": at})


@contextmanager
def serving() -> Iterator[Imds]:
    """The service, told of INSTANCE_ID, until the block ends."""
    imds = Imds("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            imds.log.append(f"PUT {self.path}")
            ttl = self.headers.get(_TTL, "")
            if self.path != "/latest/api/token":
                return self.say(405)
            if not ttl.isdecimal() or not 1 <= int(ttl) <= _MAX_TTL_S:
                return self.say(400)
            token = secrets.token_urlsafe(32)
            imds.tokens.add(token)
            self.say(200, token, (_TTL, ttl))

        def do_GET(self) -> None:
            imds.log.append(f"GET {self.path}")
            if self.headers.get(_TOKEN) not in imds.tokens:
                return self.say(401)
            text = imds.paths.get(self.path.removeprefix("/latest/"))
            self.say(404) if text is None else self.say(200, text)

        def say(self, status: int, text: str = "", *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Type", "text/plain"), ("Content-Length", str(len(text)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    imds.endpoint = f"http://127.0.0.1:{server.server_port}"
    imds.be(INSTANCE_ID)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield imds
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
