"""Keys and base URLs, as users write them into the environment."""

from __future__ import annotations

import pytest

from agents.llm.model import ProviderRefused
from agents.llm.providers.endpoint import Endpoint, api_key, base_url

DEFAULT = "https://api.example.com/v1"


def test_the_first_key_that_is_set_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B_KEY", " sk-b\n")
    assert api_key(("A_KEY", "B_KEY")) == "sk-b"
    monkeypatch.setenv("A_KEY", "sk-a")
    assert api_key(("A_KEY", "B_KEY")) == "sk-a"


@pytest.mark.parametrize("key", ["", "  "])
def test_without_a_key_the_variables_are_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(ProviderRefused, match="no API key: set A_KEY or B_KEY; the provider 'scripted' needs none"):
        api_key(("A_KEY", "B_KEY"))
    assert api_key(("A_KEY", "B_KEY"), required=False) == ""


@pytest.mark.parametrize("key", ["sk-one two", "sk-one\ntwo", "sk-\u00fc", "sk-\x7f"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(ProviderRefused, match="A_KEY holds no key") as raised:
        api_key(("A_KEY",), required=False)
    assert "sk-" not in str(raised.value)


def test_the_base_url_is_the_variables_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_url("A_URL", DEFAULT) == DEFAULT
    monkeypatch.setenv("A_URL", "")
    assert base_url("A_URL", DEFAULT) == DEFAULT
    monkeypatch.setenv("A_URL", " http://localhost:11434/v1 ")
    assert base_url("A_URL", DEFAULT) == "http://localhost:11434/v1"


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "ftp://localhost", "http://", "http://h:99999", "http://h:x", "http://[::1", "http://a\x1bb"],
)
def test_a_base_url_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("A_URL", url)
    with pytest.raises(ProviderRefused, match=f"A_URL is no http or https URL; for example: {DEFAULT}"):
        base_url("A_URL", DEFAULT)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example.com", "openai (https://api.example.com)"),
        ("http://user:hunter2@host:8000/v1/?token=abc#x", "openai (http://host:8000/v1)"),
    ],
)
def test_of_an_endpoint_no_secret_is_shown(url: str, shown: str) -> None:
    endpoint = Endpoint("openai", url, "m", "", (), "sk-secret")
    assert endpoint.shown == shown
    assert not [secret for secret in ("hunter2", "abc", "sk-secret") if secret in repr(endpoint)]
