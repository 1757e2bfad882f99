"""What tokens cost in dollars, from the price table that the package genai-prices carries; nothing is fetched."""

from __future__ import annotations

import os
from importlib.metadata import version

from agents.llm.conversation import Usage

# Our names of providers to those of the table; of others, no price is known.
_IN_TABLE = {"anthropic": "anthropic", "gemini": "google", "openai": "openai"}
# When versions of the table came out; it does not say so itself.
_RELEASED = {"0.2.3": "2026-11-10"}


def dollars(provider: str, model: str, usage: Usage) -> float | None:
    """What a provider bills for the usage, at the standard rates of today.

    Rates of short prompts are for each request on its own, so give the usage of one request.

    Args:
        provider: One of `agents.llm.providers.table.PROVIDERS`.
        model: Its id, with or without a date.

    Returns:
        None: no price is known. That does not mean it is free: what a compatible server costs is not known either.
    """
    if provider not in _IN_TABLE or _is_of_another_server(provider):
        return None
    from genai_prices import Usage as Priced
    from genai_prices import calc_price

    priced = Priced(
        input_tokens=usage.input_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
        output_tokens=usage.output_tokens,
    )
    try:
        return float(calc_price(priced, model, provider_id=_IN_TABLE[provider]).total_price)
    except (LookupError, ValueError):
        return None


def price_table_date() -> str:
    """The day on which the price table came out, and its version."""
    installed = version("genai-prices")
    return (
        f"{_RELEASED[installed]}, genai-prices {installed}" if installed in _RELEASED else f"genai-prices {installed}"
    )


def _is_of_another_server(provider: str) -> bool:
    from agents.llm.providers.openai import URL, OpenAI

    return provider == OpenAI.provider and os.environ.get("OPENAI_BASE_URL", URL).strip().rstrip("/") not in ("", URL)
