"""A fake Prometheus, and a client of it whose sleep takes no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_prometheus import NOW, FakePrometheus
from real_prometheus import PROGRAMS, RealPrometheus

from env.kube.client import Timer
from env.usage.prometheus import read_prometheus
from env.usage.prometheus_http import Credentials, PrometheusApi, connect_prometheus
from env.usage.usage import ContainerKey, Usage

Read = Callable[..., Usage]


@pytest.fixture
def server() -> Iterator[FakePrometheus | RealPrometheus]:
    found = RealPrometheus(PROGRAMS) if PROGRAMS else FakePrometheus()
    yield found
    found.close()


@pytest.fixture
def api(server: FakePrometheus | RealPrometheus) -> Iterator[PrometheusApi]:
    found = connect_prometheus(server.url, Credentials(), timer=Timer(sleep=lambda seconds: None))
    yield found
    found.pool.clear()


@pytest.fixture
def read(server: FakePrometheus | RealPrometheus, api: PrometheusApi) -> Read:
    """Reads the use of these containers over a day; keywords are those of `read_prometheus`."""

    def make(*asked: ContainerKey, **options: Any) -> Usage:
        server.ready()
        return read_prometheus(api, asked, **{"range_s": 86_400.0, "now": NOW, **options})

    return make
