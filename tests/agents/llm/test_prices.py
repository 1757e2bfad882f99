"""What tokens cost."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from agents.llm.conversation import Usage
from agents.llm.prices import dollars, price_table_date
from agents.llm.providers.table import PROVIDERS


@pytest.fixture(autouse=True)
def _openai_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_tokens_cost_what_the_table_says() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000)
    assert dollars("anthropic", "claude-sonnet-4-6", usage) == pytest.approx(3 + 1.5)


def test_cached_tokens_are_part_of_the_input_and_cost_less() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cached_tokens=1_000_000)
    assert dollars("anthropic", "claude-sonnet-4-6", usage) == pytest.approx(0.3)


@pytest.mark.parametrize("provider", ["gemini", "anthropic", "openai"])
def test_every_default_model_has_a_price(provider: str) -> None:
    cost = dollars(provider, PROVIDERS[provider].default_model, Usage(1_000, 1_000))
    assert cost is not None
    assert 0 < cost < 1


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "smollm2-135m"),
        ("anthropic", ""),
        ("gemini", "\x00"),
        ("scripted", "heuristic"),
        ("nobody", "claude-sonnet-4-6"),
    ],
)
def test_an_unknown_model_has_no_price_and_is_not_free(provider: str, model: str) -> None:
    assert dollars(provider, model, Usage(1_000, 1_000)) is None


def test_a_model_of_a_compatible_server_has_no_price_whatever_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage(1_000, 1_000)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1/")
    assert dollars("openai", "gpt-6.1-terra", usage) is not None
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    assert dollars("openai", "gpt-6.1-terra", usage) is None


def test_more_cached_tokens_than_there_are_cost_as_many_as_there_are() -> None:
    assert dollars("anthropic", "claude-sonnet-4-6", Usage(1_000_000, 0, 2_000_000)) == pytest.approx(0.3)


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert dollars("anthropic", "claude-sonnet-4-6", Usage(1, 1)) is not None


def test_the_price_table_that_is_pinned_is_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (Path(__file__).parents[3] / "constraints.txt").read_text().splitlines()
    (pinned,) = (line.partition("==")[2].strip() for line in lines if line.startswith("genai-prices=="))
    monkeypatch.setattr("agents.llm.prices.version", lambda _: pinned)
    assert re.fullmatch(rf"20[0-9]{{2}}-[0-9]{{2}}-[0-9]{{2}}, genai-prices {re.escape(pinned)}", price_table_date())


def rows(of: str) -> list[list[str]]:
    """The cells of docs/providers.md's table whose header begins so."""
    lines = iter((Path(__file__).parents[3] / "docs" / "providers.md").read_text().splitlines())
    next(line for line in lines if line.startswith(f"| {of} |"))
    next(lines)
    return [[cell.strip().replace("`", "") for cell in line.split("|")[1:-1]] for line in iter(lines.__next__, "")]


def test_the_docs_have_the_default_models_and_keys() -> None:
    assert {row[0]: (row[3], tuple(re.findall(r"\w+_API_KEY", row[2]))) for row in rows("provider")} == {
        name: (provider.default_model, provider.key_variables) for name, provider in PROVIDERS.items()
    }


def test_the_docs_have_the_prices_of_the_table() -> None:
    providers = {"gemini": "gemini", "claude": "anthropic", "gpt": "openai"}
    for model, rates, episode in rows("model"):
        provider = providers[model.partition("-")[0]]
        usages = [Usage(10_000), Usage(10_000, 0, 10_000), Usage(0, 10_000)]
        found = [dollars(provider, model, usage) for usage in usages]
        assert [float(rate) / 100 for rate in re.findall(r"[0-9]+\.[0-9]+", rates)] == pytest.approx(found), model
        assert dollars(provider, model, Usage(2_500, 300)) == pytest.approx(float(episode) / 20), model
