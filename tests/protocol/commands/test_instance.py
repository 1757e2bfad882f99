"""Which instance a worker is on: asked of a small metadata service, over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from protocol.commands.instance import ec2_instance_id, this_worker


class Metadata(ThreadingHTTPServer):
    """A metadata service that answers as version 2 of EC2's does."""

    instance = "i-0123456789abcdef0"
    with_tokens = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        fine = self.server.with_tokens and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(200 if fine and self.path == "/latest/api/token" else 403, "a-token")

    def do_GET(self) -> None:
        known = self.headers["X-aws-ec2-metadata-token"] == "a-token"
        self._answer(200 if known and self.path == "/latest/meta-data/instance-id" else 401, self.server.instance)

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    with Metadata(("127.0.0.1", 0), Answer) as server:
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_on_ec2_a_worker_is_called_like_its_instance(metadata: Metadata) -> None:
    assert ec2_instance_id() == metadata.instance
    assert this_worker() == metadata.instance


@pytest.mark.parametrize("instance", ["", "I-0123456789abcdef0", "i-../../../x", "i-0123456789abcdef0\n", "x" * 9000])
def test_an_answer_that_is_no_instance_id_is_not_taken(metadata: Metadata, instance: str) -> None:
    metadata.instance = instance
    assert ec2_instance_id() is None
    assert this_worker() != this_worker()


def test_a_service_that_refuses_tokens_or_is_not_there_is_done_without(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.with_tokens = False
    assert ec2_instance_id() is None
    for endpoint in ("http://127.0.0.1:9", "nonsense", "http://127.0.0.1:port"):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
        assert ec2_instance_id() is None


def test_nothing_is_asked_where_that_is_switched_off(metadata: Metadata, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "TRUE")
    assert ec2_instance_id() is None
