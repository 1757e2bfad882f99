"""An S3 endpoint inside one process, for demos and tests: moto's server, one request at a time.

Stock moto checks a condition and then writes, in many threads, so two creators can both win. Behind one lock it cannot.
Its objects live in memory and end with the process. Of moto's services it serves S3 alone, to whom `guard` lets in.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from env.errors import ConfigError, SimArenaError
from infra.local.guard import WSGI, Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.serving import BaseWSGIServer

ACCESS_KEY, SECRET_KEY = f"SIMARENA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)  # of this process
REGION = "us-east-1"


def environment(endpoint: str) -> dict[str, str]:
    """What boto3 needs to find the endpoint."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }


def s3_alone(host: str, log: TextIO | None = None) -> WSGI:
    """The application: S3 and nothing else, one request at a time, guarded.

    Args:
        host: where it listens.
        log: gets one JSON line for each request: who sent it, method, path, status, bytes in and out.

    Raises:
        SimArenaError: moto is not installed.
    """
    try:
        from moto.moto_server.werkzeug_app import create_backend_app
    except ImportError as error:
        raise SimArenaError(
            "the embedded S3 needs moto and Flask; run: pip install 'moto[s3]' flask flask-cors"
        ) from error
    return one_at_a_time(Guard(create_backend_app("s3"), host, ACCESS_KEY), log)


def make_server(host: str, port: int, application: WSGI) -> BaseWSGIServer:
    """A server, bound but not yet serving; port 0 takes a free one.

    Raises:
        ConfigError: the port is taken.
    """
    from werkzeug.serving import WSGIRequestHandler, make_server

    class KeepAlive(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # a new connection for every request would double its time

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Silence: the commands say what they do."""

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Bound here, since werkzeug would print lines of its own and exit.
        with socket.create_server((host, port), family=family) as bound:
            return make_server(host, port, application, threaded=True, request_handler=KeepAlive, fd=bound.fileno())
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # create_server says the address too
        raise ConfigError(f"{host}:{port}: cannot listen there ({reason}); choose another --port") from error


def one_at_a_time(application: WSGI, log: TextIO | None = None) -> WSGI:
    """The same application, never entered twice at once; a request's body is read before its turn comes."""
    turn = threading.Lock()

    def serialised(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) < length:
            # The client went away half-way; half a body must never become an object.
            start_response("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        if length:
            environ["wsgi.input"] = io.BytesIO(body)
        status: list[str] = []

        def started(line: str, *rest: Any) -> Any:
            status.append(line)
            return start_response(line, *rest)

        with turn:
            answer = b"".join(application(environ, started))
            if log:
                log.write(_log_line(environ, status, length, len(answer)))
        return [answer]

    return serialised


def _log_line(environ: dict[str, Any], status: list[str], received: int, sent: int) -> str:
    query = environ.get("QUERY_STRING", "")
    role = re.search(r"sim-arena/([a-z-]+)", environ.get("HTTP_USER_AGENT", ""))
    row = {
        "role": role[1] if role else None,
        "method": "LIST" if "list-type=2" in query else environ["REQUEST_METHOD"],
        "path": environ.get("PATH_INFO", ""),
        "status": int(status[-1].split()[0]) if status else 0,
        "received": received,
        "sent": sent,
    }
    return json.dumps(row) + "\n"


@contextmanager
def serving(host: str = "127.0.0.1", port: int = 0, log: Path | None = None) -> Iterator[str]:
    """The endpoint's URL, served by a thread until the block ends; requests are logged to the end of `log`."""
    with ExitStack() as stack:
        server = make_server(host, port, s3_alone(host, stack.enter_context(_appended(log)) if log else None))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _appended(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error


def create_bucket(endpoint: str, bucket: str) -> None:
    """Create a bucket on an endpoint of `serving`; ConfigError if S3 would not allow its name."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name=REGION,
            config=Config(proxies={}),
        )
        client.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise ConfigError(f"bucket {bucket!r}: {error}") from error


def until_stopped() -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
