"""An API server that attacks: what it sends has an end, and each error is one line."""

from __future__ import annotations

import itertools
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from env.kube import bounded, client
from env.kube.client import KubeApi, KubeError
from env.kube.connect import connect
from env.simkube.doctor import Patient, examine

DEEP = b'{"a":' * 200_000


class Hostile:
    """Answers every request with the same status and body; an endless one goes on until the client hangs up."""

    def __init__(self) -> None:
        self.status, self.body = 200, b"{}"
        self.endless = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    length = 10**9 if self.endless else len(self.body)
                    head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                    connection.sendall(head.encode() + self.body)
                    while self.endless:
                        connection.sendall(b" " * 65_536)

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[Hostile, KubeApi]]:
    server = Hostile()
    config = kubeconfig(tmp_path / "config", server.url)
    api = connect(kubeconfig=str(config))
    yield server, api
    api.close()
    server.close()


@pytest.mark.parametrize("status", [200, 403])
@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b"[]",
        b"\xff\x00",
        b'{"items": {"a": 1}}',
        b'{"items": [1]}',
        b'{"items": [], "metadata": [1]}',
        b'{"items": "x", "message": "\\u001b[2J\\nmend: rm -rf /", "reason": 7}',
    ],
)
def test_what_is_no_answer_of_an_api_server_is_one_line(
    hostile: tuple[Hostile, KubeApi], status: int, body: bytes
) -> None:
    server, api = hostile
    server.status, server.body = status, body
    with pytest.raises(KubeError) as raised:
        api.list("/api/v1/pods")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_cut_off(
    hostile: tuple[Hostile, KubeApi], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, api = hostile
    server.status, server.endless = status, True
    monkeypatch.setattr(bounded, "MAX_ANSWER_BYTES", 1 << 20)
    with pytest.raises(KubeError):
        api.get("/api/v1/pods")


def test_a_listing_that_always_continues_ends(
    hostile: tuple[Hostile, KubeApi], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, api = hostile
    server.body = b'{"items": [], "metadata": {"continue": "x"}}'
    monkeypatch.setattr(client, "MAX_PAGES", 3)
    with pytest.raises(KubeError, match="more than 3 pages"):
        api.list("/api/v1/pods")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_of_another_authority_is_told_and_not_waited_out(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=other"]
    subprocess.run([*words, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    api = connect(kubeconfig=str(kubeconfig(tmp_path / "config", url)))
    try:
        with pytest.raises(KubeError, match="shows a certificate that the kubeconfig's certificate-authority") as error:
            client.wait(api, "a node", 60, lambda api: api.get("/api/v1/nodes/a"))
        assert (error.value.reason, error.value.passing) == (client.UNTRUSTED, False)
        ((_, finding),) = examine(Patient(api)).items()
        assert finding.mend.startswith("is this the kubeconfig of that cluster, and not of one before it?")
    finally:
        api.close()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def kubeconfig(path: Path, url: str) -> Path:
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{url}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n"
    )
    return path


def test_a_trickle_is_over_when_its_time_is() -> None:
    ticks = itertools.count()

    class Trickle:
        def read1(self, size: int) -> bytes:
            return b"x"

        def close(self) -> None:
            pass

    with pytest.raises(client.urllib3.exceptions.HTTPError, match="does not end"):
        bounded.read_bounded(Trickle(), client.Timer(lambda: float(next(ticks)), lambda _: None), 10.0)
