"""What came of asking a model for one action."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.llm.conversation import Usage


@dataclass(frozen=True)
class Spent:
    """What requests cost.

    Attributes:
        usage: Tokens of those that were answered.
        requests: All that were sent, those sent again included.
        retries: Those sent again after one that failed for the moment.
        lost: Those without an answer that may be billed nevertheless.
    """

    usage: Usage = field(default_factory=Usage)
    requests: int = 0
    retries: int = 0
    lost: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.usage + other.usage,
            self.requests + other.requests,
            self.retries + other.retries,
            self.lost + other.lost,
        )


@dataclass(frozen=True)
class CallMade:
    """A tool that the model called.

    Attributes:
        name: As the model wrote it, printable and cut.
        is_error: Whether it got an error instead of an answer.
    """

    name: str
    is_error: bool


@dataclass(frozen=True)
class Decision:
    """One action of the agent.

    Attributes:
        action: Its index.
        invalid: Whether what was answered could not be read; the action is noop then.
        error: Why it could not; "" where it could.
        reasoning: What the model gave as its reason: one printable line, cut.
        tool_rounds: Replies that called tools.
        calls: All calls of them, in order.
        usage, requests, retries, lost: See `Spent`.
        model: The model's id as the provider answered it last.
        latency_s: Seconds from the first request to the answer, tools and waits included.
        prompt_hash: `agents.llm.prompt.PROMPT_HASH`.
    """

    action: int
    invalid: bool
    error: str
    reasoning: str
    tool_rounds: int
    calls: tuple[CallMade, ...]
    usage: Usage
    requests: int
    retries: int
    lost: int
    model: str
    latency_s: float
    prompt_hash: str
