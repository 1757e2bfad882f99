"""What all tests share: an isolated environment, and S3 servers to run against."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the developer's own AWS settings or ours."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SIM_ARENA_")) and name != "SIM_ARENA_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Installs a package of one module: its name, its source, and its entry points by group."""
    from env.gym.reward import reward_plugin
    from env.gym.vector_kernel import compiled
    from env.problems.generate import problem_plugin
    from protocol.learners.catalogue import _kind

    caches = (reward_plugin, compiled, problem_plugin, _kind)

    def make(name: str, source: str, entry_points: dict[str, dict[str, str]], version: str = "1.0") -> Path:
        module, folder = name.replace("-", "_"), tmp_path / name
        info = folder / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(source)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        groups = (
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in entry_points.items()
        )
        (info / "entry_points.txt").write_text("\n".join(groups))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)
        for cached in caches:
            cached.cache_clear()
        return folder

    yield make
    for cached in caches:
        cached.cache_clear()


@pytest.fixture(scope="session")
def embedded_s3() -> Iterator[dict[str, str]]:
    """The environment of an embedded S3 that serves this test session."""
    pytest.importorskip("moto")
    from infra.local import s3

    with s3.serving() as endpoint:
        yield s3.environment(endpoint)


@pytest.fixture(scope="session")
def ceph_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a throw-away Ceph RadosGW: needs Debian's radosgw, ceph-mon, ceph-osd, and root."""
    if not shutil.which("radosgw"):
        pytest.skip("radosgw is not installed")
    folder = tmp_path_factory.mktemp("ceph")
    port = free_port()
    script = Path(__file__).parent / "ceph-rgw"
    try:
        subprocess.run([script, folder, str(port)], check=True, timeout=120, stdout=subprocess.DEVNULL)
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "sim-arena",
            "AWS_SECRET_ACCESS_KEY": "sim-arena-local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        for pid in sorted((folder / "run").glob("*.pid")):
            os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.fixture(scope="session")
def minio_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a throw-away MinIO: needs `go install github.com/minio/minio@latest`."""
    import socket

    program = shutil.which("minio")
    if not program:
        pytest.skip("minio is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    secrets_ = {"MINIO_ROOT_USER": "sim-arena", "MINIO_ROOT_PASSWORD": "sim-arena-local"}
    command = [program, "server", str(tmp_path_factory.mktemp("minio")), "--address", address, "--quiet"]
    server = subprocess.Popen(
        command, env={**os.environ, **secrets_}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until_live(address)
        yield {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_ACCESS_KEY_ID": secrets_["MINIO_ROOT_USER"],
            "AWS_SECRET_ACCESS_KEY": secrets_["MINIO_ROOT_PASSWORD"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.kill()
        server.wait()


def wait_until_live(address: str) -> None:
    """Until MinIO says that it is ready."""
    import time
    import urllib.request

    for _ in range(300):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/minio/health/ready", timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("minio does not start")


def free_port() -> int:
    """A port P of which P+1000 and P+1001, the monitor's, are free too."""
    import socket

    for port in range(17_480, 18_480, 10):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in (port, port + 1000, port + 1001):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return port
    raise RuntimeError("no free port for Ceph")


@pytest.fixture(scope="session")
def _client_parts() -> tuple[Any, Any]:
    """What makes boto3's clients, with a memory: reading a service's model takes most of a short test's time."""
    from botocore.client import ClientCreator
    from botocore.loaders import create_loader

    create, classes = ClientCreator._create_client_class, dict[str, type]()

    def class_of(creator: ClientCreator, service_name: str, service_model: Any) -> type:
        """One class for all clients of a service, whose hundreds of methods boto3 writes anew for each client."""
        if service_name not in classes:
            classes[service_name] = create(creator, service_name, service_model)
        return classes[service_name]

    return cache(create_loader), class_of


@pytest.fixture(scope="module")
def quick_clients(_client_parts: tuple[Any, Any]) -> Iterator[None]:
    """boto3's sessions of this process share the models of services and the classes of clients."""
    loader, class_of = _client_parts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", loader)
        patch.setattr("botocore.client.ClientCreator._create_client_class", class_of)
        yield


@pytest.fixture
def bucket_on(
    request: pytest.FixtureRequest, quick_clients: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Makes a fresh bucket on the server `embedded`, `ceph` or `minio`; boto3 finds it through the environment."""

    def make(server: str) -> str:
        for name, value in request.getfixturevalue(f"{server}_s3").items():
            monkeypatch.setenv(name, value)
        return new_bucket()

    return make


@pytest.fixture(params=["embedded", "ceph"])
def s3(request: pytest.FixtureRequest, bucket_on: Callable[[str], str]) -> str:
    """A fresh bucket on each S3 server in turn."""
    return bucket_on(request.param)


@pytest.fixture
def bucket_name(bucket_on: Callable[[str], str]) -> str:
    """A fresh bucket on the embedded S3."""
    return bucket_on("embedded")


def new_bucket() -> str:
    import secrets

    import boto3

    name = f"test-{secrets.token_hex(6)}"
    boto3.session.Session().client("s3").create_bucket(Bucket=name)
    return name
