"""boto3's own settings hold, the few that are set over them aside, and sources of credentials are named."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from protocol.wire.errors import StoreError, Transient, Unfit
from protocol.wire.store import S3Store

ENDPOINT = "http://s3.example.test:9000"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, quick_clients: None) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the lines of the default profile."""
    path = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return lambda lines: (path.write_text(f"[default]\n{lines}\n"), None)[1]


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def asked(store: S3Store) -> str:
    """The URL of a GET of `key`, as it would be sent."""
    url: list[str] = []

    def stop(request: Any, **_: Any) -> None:
        url.append(request.url)
        raise KeyError("not sent")

    store.client.meta.events.register("before-send.s3", stop)
    with pytest.raises(KeyError):
        store.get("key", 1)
    return url[0]


def refused(kind: type[StoreError] = Unfit) -> str:
    with pytest.raises(kind) as caught:
        S3Store("bucket").get("key", 1)
    assert str(caught.value).isprintable()
    return str(caught.value)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_other_servers_are_asked_by_path() -> None:
    assert asked(S3Store("bucket")) == f"{ENDPOINT}/bucket/key"


def test_the_addressing_style_of_the_profile_holds(profile: Callable[[str], None]) -> None:
    profile("s3 =\n    addressing_style = virtual")
    assert asked(S3Store("bucket")) == "http://bucket.s3.example.test:9000/key"


def test_checksums_are_left_out_unless_they_are_asked_for(
    profile: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def calculation() -> Any:
        config: Any = S3Store("bucket").client.meta.config
        return config.request_checksum_calculation

    assert calculation() == "when_required"
    profile("request_checksum_calculation = when_supported")
    assert calculation() == "when_supported"
    profile("")
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_SUPPORTED")
    assert calculation() == "when_supported"


def test_a_setting_that_boto3_refuses_is_one_line(profile: Callable[[str], None]) -> None:
    profile("s3 =\n    addressing_style = sideways")
    assert "sideways is invalid" in refused()
    profile("s3 = sideways")
    assert "~/.aws/config" in refused()


def test_a_ca_bundle_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such.pem")
    assert "no CA bundle /no/such.pem; check AWS_CA_BUNDLE" in refused()


@pytest.mark.parametrize(
    "endpoint", [f"{ENDPOINT}/bucket", f"{ENDPOINT}/a/bucket/", "https://bucket.s3.eu-west-1.amazonaws.com"]
)
def test_an_endpoint_in_which_the_bucket_was_pasted_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert "with the bucket's name; give the endpoint without it" in refused()


def test_an_endpoint_below_a_path_is_none_of_these(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{ENDPOINT}/storage/v1/s3")
    assert asked(S3Store("bucket")) == f"{ENDPOINT}/storage/v1/s3/bucket/key"


# -- credentials -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r", "\x00"])
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_credentials_that_no_header_can_hold_are_named_and_not_shown(
    name: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {**os.environ, name: f"hunter2{end}"})  # a real one takes no NUL
    line = refused()
    assert f"({name}) holds" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "credential_process"),
        ("echo Your session has ended", "prints no credentials as JSON"),
        ("echo '[1]'", "prints no credentials as JSON"),
        ("""echo '{"Version": 1, "AccessKeyId": "A"}'""", "SecretAccessKey"),
        (
            """echo '{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","Expiration":"soon"}'""",
            "no credentials as JSON",
        ),
        ("echo corp-login first >&2; exit 1", "corp-login first"),
        ("exit 1", "the program failed"),
    ],
)
@pytest.mark.usefixtures("without_keys")
def test_a_credential_process_that_gives_none_is_named(
    script: str | None, said: str, profile: Callable[[str], None], tmp_path: Path
) -> None:
    program = tmp_path / "login.sh"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    profile(f"credential_process = {program}")
    line = refused()
    assert "credentials: " in line
    assert "login.sh" in line
    assert said in line


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/w", "AWS_WEB_IDENTITY_TOKEN_FILE": "/no/token"},
            "AWS_WEB_IDENTITY_TOKEN_FILE=/no/token: No such file",
        ),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/c",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/no/pod-token",
            },
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/no/pod-token: No such file",
        ),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/c"},
            "AWS_CONTAINER_CREDENTIALS_FULL_URI: Unsupported",
        ),
        ({}, "there are none (set AWS_PROFILE, or AWS_ACCESS_KEY_ID"),
    ],
)
@pytest.mark.usefixtures("without_keys")
def test_a_source_that_gives_none_is_named(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert said in refused()


@pytest.mark.usefixtures("without_keys")
def test_sts_that_is_away_is_blamed_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("eyJ0")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/w")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    line = refused(Transient)
    assert "credentials: no answer from http://127.0.0.1:9: connection refused" in line
    assert "s3.example" not in line


@pytest.mark.usefixtures("without_keys")
def test_a_source_that_fails_once_it_gave_some_is_asked_again(profile: Callable[[str], None], tmp_path: Path) -> None:
    program, answer = tmp_path / "login.sh", tmp_path / "answer"
    program.write_text(f"#!/bin/sh\ncat {answer}\n")
    program.chmod(0o755)
    profile(f"credential_process = {program}")
    keys = {"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": "2020-01-01T00:00:00Z"}
    answer.write_text(json.dumps(keys | {"Expiration": "2099-01-01T00:00:00Z"}))
    store = S3Store("bucket")
    assert asked(store)
    found: Any = store.session.get_credentials()
    found._expiry_time = found._expiry_time.replace(year=2020)
    answer.write_text("busy")
    with pytest.raises(Transient, match="prints no credentials as JSON"):
        store.get("key", 1)


# -- answers of others -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """A server whose every answer is the same; what it was asked comes back."""
    given: list[tuple[int, dict[str, str], bytes]] = []
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            requests.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, body = given[-1]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = do_HEAD = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{running.server_port}")

        def answer(status: int, body: bytes = b"", **headers: str) -> list[str]:
            given.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))
            return requests

        yield answer
        running.shutdown()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_followed_by_two_requests_at_most(server: Callable[..., list[str]], status: int) -> None:
    requests = server(status, Location="https://127.0.0.1:1/login")
    with pytest.raises(Unfit, match="redirect"):
        S3Store("bucket").page("p/", "")
    assert len(requests) <= 2


