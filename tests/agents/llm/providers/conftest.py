"""What the tests of providers share: no key, URL or proxy of the developer's own, and a server to talk to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .wire import Wire

OF_PROVIDERS = ("ANTHROPIC_", "OPENAI_", "GEMINI_", "GOOGLE_")


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(OF_PROVIDERS) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that answers what a test tells it to."""
    with Wire() as server:
        yield server
