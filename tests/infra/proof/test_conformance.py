"""`sim-arena s3 check`: which endpoints are fit, which are not, and why."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from infra.local import s3
from infra.local.processes import clean_environment, command
from infra.proof.conformance import races, reads
from infra.proof.conformance import run as conformance
from infra.proof.conformance.endpoint import Endpoint
from infra.proof.conformance.races import LARGE, MANY, check_race, race_fault
from infra.proof.conformance.uploads import Answer, PausingBody
from protocol.commands.buckets import open_bucket
from protocol.wire.clock import system_clock
from protocol.wire.errors import StoreError
from protocol.wire.probe import CheckResult, Finding, judge, look

KEYS = {"AWS_ACCESS_KEY_ID": "access-key-of-tests", "AWS_SECRET_ACCESS_KEY": "secret-key-of-tests"}


def endpoint_of(bucket: str) -> Endpoint:
    return Endpoint(bucket, system_clock(), 1.0)


def verdicts(findings: Iterable[Finding]) -> dict[str, CheckResult]:
    return {finding.check: finding.verdict for finding in findings}


def left_in(bucket: str) -> list[str]:
    return [entry.key for entry in open_bucket(bucket).list("").entries]


def run_check(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command("sim-arena", "s3", "check", *arguments), capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    return done


# -- servers that are fit ----------------------------------------------------------------------------------------------


def test_the_embedded_s3_and_ceph_are_fit(s3: str) -> None:
    findings = conformance.examine(endpoint_of(s3), quick=False)
    assert [finding for finding in findings if finding.verdict in (CheckResult.FAILED, CheckResult.SKIPPED)] == []
    assert len(findings) == len(verdicts(findings)) == 16
    assert left_in(s3) == []


def test_minio_is_fit_and_warned_of_for_keys_as_folders(bucket_on: Callable[[str], str]) -> None:
    bucket = bucket_on("minio")
    found = verdicts(conformance.examine(endpoint_of(bucket), quick=False))
    assert {name for name, verdict in found.items() if verdict is not CheckResult.OK} == {"keys as folders"}
    assert found["keys as folders"] is CheckResult.WARN


def test_a_server_that_asks_for_no_secret_is_warned_of(bucket_on: Callable[[str], str]) -> None:
    [embedded] = reads.check_credentials(endpoint_of(bucket_on("embedded")))
    assert embedded.verdict is CheckResult.WARN
    assert "a listing with a wrong secret key is answered" in embedded.detail


def test_the_command_prints_what_it_found(bucket_name: str) -> None:
    done = run_check("--bucket", bucket_name, "--quick", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["fit"], found["bucket"]) == (True, bucket_name)
    assert [row["check"] for row in found["findings"]] == ["create-only", "user metadata", "own writes", "one clock"]


# -- servers that are not ----------------------------------------------------------------------------------------------


@contextmanager
def child(arguments: Sequence[str], announces: str) -> Iterator[str]:
    """A server as a process of its own; the URL that follows `announces` in its log."""
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean_environment({}), text=True
    ) as process:
        assert process.stderr is not None
        reader = None
        try:
            line = next(line for line in process.stderr if announces in line)
            reader = threading.Thread(target=drain, args=(process.stderr,))  # a full pipe would stop the server
            reader.start()
            yield line.partition(announces)[2].strip(" []\n").rstrip("/")
        finally:
            process.kill()
            if reader:
                reader.join()


def drain(log: IO[str]) -> None:
    for _ in log:
        pass


def ensure_created(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)


def test_rclone_ignores_conditions_and_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rclone = Path(sys.executable).with_name("rclone")
    if not rclone.exists():
        pytest.skip("rclone is not installed")
    (tmp_path / "bucket").mkdir()
    arguments = ["serve", "s3", "--config", os.devnull, "--addr", "127.0.0.1:0", "--auth-key", ",".join(KEYS.values())]
    with child([str(rclone), *arguments, str(tmp_path)], "Starting s3 server on ") as url:
        ensure_created(monkeypatch, url)
        done = run_check("--bucket", "bucket", "--quick", "--json")
        store = endpoint_of("bucket").store
        store.put("key", b"", {"nonce": "n"}, create_only=False)
        # Go's HTTP server writes `Nonce`; a header is the same in any case.
        assert store.metadata("key") == {"nonce": "n"}
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: s3://bucket at {url} is unfit: create-only"
    [why] = [row["detail"] for row in json.loads(done.stdout)["findings"] if row["verdict"] == "failed"]
    assert "ignores If-None-Match" in why


def test_stock_moto_is_not_atomic_which_only_large_bodies_show(monkeypatch: pytest.MonkeyPatch) -> None:
    with child([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], "Running on ") as url:
        ensure_created(monkeypatch, url)
        s3.create_bucket(url, "bucket")
        endpoint = endpoint_of("bucket")
        assert conformance.fit(judge(look(endpoint.bucket)))
        [finding] = check_race(endpoint, LARGE)
        assert finding.verdict is CheckResult.FAILED
        assert "creators of one key were told that they had won" in finding.detail


WSGI = s3.WSGI
Wrapper = Callable[[WSGI], WSGI]


@contextmanager
def altered_s3(wrapper: Wrapper, dates: Iterator[str] | None = None) -> Iterator[str]:
    """The embedded S3 behind a layer that breaks a promise, perhaps with other Dates in its listings; its URL."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return next(dates) if dates and "list-type=2" in self.path else super().date_time_string(timestamp)

    application = wrapper(s3.one_at_a_time(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        s3.create_bucket(url, "altered")
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def checks_at_the_headers(application: WSGI) -> WSGI:
    """Whether a key is free is looked up before the body is read, and not again."""
    taken: set[str] = set()

    def altered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.pop("HTTP_IF_NONE_MATCH", None):
            if environ["PATH_INFO"] in taken:
                environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
                start("412 Precondition Failed", [("Content-Length", "0")])
                return [b""]
            answer = list(application(environ, start))
            taken.add(environ["PATH_INFO"])
            return answer
        return application(environ, start)

    return altered


def keeps_half_a_body(application: WSGI) -> WSGI:
    def altered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body, whole = b"", int(environ.get("CONTENT_LENGTH") or 0)
        with contextlib.suppress(OSError):  # the connection is gone
            while len(body) < whole and (chunk := environ["wsgi.input"].read1(whole - len(body))):
                body += chunk
        return application({**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}, start)

    return altered


def with_query(change: Callable[[str], str]) -> Wrapper:
    return lambda application: (
        lambda environ, start: application({**environ, "QUERY_STRING": change(environ.get("QUERY_STRING", ""))}, start)
    )


def without(parameter: str) -> Wrapper:
    """Leaves a parameter of listings unread."""
    return with_query(lambda query: "&".join(part for part in query.split("&") if not part.startswith(parameter)))


def lists_late(application: WSGI) -> WSGI:
    return with_query(lambda query: query.replace("prefix=", "prefix=nothing/"))(application)


def plain_writes(answer: str) -> Wrapper:
    """Plain writes of objects are answered so, and not carried out."""

    def wrapper(application: WSGI) -> WSGI:
        def altered(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            plain = environ["REQUEST_METHOD"] == "PUT" and "HTTP_IF_NONE_MATCH" not in environ
            if not plain or environ["PATH_INFO"].strip("/") == "altered":
                return application(environ, start)
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            refusal = b"" if answer.startswith("200") else b"<Error><Code>AccessDenied</Code></Error>"
            start(answer, [("Content-Length", str(len(refusal))), ("ETag", '"x"')])
            return [refusal]

        return altered

    return wrapper


FAILED, SKIPPED = CheckResult.FAILED, CheckResult.SKIPPED


@pytest.mark.parametrize(
    ("wrapper", "check", "verdict", "detail"),
    [
        (checks_at_the_headers, races.check_slow_body, FAILED, "2 creators of one key"),
        (checks_at_the_headers, lambda endpoint: check_race(endpoint, MANY), FAILED, "creators of one key"),
        (keeps_half_a_body, races.check_cut_off_body, FAILED, "broke off half-way became an object"),
        (lists_late, reads.check_own_writes, FAILED, "not seen at once: LIST missed 20 of 20"),
        (without("start-after"), reads.check_listing, FAILED, "StartAfter does not begin at the next key"),
        (plain_writes("200 OK"), reads.check_renewal, FAILED, "does not renew its Last-Modified"),
        (plain_writes("403 Forbidden"), reads.check_renewal, SKIPPED, "only create-only writes"),
    ],
)
def test_a_server_that_breaks_a_promise_fails_the_check_of_it(
    wrapper: Wrapper,
    check: Callable[[Endpoint], list[Finding]],
    verdict: CheckResult,
    detail: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with altered_s3(wrapper) as url:
        ensure_created(monkeypatch, url)
        findings = check(endpoint_of("altered"))
    assert [finding for finding in findings if finding.verdict is verdict and detail in finding.detail], findings


def test_a_clock_that_goes_back_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    dates = itertools.cycle(["Sat, 21 Nov 2020 12:00:05 GMT", "Sat, 21 Nov 2020 12:00:00 GMT"])
    with altered_s3(lambda application: application, dates) as url:
        ensure_created(monkeypatch, url)
        found = {finding.check: finding for finding in reads.check_own_writes(endpoint_of("altered"))}
    assert found["own writes, 20 times"].verdict is CheckResult.OK
    assert found["one clock, 20 times"].verdict is FAILED
    assert found["Date goes on"].detail == "Date went back by 5 s from one answer to the next"


def test_races_are_skipped_where_conditions_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignores_conditions(application: WSGI) -> WSGI:
        return lambda environ, start: application(
            {name: value for name, value in environ.items() if name != "HTTP_IF_NONE_MATCH"}, start
        )

    with altered_s3(ignores_conditions) as url:
        ensure_created(monkeypatch, url)
        found = verdicts(conformance.examine(endpoint_of("altered"), quick=False, each=lambda names: names[:4]))
    assert (found["create-only"], found["race of 32"], found["slow body"]) == (FAILED, SKIPPED, SKIPPED)


def test_no_such_bucket_is_one_line(bucket_name: str) -> None:
    done = run_check("--bucket", "no-such-bucket-here")
    assert done.returncode == 1
    [line] = done.stderr.strip().splitlines()
    assert "create the bucket, or check --bucket" in line


def test_a_wrong_secret_is_one_line(bucket_on: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = bucket_on("ceph")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=r"wrong secret key\)$"):
        conformance.examine(endpoint_of(bucket), quick=False)


def test_an_endpoint_without_a_server_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_created(monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"no answer from http://127\.0\.0\.1:9"):
        conformance.examine(Endpoint("bucket", system_clock(), 0.0), quick=False)


# -- cleaning up -------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_behind(bucket_name: str) -> None:
    def interrupted(names: Sequence[str]) -> Iterator[str]:
        yield from names[:2]
        assert left_in(bucket_name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conformance.examine(endpoint_of(bucket_name), quick=False, each=interrupted)
    assert left_in(bucket_name) == []


def test_ctrl_c_breaks_uploads_off(bucket_name: str) -> None:
    endpoint = endpoint_of(bucket_name)
    bodies = [PausingBody(b"a", 100_000, 50_000), PausingBody(b"b", 100_000, 50_000)]
    with pytest.raises(KeyboardInterrupt), endpoint.uploads.started("key", bodies):
        raise KeyboardInterrupt
    assert left_in(bucket_name) == []


# -- judging races -----------------------------------------------------------------------------------------------------

A, B = PausingBody(b"a", 10, 10), PausingBody(b"b", 10, 10)
STORED, REFUSED, UNCLEAR = Answer.STORED, Answer.REFUSED, Answer.UNCLEAR


@pytest.mark.parametrize(
    ("answers", "stored", "fault"),
    [
        ((STORED, REFUSED), b"a" * 10, None),
        ((STORED, UNCLEAR), b"a" * 10, None),
        ((REFUSED, UNCLEAR), b"b" * 10, None),
        ((STORED, STORED), b"a" * 10, "2 creators of one key were told that they had won"),
        ((STORED, REFUSED), b"b" * 10, "another body than the winner's is stored"),
        ((STORED, REFUSED), b"a" * 9, "another body than the winner's is stored"),
        ((STORED, UNCLEAR), b"b" * 10, "another body than the winner's is stored"),
        ((STORED, REFUSED), None, "the winner's object cannot be read"),
        ((REFUSED, REFUSED), None, "every creator of a fresh key was refused"),
        ((UNCLEAR, UNCLEAR), None, "no creator got a clear answer"),
    ],
)
def test_a_race_has_one_winner_whose_body_is_stored(
    answers: tuple[Answer, Answer], stored: bytes | None, fault: str | None
) -> None:
    assert race_fault([A, B], answers, stored) == fault
