"""AWS and instance metadata for tests of fleets."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import imds as metadata
import pytest
from double import Double, serving
from formation import complete_moto
from imds import Imds

from infra.local import s3


@pytest.fixture(scope="session")
def _served() -> Iterator[Double]:
    pytest.importorskip("moto")
    complete_moto()
    with serving() as double:
        yield double


@pytest.fixture
def double(_served: Double, quick_clients: None, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Double:
    """An account with nothing in it but each region's default network; boto3 finds it through the environment."""
    _served.reset()
    for name, value in s3.environment(_served.endpoint).items():
        monkeypatch.setenv(name, value)
    return _served


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that boto3 would have waited before trying again; it does not wait."""
    seconds: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=seconds.append))
    return seconds


@pytest.fixture
def imds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Imds]:
    """The metadata service of an instance; boto3 and ours find it through the environment."""
    with metadata.serving() as served:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", served.endpoint)
        monkeypatch.delenv("AWS_EC2_METADATA_DISABLED", raising=False)
        yield served
