"""The embedded S3: one request at a time, and nothing half-written."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from env.errors import ConfigError
from infra.local import s3
from protocol.commands.buckets import open_bucket


def test_requests_never_overlap() -> None:
    overlaps: list[int] = []
    meeting = threading.Barrier(2)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            meeting.wait(0.05)
            overlaps.append(1)  # two requests met in here
        except threading.BrokenBarrierError:
            meeting.reset()
        start_response("200 OK", [])
        return [b"ok"]

    serialised = s3.one_at_a_time(application)
    threads = [
        threading.Thread(target=lambda: list(serialised({"REQUEST_METHOD": "GET"}, lambda *args: None)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []


def test_half_a_body_never_becomes_an_object(bucket_name: str, embedded_s3: dict[str, str]) -> None:
    address = urlsplit(embedded_s3["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest("PUT", f"/{bucket_name}/key")
    connection.putheader("Content-Length", "1000")
    connection.putheader("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request")
    connection.endheaders(b"x" * 500)
    assert connection.sock is not None
    connection.sock.shutdown(1)
    assert connection.getresponse().status == 400
    connection.close()
    assert open_bucket(bucket_name).get("key") is None


def test_the_log_tells_who_asked_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "requests.jsonl"
    with s3.serving(log=log) as endpoint:
        for name, value in s3.environment(endpoint).items():
            monkeypatch.setenv(name, value)
        s3.create_bucket(endpoint, "bucket")
        bucket = open_bucket("bucket", "worker")
        bucket.create("a/b", b"12345")
        bucket.list("a/")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(row["role"], row["method"], row["status"]) for row in rows[1:]] == [
        ("worker", "PUT", 200),
        ("worker", "LIST", 200),
    ]
    assert rows[1]["received"] == 5


def test_a_taken_port_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    with s3.serving() as endpoint:
        port = urlsplit(endpoint).port or 0
        with pytest.raises(ConfigError, match=r"cannot listen there \(Address already in use\); choose"):
            s3.make_server("127.0.0.1", port)
    assert capfd.readouterr().err == ""


def test_a_bucket_name_that_s3_refuses_is_one_clear_line() -> None:
    with s3.serving() as endpoint, pytest.raises(ConfigError, match="bucket 'B'"):
        s3.create_bucket(endpoint, "B")