@pytest.mark.parametrize("page", [b"<html><body>Console</body></html>", b"<html><br><p>Console"])
def test_a_console_that_answers_with_a_page_is_no_s3(server: Callable[..., list[str]], page: bytes) -> None:
    server(200, page, Content_Type="text/html")
    for request in (
        lambda: S3Store("bucket").page("", ""),
        lambda: S3Store("bucket").put("key", b"", {}, create_only=True),
        lambda: S3Store("bucket").get("key", 1),
    ):
        with pytest.raises(StoreError, match="is another service, or one stands before it"):
            request()


def test_the_404_page_of_another_service_is_no_absent_object(server: Callable[..., list[str]]) -> None:
    server(404, b"<html><head><title>404 Not Found</title></head></html>", Content_Type="text/html")
    assert "404 Not Found" in refused()


def test_a_body_carries_the_checksum_that_object_lock_wants(server: Callable[..., list[str]]) -> None:
    server(200, ETag='"x"')
    sent: list[Any] = []
    store = S3Store("bucket")
    store.client.meta.events.register("before-send.s3", lambda request, **_: sent.append(request.headers))
    store.put("key", b"body", {}, create_only=True)
    assert sent[0]["Content-MD5"] == b"hBotaJrYa9FhFEdFPCLG/A=="


ASKS: list[Callable[[S3Store], object]] = [
    lambda store: store.get("key", 1),
    lambda store: store.metadata("key"),
    lambda store: store.put("key", b"x", {}, create_only=True),
    lambda store: store.page("", ""),
    lambda store: store.delete("key"),
]


@pytest.mark.parametrize("ask", ASKS, ids=["GET", "HEAD", "PUT", "LIST", "DELETE"])
@pytest.mark.parametrize("owner", ["123456789012", None])
def test_every_request_names_the_account_that_the_bucket_must_belong_to(
    ask: Callable[[S3Store], object], owner: str | None
) -> None:
    named: list[str | None] = []

    def stop(request: Any, **_: Any) -> None:
        named.append(request.headers.get("x-amz-expected-bucket-owner"))
        raise KeyError("not sent")

    store = S3Store("bucket", owner=owner)
    store.client.meta.events.register("before-send.s3", stop)
    with pytest.raises(KeyError):
        ask(store)
    sent = named[0].decode() if isinstance(named[0], bytes) else named[0]
    assert sent == owner
