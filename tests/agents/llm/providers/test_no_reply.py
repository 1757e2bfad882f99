"""What all providers have in common where there is no reply: the real SDKs against a server that fails."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agents.llm.model import Model, ProviderAway, ProviderRefused
from agents.llm.providers.anthropic import Anthropic
from agents.llm.providers.gemini import Gemini
from agents.llm.providers.openai import OpenAI

from . import anthropic_wire, gemini_wire, openai_wire
from .conversations import asking
from .wire import Answer, Wire, flood, trickle

KEY = "sk-secret-7f3a"
JSON = {"content-type": "application/json"}
Make = Callable[[Wire, float], Model]


@dataclass(frozen=True)
class Kind:
    """A provider, the variables of its key and URL, and how its API says things."""

    provider: Any
    key: str
    url: str
    suffix: str
    errors: Any
    right: Answer

    def error(self, status: int, said: str, **headers: str) -> Answer:
        return self.errors.error(status, "some_code", said, **headers)


KINDS = {
    "anthropic": Kind(
        Anthropic,
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "",
        anthropic_wire,
        anthropic_wire.message(anthropic_wire.text("x")),
    ),
    "gemini": Kind(
        Gemini, "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "", gemini_wire, gemini_wire.content({"text": "x"})
    ),
    "openai": Kind(OpenAI, "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1", openai_wire, openai_wire.completion("x")),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def make(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes a model that asks a server, with the time limit of its requests."""
    made: list[Model] = []

    def model(wire: Wire, timeout_s: float) -> Model:
        monkeypatch.setenv(kind.key, KEY)
        monkeypatch.setenv(kind.url, wire.url + kind.suffix)
        made.append(kind.provider("some-model", timeout_s))
        return made[-1]

    yield model
    for one in made:
        one.close()


def away(wire: Wire, make: Make, answer: Answer, timeout_s: float = 10) -> ProviderAway:
    wire.answers = [answer]
    with pytest.raises(ProviderAway) as raised:
        make(wire, timeout_s).complete(asking())
    assert len(wire.received) == 1, "one `complete` is one request"
    assert KEY not in str(raised.value)
    assert str(raised.value).isprintable()
    return raised.value


def refused(wire: Wire, make: Make, answer: Answer) -> str:
    wire.answers = [answer]
    with pytest.raises(ProviderRefused) as raised:
        make(wire, 10).complete(asking())
    assert len(wire.received) == 1, "one `complete` is one request"
    assert KEY not in str(raised.value)
    assert str(raised.value).isprintable()
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "may_be_paid"),
    [(429, False), (500, True), (529, False)],
)
def test_a_server_that_is_busy_or_broken_is_away(
    kind: Kind, wire: Wire, make: Make, status: int, may_be_paid: bool
) -> None:
    failure = away(wire, make, kind.error(status, "Overloaded"))
    assert f"answered {status}: Overloaded" in str(failure)
    assert (failure.may_be_paid, failure.retry_after_s) == (may_be_paid, None)


def test_what_a_server_asks_to_wait_is_told(kind: Kind, wire: Wire, make: Make) -> None:
    assert away(wire, make, kind.error(429, "Slow down", retry_after="17")).retry_after_s == 17.0


@pytest.mark.parametrize("status", [400, 401])
def test_a_refused_request_is_one_line_with_the_reason(kind: Kind, wire: Wire, make: Make, status: int) -> None:
    message = refused(wire, make, kind.error(status, f"Bad\nrequest \x1b[31m of {KEY}: too\u202elong"))
    assert f"refused the request with {status}: Bad request ?[31m of ***: too?long" in message
    assert (kind.key in message) == (status == 401)


def test_an_unknown_model_is_one_line_that_says_what_to_use(kind: Kind, wire: Wire, make: Make) -> None:
    message = refused(wire, make, kind.error(404, "model some-model was not found"))
    assert "has no model 'some-model', or no longer" in message


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_no_api(wire: Wire, make: Make, status: int) -> None:
    page = Answer(status, b"<!DOCTYPE html><title>Welcome</title>", {"content-type": "text/html; charset=utf-8"})
    message = refused(wire, make, page)
    assert f"answered {status} with text/html; charset=utf-8, not JSON: no such API is there" in message


