"""Queries to a server that is not trusted: credentials, redirects, bounds, and what other servers answer."""

from __future__ import annotations

import gzip
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from fake_prometheus import NOW, FakePrometheus, Reply

from env.errors import ConfigError
from env.kube.bounded import MAX_ANSWER_BYTES
from env.kube.client import Timer
from env.usage.prometheus_http import (
    Credentials,
    PrometheusApi,
    PrometheusError,
    connect_prometheus,
)
from env.usage.usage import ContainerKey, Usage

Read = Callable[..., Usage]
WEB = ContainerKey("Deployment", "shop", "web", "web")
QUERY = "max by (pod) (max_over_time(container_memory_rss{}[60s]))"


def vector(*results: object, **more: object) -> Reply:
    return Reply.json({"status": "success", "data": {"resultType": "vector", "result": list(results)}, **more})


def connected(server: FakePrometheus, **secrets: str) -> PrometheusApi:
    return connect_prometheus(server.url, Credentials(**secrets), timer=Timer(sleep=lambda seconds: None))


def refusal(server: FakePrometheus, reply: Reply, **secrets: str) -> PrometheusError:
    server.break_with = lambda query, at: reply
    api = connected(server, **secrets)
    with pytest.raises(PrometheusError) as refused:
        api.query(QUERY, NOW)
    api.pool.clear()
    assert str(refused.value).isprintable()
    return refused.value


def test_a_token_or_a_user_goes_with_each_request_and_a_tenant_too(server: FakePrometheus) -> None:
    connected(server, token="t0k", tenant="shop").query(QUERY, NOW)
    assert (server.headers["authorization"], server.headers["x-scope-orgid"]) == ("Bearer t0k", "shop")
    connected(server, username="me", password="pass").query(QUERY, NOW)
    assert server.headers["authorization"] == "Basic bWU6cGFzcw=="
    connected(server).query(QUERY, NOW)
    assert "authorization" not in server.headers


def test_credentials_come_from_the_environment_alone() -> None:
    found = Credentials.of_environment({"SIM_ARENA_PROMETHEUS_TOKEN": "t0k\n", "OTHER": "x"})
    assert found == Credentials(token="t0k")
    assert "t0k" not in repr(found)
    with pytest.raises(ConfigError, match="SIM_ARENA_PROMETHEUS_TOKEN: holds a character") as refused:
        Credentials(token="t0k\nHost: x")
    assert "t0k" not in str(refused.value)
    with pytest.raises(ConfigError, match="set the one or the other"):
        Credentials(token="t0k", username="me")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "prometheus:9090",
        "ftp://a",
        "http://",
        "http://a:b:c",
        "http://a:99999",
        "http://a/?x=1",
        "http://a b",
        "http://[x",
    ],
)
def test_another_thing_than_a_url_is_wrong_usage(url: str) -> None:
    with pytest.raises(ConfigError, match="must be a URL"):
        connect_prometheus(url, Credentials())


def test_a_user_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="SIM_ARENA_PROMETHEUS_USERNAME") as refused:
        connect_prometheus("https://me:s3cret@prometheus", Credentials())
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("path", ["", "/", "/graph", "/api/v1", "/api/v1/query", "/query"])
def test_the_url_of_a_page_or_of_the_api_is_the_servers(path: str) -> None:
    assert connect_prometheus(f"http://a:9090/prometheus{path}", Credentials()).url == "http://a:9090/prometheus"


def test_a_file_without_certificates_is_wrong_usage(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").write_text("")
        with pytest.raises(ConfigError, match=r"--prometheus-ca .*: no certificates"):
            connect_prometheus("https://a", Credentials(), ca_file=path)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_variables_and_not_the_token(server: FakePrometheus, status: int) -> None:
    error = refusal(server, Reply(status, b"<html>token t0k-s3cret is wrong\x1b[2J</html>"), token="t0k-s3cret")
    assert str(status) in str(error)
    assert "SIM_ARENA_PROMETHEUS_TOKEN" in str(error)
    assert "s3cret" not in str(error)


def test_a_missing_path_is_told(server: FakePrometheus) -> None:
    assert "is a path missing, such as /prometheus?" in str(refusal(server, Reply(404, b"404 page not found\n")))


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [
        (422, "execution", "query processing would load too many samples into memory in query execution"),
        (503, "timeout", "query timed out in expression evaluation"),
        (422, "execution", "the query exceeded the maximum number of chunks (limit: 2000000 chunks) (err-mimir-max)"),
        (422, "422", "cannot select more than -search.maxSamplesPerQuery=1000000000 samples"),
        (504, "", ""),
        (413, "", "request entity too large"),
    ],
)
def test_a_query_that_is_too_much_is_known_as_one(server: FakePrometheus, status: int, kind: str, message: str) -> None:
    assert refusal(server, Reply.error(status, kind, message)).too_big
    assert len(server.queries) == 1


