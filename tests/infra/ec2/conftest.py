"""AWS and instance metadata for tests of fleets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import imds as metadata
import pytest
from botocore.client import ClientCreator
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
def double(_served: Double, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Double:
    """An account with nothing in it but each region's default network; boto3 finds it through the environment."""
    _served.reset()
    monkeypatch.setattr("botocore.session.create_loader", _loader)
    monkeypatch.setattr("botocore.client.ClientCreator._create_client_class", _client_class)
    for name, value in s3.environment(_served.endpoint).items():
        monkeypatch.setenv(name, value)
    return _served


@cache
def _loader(search_path: str | None = None) -> Any:
    """One for all sessions: to read EC2's model anew for each of them takes most of a test's time."""
    from botocore.loaders import create_loader

    return create_loader(search_path)


_CLIENT_CLASSES: dict[str, type] = {}
_CREATE_CLIENT_CLASS = ClientCreator._create_client_class


def _client_class(creator: ClientCreator, service_name: str, service_model: Any) -> type:
    """One class for all clients of a service: boto3 writes its hundreds of methods anew for each client."""
    if service_name not in _CLIENT_CLASSES:
        _CLIENT_CLASSES[service_name] = _CREATE_CLIENT_CLASS(creator, service_name, service_model)
    return _CLIENT_CLASSES[service_name]


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