def test_a_page_of_a_gateway_is_a_server_that_is_away(wire: Wire, make: Make) -> None:
    page = Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html", "retry-after": "3"})
    assert away(wire, make, page).retry_after_s == 3


def test_a_redirect_is_not_followed(wire: Wire, make: Make) -> None:
    message = refused(wire, make, Answer(307, b"", {"location": "https://elsewhere.example/v1"}))
    assert "redirects to https://elsewhere.example/v1: set the base URL to where it leads" in message


def test_a_connection_that_is_cut_in_the_answer_may_be_paid(kind: Kind, wire: Wire, make: Make) -> None:
    whole = json.dumps(kind.right.body).encode()
    failure = away(wire, make, Answer(200, whole[:40], {"content-type": "application/json"}, length=len(whole)))
    assert failure.may_be_paid
    assert "no whole answer" in str(failure)


def test_an_answer_that_ends_early_may_be_paid(kind: Kind, wire: Wire, make: Make) -> None:
    whole = json.dumps(kind.right.body).encode()
    failure = away(wire, make, Answer(200, whole[:40], {"content-type": "application/json"}))
    assert failure.may_be_paid
    assert "malformed answer: no JSON object in 40 bytes" in str(failure)


@pytest.mark.parametrize("body", [[1], {}])
def test_json_of_another_shape_is_malformed(wire: Wire, make: Make, body: Any) -> None:
    failure = away(wire, make, Answer(200, body))
    assert failure.may_be_paid
    assert "malformed answer" in str(failure)


@pytest.mark.parametrize("body", [b"\xff\xfe{", b"[" * 100_000], ids=["no text", "deep"])
def test_bytes_that_are_no_json_are_malformed(wire: Wire, make: Make, body: bytes) -> None:
    assert away(wire, make, Answer(200, body, {"content-type": "application/json"})).may_be_paid


def test_json_that_nests_deeper_than_anything_that_is_read_is_malformed(kind: Kind, wire: Wire, make: Make) -> None:
    """Python reads it, but what copies it or writes it later calls itself once a level."""
    body = json.dumps({**kind.right.body, "more": 0}).replace('"more": 0', f'"more": {"[" * 900}{"]" * 900}')
    failure = away(wire, make, Answer(200, body.encode(), JSON))
    assert failure.may_be_paid
    assert "nests too deep" in str(failure)


@pytest.mark.parametrize("tokens", [-1, 10**18])
def test_an_absurd_number_of_tokens_is_malformed(kind: Kind, wire: Wire, make: Make, tokens: int) -> None:
    body = (
        json.dumps(kind.right.body)
        .replace("117,", f"{tokens},")
        .replace('"input_tokens": 10', f'"input_tokens": {tokens}')
    )
    assert away(wire, make, Answer(200, body.encode(), JSON)).may_be_paid


@pytest.mark.parametrize("body", [b"\xff\xfe", b"[" * 100_000, b"[]"], ids=["no text", "deep", "list"])
def test_an_error_of_any_shape_is_told(wire: Wire, make: Make, body: bytes) -> None:
    away(wire, make, Answer(503, body, {"content-type": "application/json"}))


def test_an_answer_that_trickles_ends_at_the_time_limit(kind: Kind, wire: Wire, make: Make) -> None:
    failure = away(wire, make, replace(kind.right, length=1_000_000, rest=trickle), timeout_s=0.3)
    assert failure.may_be_paid
    assert "no whole answer within 0.3 s" in str(failure)


def test_an_answer_without_end_is_cut(kind: Kind, wire: Wire, make: Make) -> None:
    failure = away(wire, make, replace(kind.right, length=1 << 30, rest=flood))
    assert failure.may_be_paid
    assert "more than 8388608 bytes" in str(failure)


