"""The two stores behave alike: S3 over HTTP on real servers, and the in-memory S3 of simulations."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from protocol.commands.buckets import open_bucket
from protocol.rounds.reader import AT_ONCE
from protocol.wire import keys
from protocol.wire.bucket import Bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import Exists, Refused, TooLarge, Transient, Unfit
from protocol.wire.memory import MemoryS3
from protocol.wire.probe import probe
from protocol.wire.store import S3Store, Store


@pytest.fixture(params=["memory", "embedded", "ceph", "minio"])
def store(request: pytest.FixtureRequest, bucket_on: Callable[[str], str]) -> Store:
    return MemoryS3().store("test") if request.param == "memory" else S3Store(bucket_on(request.param))


def test_an_object_is_read_back_with_its_metadata(store: Store) -> None:
    store.put("a/b", b"body", {"nonce": "n1"}, create_only=True)
    blob = store.get("a/b", 100)
    assert blob is not None
    assert (blob.body, dict(blob.metadata)) == (b"body", {"nonce": "n1"})
    assert store.metadata("a/b") == {"nonce": "n1"}


def test_a_taken_key_is_not_created_again_but_may_be_overwritten(store: Store) -> None:
    store.put("key", b"first", {}, create_only=True)
    with pytest.raises(Exists):
        store.put("key", b"second", {}, create_only=True)
    store.put("key", b"third", {}, create_only=False)
    blob = store.get("key", 100)
    assert blob is not None
    assert blob.body == b"third"


def test_an_objects_last_write_is_known(store: Store) -> None:
    store.put("key", b"", {}, create_only=True)
    blob = store.get("key", 10)
    assert blob is not None
    assert blob.modified == int(store.page("key", "").entries[0].modified) > 0  # some listings show fractions


@pytest.mark.parametrize("server", ["embedded", "ceph", "minio"])
def test_a_page_opens_in_a_browser_by_its_link_alone(server: str, bucket_on: Callable[[str], str]) -> None:
    store = S3Store(bucket_on(server))
    for body in (b"first", b"second"):
        store.put(keys.report("shop"), body, {}, create_only=False)
    link = store.link(keys.report("shop"), 60)
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"second"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
    forged = [] if server == "embedded" else [link.replace("shop", "other"), link.replace("Expires=60", "Expires=99")]
    for other in (link.partition("?")[0], *forged):  # the embedded one checks no signatures
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(other)


def test_absence_is_an_answer(store: Store) -> None:
    assert store.get("absent", 100) is None
    assert store.metadata("absent") is None
    store.delete("absent")


def test_a_body_beyond_the_bound_is_not_read(store: Store) -> None:
    store.put("big", b"x" * 101, {}, create_only=True)
    with pytest.raises(TooLarge, match="101 bytes, at most 100"):
        store.get("big", 100)


def test_listings_are_in_key_order_and_carry_the_servers_clock(store: Store) -> None:
    for key in ("p/b", "p/a", "p/a-c", "q/a"):
        store.put(key, b"12", {}, create_only=True)
    page = store.page("p/", "")
    assert [(entry.key, entry.size) for entry in page.entries] == [("p/a", 2), ("p/a-c", 2), ("p/b", 2)]
    assert not page.more
    assert all(0 <= page.server_time - entry.modified + 1 <= 60 for entry in page.entries)
    assert [entry.key for entry in store.page("p/", "p/a").entries] == ["p/a-c", "p/b"]


def test_a_deleted_object_is_gone(store: Store) -> None:
    store.put("key", b"", {}, create_only=True)
    store.delete("key")
    assert store.get("key", 10) is None
    store.put("key", b"again", {}, create_only=True)


def test_the_probe_accepts_it_and_leaves_nothing_behind(store: Store) -> None:
    probe(Bucket(store, system_clock()))
    assert store.page("", "").entries == ()


def test_a_listing_of_several_pages_is_whole(s3: str) -> None:
    bucket = open_bucket(s3)

    def fill(start: int) -> None:
        mine = open_bucket(s3)
        for number in range(start, 1005, 4):
            mine.create(f"many/{number:04d}", b"")

    threads = [threading.Thread(target=fill, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.key for entry in bucket.list("many/").entries] == [f"many/{n:04d}" for n in range(1005)]


# -- errors ------------------------------------------------------------------------------------------


def test_a_missing_bucket_is_unfit_and_not_an_absent_object(bucket_name: str) -> None:
    store = S3Store("no-such-bucket-here")
    with pytest.raises(Unfit, match="create the bucket"):
        store.get("key", 10)
    with pytest.raises(Unfit, match="create the bucket"):
        store.page("", "")


def test_without_credentials_the_message_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with pytest.raises(Unfit, match="set AWS_PROFILE, or AWS_ACCESS_KEY_ID"):
        S3Store("bucket").get("key", 10)


def test_a_name_that_no_bucket_may_have_is_one_line(bucket_name: str) -> None:
    with pytest.raises(
        Unfit, match=r"^s3://bad bucket: GET key: not sent: a name that a bucket or an object may not have$"
    ):
        S3Store("bad bucket").get("key", 10)


def test_an_unknown_profile_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(Unfit, match="nobody"):
        S3Store("bucket")


def credentials(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")


def test_an_endpoint_without_a_server_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(Transient, match=r"no answer from http://127\.0\.0\.1:9"):
        S3Store("bucket").get("key", 10)


@pytest.fixture
def fake_endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """An HTTP server that gives every request the same answer."""
    answer: list[tuple[int, str]] = [(200, "")]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, code = answer[0]
            body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode() if code else b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    credentials(monkeypatch, f"http://127.0.0.1:{server.server_port}")

    def set_answer(status: int, code: str) -> None:
        answer[0] = (status, code)

    yield set_answer
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "InternalError", Transient),
        (503, "SlowDown", Transient),
        (429, "TooManyRequests", Transient),
        (400, "RequestTimeout", Transient),
        (501, "NotImplemented", Unfit),
        (403, "AccessDenied", Refused),
        (403, "InvalidObjectState", Refused),
        (400, "InvalidRequest", Refused),
        (403, "InvalidAccessKeyId", Unfit),
        (400, "ExpiredToken", Unfit),
        (412, "PreconditionFailed", Exists),
    ],
)
def test_every_answer_is_what_it_means(
    fake_endpoint: Callable[[int, str], None], status: int, code: str, kind: type[Exception]
) -> None:
    fake_endpoint(status, code)
    with pytest.raises(kind, match=f"{status} {code}"):
        S3Store("bucket").put("key", b"", {}, create_only=True)


def test_a_refused_read_is_never_taken_for_an_absent_object(fake_endpoint: Callable[[int, str], None]) -> None:
    fake_endpoint(403, "AccessDenied")
    with pytest.raises(Refused, match="may not do this"):
        S3Store("bucket").get("key", 10)
    with pytest.raises(Unfit, match="may not do this"):
        S3Store("bucket").page("", "")


def test_the_probe_refuses_an_endpoint_that_answers_501(fake_endpoint: Callable[[int, str], None]) -> None:
    fake_endpoint(501, "NotImplemented")
    with pytest.raises(Unfit, match="501"):
        probe(open_bucket("bucket"))


def test_a_closer_finds_a_connection_kept_open_for_each_update_that_it_reads_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials(monkeypatch, "http://127.0.0.1:9")
    assert S3Store("bucket").client.meta.config.max_pool_connections > AT_ONCE
