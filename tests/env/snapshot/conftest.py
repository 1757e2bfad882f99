"""A cluster to take a snapshot of, as far as its API server shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_api import FakeApi
from town import Town

from env.kube.client import KubeApi, Timer
from env.kube.connect import connect
from env.snapshot.live import read_cluster
from env.snapshot.snapshot import Snapshot


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as api:
        yield api


@pytest.fixture
def town(fake: FakeApi) -> Town:
    """Two empty nodes, to put workloads on."""
    return Town(fake)


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path) -> Iterator[KubeApi]:
    """A client whose sleep takes no time."""
    timer = Timer(sleep=lambda seconds: None)
    connection = connect(kubeconfig=str(fake.write_kubeconfig(tmp_path / "kubeconfig")), timer=timer)
    yield replace(connection, request_timeout_s=5.0)
    connection.close()


@pytest.fixture
def read(api: KubeApi) -> Callable[..., Snapshot]:
    """Takes a snapshot of the namespaces given, or of all."""
    return lambda *namespaces: read_cluster(api, "context fake", namespaces)