def test_a_small_answer_that_unpacks_to_a_large_one_is_cut(wire: Wire, make: Make) -> None:
    packed = gzip.compress(b" " * (16 << 20))
    failure = away(wire, make, Answer(200, packed, {"content-encoding": "gzip", "content-type": "application/json"}))
    assert "more than 8388608 bytes" in str(failure)


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_an_answer_that_cannot_be_unpacked_may_be_paid(wire: Wire, make: Make, packing: str) -> None:
    answer = Answer(200, b"no such thing", {"content-encoding": packing, "content-type": "application/json"})
    failure = away(wire, make, answer)
    assert failure.may_be_paid
    assert "no whole answer" in str(failure)


def test_a_packed_answer_is_read(kind: Kind, wire: Wire, make: Make) -> None:
    packed = gzip.compress(json.dumps(kind.right.body).encode())
    wire.answers = [Answer(200, packed, {"content-encoding": "gzip", "content-type": "application/json"})]
    assert make(wire, 10).complete(asking()).text == "x"


def test_a_server_that_is_not_there_costs_nothing(make: Make) -> None:
    with Wire() as gone:
        model = make(gone, 10)
    with pytest.raises(ProviderAway, match="cannot be reached") as raised:
        model.complete(asking())
    assert not raised.value.may_be_paid


@pytest.mark.parametrize("proxy", ["socks5://user:pass-word@localhost:9", "ftp://user:pass-word@localhost:9"])
def test_a_proxy_of_another_kind_is_refused_in_one_line(
    make: Make, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with Wire() as gone, pytest.raises(ProviderRefused, match="ALL_PROXY: no proxy by http or https") as raised:
        make(gone, 10)
    assert "pass-word" not in str(raised.value)


def test_certificates_that_cannot_be_read_are_one_line(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with Wire() as gone, pytest.raises(ProviderRefused, match="SSL_CERT_FILE or SSL_CERT_DIR: no certificates there"):
        make(gone, 10)


def test_a_proxy_that_is_not_there_is_named_by_its_variable(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with Wire() as gone:
        url = gone.url.removeprefix("http://")
    monkeypatch.setenv("HTTP_PROXY", f"http://user:pass-word@{url}")
    monkeypatch.setenv("NO_PROXY", "")
    with Wire() as wire, pytest.raises(ProviderAway, match="HTTP_PROXY is set") as raised:
        make(wire, 10).complete(asking())
    assert "pass-word" not in str(raised.value)


def test_a_key_is_shown_nowhere(kind: Kind, wire: Wire, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wire.answers = [kind.right, kind.error(401, f"{KEY} is no key")]
    model = make(wire, 10)
    reply = model.complete(asking())
    with pytest.raises(ProviderRefused) as raised:
        model.complete(asking())
    sent = [value for received in wire.received for value in received.headers.values()]
    assert sum(KEY in value for value in sent) == 2, "it is sent, once a request"
    shown = [repr(model), repr(vars(model)), repr(reply), repr(raised.value), str(raised.value), caplog.text]
    assert [text for text in shown if KEY in text] == []
    assert raised.value.__cause__ is None


def test_a_server_that_gives_back_the_key_has_it_in_no_reply(kind: Kind, wire: Wire, make: Make) -> None:
    body = json.dumps(kind.right.body)
    wire.answers = [Answer(body=body.replace('"x"', f'"you sent Bearer {KEY}"').encode(), headers=JSON)]
    reply = make(wire, 10).complete(asking())
    assert reply.text == "you sent Bearer ***"
    assert KEY not in repr(reply)


def test_without_a_key_the_variable_is_named(kind: Kind) -> None:
    with pytest.raises(ProviderRefused, match=f"no API key: set .*{kind.key}"):
        kind.provider(None, 10)


@pytest.mark.parametrize("name", KINDS)
def test_without_the_sdk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    module, package = {"gemini": ("google.genai", "google-genai")}.get(name, (name, name))
    monkeypatch.setenv(KINDS[name].key, KEY)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ProviderRefused, match=rf"package {package} is not installed: pip install 'sim-arena\[llm\]'"):
        KINDS[name].provider(None, 10)


def test_the_key_of_a_provider_goes_to_no_other_host(wire: Wire, make: Make) -> None:
    with Wire() as other:
        refused(wire, make, Answer(308, b"", {"location": other.url}))
        assert other.received == []
