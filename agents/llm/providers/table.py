"""The one list of providers of language models: names, default models, keys, and how a model is opened.

A provider's file is imported when a model is opened, and its SDK when the file's class is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from env.errors import AgentError, nearest

if TYPE_CHECKING:
    from agents.llm.model import Model


@dataclass(frozen=True)
class Provider:
    """One provider of language models.

    Attributes:
        name: What users call it.
        default_model: The id of the model that is asked if none is named.
        key_variables: Environment variables that hold the key; the first that is set counts. Empty: it needs none.
        maker: MODULE:FUNCTION in this package, which makes a model from its id and the seconds that one request may
            take.
    """

    name: str
    default_model: str
    key_variables: tuple[str, ...]
    maker: str

    def open(self, model: str, timeout_s: float) -> Model:
        """A model of this provider; imports its file."""
        module, _, function = self.maker.partition(":")
        made: Model = getattr(import_module(f"agents.llm.providers.{module}"), function)(model, timeout_s)
        return made


PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider
    for provider in (
        # Defaults as of 2026-11; docs/providers.md says where they are from.
        Provider("gemini", "gemini-3.5-flash-lite", ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "gemini:Gemini"),
        Provider("anthropic", "claude-sonnet-5-5", ("ANTHROPIC_API_KEY",), "anthropic:Anthropic"),
        Provider("openai", "gpt-6.1-terra", ("OPENAI_API_KEY",), "openai:OpenAI"),
        Provider("scripted", "heuristic", (), "scripted:of_name"),
    )
}


def check_provider(name: str) -> Provider:
    """The provider of a name.

    Raises:
        AgentError: There is none; names the nearest.
    """
    if name not in PROVIDERS:
        raise AgentError(f"provider {name!r:.80} is unknown; {nearest(name, PROVIDERS)}")
    return PROVIDERS[name]


def open_model(provider: str, model: str | None = None, timeout_s: float = 120.0) -> Model:
    """A model of a provider; `model` None or "": its default.

    Raises:
        AgentError: No such provider, no key in the environment, or its SDK is not installed.
    """
    found = check_provider(provider)
    return found.open(model or found.default_model, timeout_s)
