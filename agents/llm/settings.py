"""Settings of the agent `llm`."""

from __future__ import annotations

from dataclasses import dataclass

from agents.llm.providers.table import check_provider
from agents.settings import Settings, check_range


@dataclass(frozen=True)
class LLMSettings(Settings):
    """Which language model plays, and within which limits. Keys are no settings: they come from the environment."""

    provider: str = "gemini"
    """One of `agents.llm.providers.table.PROVIDERS`."""
    model: str = ""
    """The model's id at its provider; "": the provider's default."""
    max_tool_rounds: int = 8
    """Replies of a step in which it may call tools; then it must answer."""
    max_output_tokens: int = 8_192
    """Tokens of one reply, reasoning included."""
    timeout_s: float = 120.0
    """Seconds that one request may take."""
    retry_budget_s: float = 300.0
    """Seconds after which a request that fails for the moment is not tried again."""

    def __post_init__(self) -> None:
        check_provider(self.provider)
        check_range(self, "max_tool_rounds", 0, 100)
        check_range(self, "max_output_tokens", 16, 1_000_000)
        check_range(self, "timeout_s", 1.0, 3_600.0)
        check_range(self, "retry_budget_s", 0.0, 86_400.0)
