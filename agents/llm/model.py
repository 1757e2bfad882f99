"""What a language model is to the agent, and the two ways in which it fails."""

from __future__ import annotations

from typing import Protocol

from agents.llm.conversation import Reply, Request
from env.errors import AgentError, SimArenaError


class Model(Protocol):
    """A language model of a provider.

    Attributes:
        provider: Its name in `agents.llm.providers`.
        name: The model's id, as it is asked for.
    """

    provider: str
    name: str

    def complete(self, request: Request) -> Reply:
        """One request, not tried again in here.

        Raises:
            ProviderAway: The request may succeed later.
            ProviderRefused: It will not.
        """

    def close(self) -> None:
        """Close all connections."""


class ProviderAway(SimArenaError):
    """Too many requests, an error of the server's, or no whole answer: the same request may succeed later.

    Attributes:
        retry_after_s: What the server asked to wait; None: it did not.
        may_be_paid: Whether the request may have been worked on, so that it may be billed.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, may_be_paid: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.may_be_paid = may_be_paid


class ProviderRefused(AgentError):
    """A wrong key, no such model, a request that the provider does not take: the same request always fails."""


class ContextExceeded(ProviderRefused):
    """The conversation does not fit the model's context."""
