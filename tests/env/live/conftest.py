"""A real cluster, as far as its API server shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi
from live_objects import Ward

from env.kube.client import KubeApi, Timer
from env.kube.connect import connect
from env.live.cluster import LiveCluster, Rights
from env.live.reading import Reader

Open = Callable[..., LiveCluster]


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with FakeApi() as api:
        yield api


@pytest.fixture
def ward(fake: FakeApi) -> Ward:
    """Two healthy nodes to put objects beside."""
    return Ward(fake)


@pytest.fixture
def api(fake: FakeApi, tmp_path: Path) -> Iterator[KubeApi]:
    """A client whose sleep takes no time."""
    timer = Timer(sleep=lambda seconds: None)
    connection = connect(kubeconfig=str(fake.write_kubeconfig(tmp_path / "kubeconfig")), timer=timer)
    yield replace(connection, request_timeout_s=5.0)
    connection.close()


@pytest.fixture
def examined(api: KubeApi) -> Open:
    """Opens the cluster; keywords are those of Rights."""

    def make(*namespaces: str, **rights: Any) -> LiveCluster:
        return LiveCluster(Reader(api, namespaces), Rights(**rights))

    return make