@pytest.mark.parametrize(
    ("status", "kind", "message"),
    [(400, "bad_data", "invalid parameter: parse error"), (422, "execution", "found duplicate series"), (500, "", "")],
)
def test_another_error_is_told_as_it_is(server: FakePrometheus, status: int, kind: str, message: str) -> None:
    error = refusal(server, Reply.error(status, kind, message))
    assert not error.too_big
    assert message in str(error)


def test_a_server_that_is_away_for_a_moment_is_asked_again(server: FakePrometheus, api: PrometheusApi) -> None:
    server.break_with = lambda query, at: Reply(503, b"starting") if len(server.queries) < 3 else None
    assert api.query(QUERY, NOW).samples == ()
    assert len(server.queries) == 3
    assert "503: starting" in str(refusal(server, Reply(503, b"starting")))


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(PrometheusError, match=r"no connection .*refused") as refused:
            connect_prometheus(url, Credentials(token="t0k")).query(QUERY, NOW)
    assert not refused.value.too_big


def test_https_to_a_server_without_it_asks_whether_http_is_meant(server: FakePrometheus) -> None:
    with pytest.raises(PrometheusError, match=r"wrong version number.*; is it http://\?"):
        connect_prometheus(server.url.replace("http:", "https:"), Credentials()).query(QUERY, NOW)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl")
def test_a_server_of_an_own_authority_needs_its_certificates(server: FakePrometheus, tmp_path: Path) -> None:
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "ca.pem", "-subj", "/CN=own",
            "-addext", "subjectAltName=IP:127.0.0.1"]  # fmt: skip
    subprocess.run(["openssl", *made], cwd=tmp_path, check=True, capture_output=True)
    server.encrypt(tmp_path / "ca.pem", tmp_path / "key")
    trusting = connect_prometheus(server.url, Credentials(), ca_file=tmp_path / "ca.pem")
    assert trusting.query(QUERY, NOW).samples == ()
    trusting.pool.clear()
    with pytest.raises(PrometheusError, match=r"certificate verify failed.*; .* give --prometheus-ca FILE"):
        connect_prometheus(server.url, Credentials()).query(QUERY, NOW)


def test_a_server_that_hangs_is_given_up_at_the_first_query(
    server: FakePrometheus, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("env.usage.prometheus_http.QUERY_S", 0.2)
    released = Event()
    server.break_with = lambda query, at: released.wait(30) and None
    with pytest.raises(PrometheusError, match="no answer within 0 s"):
        read(WEB)
    released.set()
    assert len(server.queries) == 1


def test_redirects_go_nowhere_but_to_the_same_server(server: FakePrometheus) -> None:
    moved = Reply(302, b"", {"Location": "http://localhost:1/login?token=x\x07"})
    assert "redirects to http://localhost:1/login; " in str(refusal(server, moved, token="t0k"))
    around = Reply(307, b"", {"Location": "/api/v1/query?query=x&time=1"})
    assert "more than 5 redirects" in str(refusal(server, around))


def test_a_redirect_on_the_same_server_is_followed(server: FakePrometheus, api: PrometheusApi) -> None:
    target = f"/elsewhere/api/v1/query?query={QUERY.replace(' ', '+')}&time=1"
    server.break_with = lambda query, at: Reply(301, b"", {"Location": target}) if at != 1 else None
    assert api.query(QUERY, NOW).samples == ()


def test_an_answer_that_grows_as_it_is_unpacked_is_cut(server: FakePrometheus) -> None:
    bomb = gzip.compress(b"[" * (MAX_ANSWER_BYTES + 10), 1)
    assert len(bomb) < 1024**2
    assert refusal(server, Reply(200, bomb, {"Content-Encoding": "gzip"})).too_big


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b"<html>Log in</html>", {"Content-Type": "text/html"}), r"is not JSON; .* \(it is text/html\)"),
        (Reply(200, b""), "is not JSON"),
        (Reply(200, b"[" * 100_000), "is not JSON"),
        (Reply(200, b"not gzip", {"Content-Encoding": "gzip"}), "no answer"),
        (Reply.json([1, 2]), "is not JSON"),
        (Reply.json({"status": "error", "error": "odd\x1b[2J"}), "odd"),
        (Reply.json({"status": "success", "data": {"resultType": "matrix", "result": []}}), "no vector"),
        (Reply.json({"status": "success", "data": []}), "no vector"),
        (Reply(200, b'{"status": "success"', {"Content-Length": "999"}), "no answer"),
    ],
)
def test_what_is_no_answer_is_an_error(server: FakePrometheus, reply: Reply, said: str) -> None:
    assert re.search(said, str(refusal(server, reply)))


