"""Which language model plays as the agent `llm`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from agents.llm.providers.table import PROVIDERS
from agents.llm.settings import LLMSettings
from env.errors import ConfigError
from runner.options import completion
from runner.options.flatten import changed, values

LLM = "llm"
"""The agent that these options are of."""


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which language model, and within which limits; None leaves it to the agent's settings."""

    panel: ClassVar[str] = "Language model (--agent llm)"

    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"{', '.join(PROVIDERS)}. Default: {LLMSettings.provider}. Keys come from the environment.",
            autocompletion=completion.of(PROVIDERS),
        ),
    ] = None
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's id. Default: the provider's default.")
    ] = None
    max_tool_rounds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help=f"Replies of a step that may call tools. Default: {LLMSettings.max_tool_rounds}.",
        ),
    ] = None
    max_output_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"Tokens of one reply, reasoning included. Default: {LLMSettings.max_output_tokens}.",
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """The agent's settings that were given."""
        return {name: value for name, value in values(self).items() if value is not None}

    def check_needed(self, agents: Iterable[str | None]) -> None:
        """Refuse these options where the agent `llm` is not among those that play.

        Raises:
            ConfigError: One was given in vain.
        """
        if LLM not in agents:
            for option, value in changed(self).items():
                raise ConfigError(f"{option} {value}: needs --agent {LLM}")
