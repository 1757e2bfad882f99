"""The embedded S3: one request at a time, and nothing half-written."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from env.errors import ConfigError
from infra.local import s3
from infra.local.guard import Guard
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
            s3.make_server("127.0.0.1", port, s3.s3_alone("127.0.0.1"))
    assert capfd.readouterr().err == ""


def test_a_bucket_name_that_s3_refuses_is_one_clear_line() -> None:
    with s3.serving() as endpoint, pytest.raises(ConfigError, match="bucket 'B'"):
        s3.create_bucket(endpoint, "B")


# -- who may use it ---------------------------------------------------------------------------------------------

SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={s3.ACCESS_KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
OTHERS = SIGNED.replace(s3.ACCESS_KEY, "AKIAOTHER")


def asked(listens: str, **headers: str) -> tuple[int, dict[str, str], list[str]]:
    """Status and headers of the answer to a request, and what reached S3."""
    reached: list[str] = []
    answer: list[Any] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        reached.append(environ["PATH_INFO"])
        start_response("200 OK", [("Access-Control-Allow-Origin", "*"), ("X-Own", "1")])
        return [b"ok"]

    environ = {"REQUEST_METHOD": headers.pop("method", "GET"), "PATH_INFO": "/b/k", "HTTP_HOST": "127.0.0.1:5055"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    list(Guard(application, listens, s3.ACCESS_KEY)(environ, lambda *given: answer.append(given)))
    return int(answer[0][0].split()[0]), dict(answer[0][1]), reached


@pytest.mark.parametrize(
    ("listens", "headers", "status"),
    [
        ("127.0.0.1", {"authorization": SIGNED}, 200),
        ("127.0.0.1", {"authorization": OTHERS}, 200),  # test programs bring their own keys
        ("127.0.0.1", {"authorization": SIGNED, "host": "localhost:5055"}, 200),
        ("127.0.0.1", {"authorization": SIGNED, "host": "[::1]:5055"}, 200),
        ("127.0.0.1", {}, 403),
        ("127.0.0.1", {"authorization": "Basic eDp5"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "origin": "https://evil.example"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "origin": "null"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "host": "evil.example:5055"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "host": "127.0.0.1.evil.example"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "host": "192.168.1.5"}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "host": ""}, 403),
        ("127.0.0.1", {"authorization": SIGNED, "method": "OPTIONS"}, 403),
        ("0.0.0.0", {"authorization": SIGNED, "host": "192.168.1.5:5055"}, 200),
        ("0.0.0.0", {"authorization": OTHERS, "host": "192.168.1.5:5055"}, 403),
        ("0.0.0.0", {"authorization": SIGNED, "host": "evil.example"}, 403),
    ],
)
def test_no_web_page_and_beyond_this_machine_only_the_key_gets_in(
    listens: str, headers: dict[str, str], status: int
) -> None:
    found, answered, reached = asked(listens, **headers)
    assert (found, bool(reached)) == (status, status == 200)
    assert not any(name.startswith("Access-Control") for name in answered)


def test_of_all_of_aws_only_s3_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3.serving() as endpoint:
        s3.create_bucket(endpoint, "stays")
        address = urlsplit(endpoint)
        for service, path in (("lambda", "/2015-03-31/functions/"), ("sts", "/"), ("s3", "/moto-api/reset")):
            connection = http.client.HTTPConnection(address.hostname or "", address.port)
            connection.request("POST", path, headers={"Authorization": SIGNED.replace("/s3/", f"/{service}/")})
            with connection.getresponse() as answer:
                assert answer.status == 403 or service == "s3"
                answer.read()
            connection.close()
        for name, value in s3.environment(endpoint).items():
            monkeypatch.setenv(name, value)
        assert open_bucket("stays").list("").entries == ()


def test_each_run_has_a_key_of_its_own() -> None:
    code = "from infra.local import s3; print(s3.ACCESS_KEY, s3.SECRET_KEY)"
    runs = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 2