def test_damaged_samples_are_left_out(server: FakePrometheus, api: PrometheusApi) -> None:
    good = {"metric": {"pod": "a"}, "value": [NOW, "1.5"]}
    bad = [
        {"metric": {"pod": "b"}, "value": [NOW, "NaN"]},
        {"metric": {"pod": "b"}, "value": [NOW, "+Inf"]},
        {"metric": {"pod": "b"}, "value": [NOW]},
        {"metric": {"pod": 3}, "value": [NOW, "1"]},
        {"metric": {"pod": "x" * 10_000}, "value": [NOW, "1"]},
        {"metric": {"pod": "b"}, "histogram": [NOW, {}]},
        {"value": [NOW, "1"]},
        "odd",
    ]
    server.break_with = lambda query, at: vector(good, *bad)
    answer = api.query(QUERY, NOW)
    assert ([each.value for each in answer.samples], answer.left_out) == ([1.5], len(bad))


@pytest.mark.parametrize(
    "more",
    [
        {"warnings": ['fetch series for {cluster="b"}: rpc error: Unavailable']},  # Thanos
        {"warnings": ["results truncated due to limit"]},  # Prometheus, by the request's limit
        {"isPartial": True},  # VictoriaMetrics
    ],
)
def test_a_partial_answer_makes_the_figures_partial(
    server: FakePrometheus, read: Read, more: dict[str, object]
) -> None:
    labels = {"namespace": "shop", "pod": "web-6d4b9c7f5-x7k2p", "container": "web"}
    server.gauge("container_memory_working_set_bytes", labels, 1.0)
    server.extra = more
    found = read(WEB)
    assert found.of(WEB).is_partial
    assert "figures may be too small" in " ".join(found.notes)


def test_a_warning_about_the_query_makes_nothing_partial(server: FakePrometheus, read: Read) -> None:
    labels = {"namespace": "shop", "pod": "web-6d4b9c7f5-x7k2p", "container": "web"}
    server.gauge("container_memory_working_set_bytes", labels, 1.0)
    server.extra = {"warnings": ["PromQL warning: \x1b[2J"], "infos": ["PromQL info: metric might not be a counter"]}
    found = read(WEB)
    assert not found.of(WEB).is_partial
    assert all(each.isprintable() for each in found.notes)


def test_a_server_that_does_not_aggregate_is_understood_too(server: FakePrometheus, read: Read) -> None:
    raw = {"namespace": "shop", "pod": "web-6d4b9c7f5-x7k2p", "instance": "10.0.0.1:10250"}
    values = {"container_memory_working_set_bytes": "1000", "container_cpu_usage_seconds_total": "0.5",
              "kube_pod_container_status_last_terminated_reason": "1"}  # fmt: skip

    def answer(query: str, at: float) -> Reply:
        value = next((each for metric, each in values.items() if metric in query), None)
        others = [
            {"container": "web", "reason": "Error"},
            {"container": ""},
            {"container": "POD", "reason": "OOMKilled"},
        ]
        several = [{"container": "web", "job": job} for job in ("kubelet", "cadvisor")] if "reason" not in query else []
        return vector(*({"metric": {**raw, **each}, "value": [at, value]} for each in several + others if value))

    server.break_with = answer
    found = read(WEB).of(WEB)
    assert (found.memory_bytes, found.cpu_m, found.is_floor) == (1000, 500, False)
