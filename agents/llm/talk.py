"""One step's conversation: requests, tools in between, one answer at the end. Bounded in rounds, calls and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agents.llm.answer import ANSWER_SCHEMA
from agents.llm.conversation import Answered, Asked, Reply, Request, Said, Stop, ToolCall, ToolOutcome, Turn, Usage
from agents.llm.decision import CallMade, Spent
from agents.llm.model import Model, ProviderAway
from agents.llm.prompt import SYSTEM, data_of_cluster
from agents.llm.retry import Patience
from agents.llm.settings import LLMSettings
from agents.llm.situation import Toolbox
from env.errors import SimArenaError
from env.printable import one_line

MOST_CALLS = 8
"""Calls of one reply that are run; further ones get an error."""
LONGEST_OUTCOME = 24_000
"""Characters of one outcome."""
LONGEST_TALK = 120_000
"""Characters of all outcomes of a step; calls after that get an error."""
_LONGEST_NAME = 80
_UNREADABLE = {Stop.REFUSED: "the model refused to answer", Stop.LENGTH: "the answer was cut off"}


class Talk:
    """One step's conversation.

    Args:
        model, tools, settings, patience: With whom, about what, within which limits, and how long.
        system: The instructions.
        schema: JSON schema of the answer.

    Attributes:
        rounds: Replies that called tools.
        calls: What they called.
        spent: What all requests cost, also of a conversation that ended early.
    """

    def __init__(
        self,
        model: Model,
        tools: Toolbox,
        settings: LLMSettings,
        patience: Patience,
        *,
        system: str = SYSTEM,
        schema: Mapping[str, Any] = ANSWER_SCHEMA,
    ) -> None:
        self.rounds = 0
        self.calls: list[CallMade] = []
        self.spent = Spent()
        self._model = model
        self._tools = tools
        self._settings = settings
        self._patience = patience
        self._system = system
        self._schema = schema
        self._read = 0  # characters of outcomes

    def answer(self, prompt: str) -> Reply:
        """The reply that is the answer: the first without calls, or the one after the last round.

        Raises:
            ProviderAway, ProviderRefused, Stopped: as `Patience.complete`.
        """
        turns: tuple[Turn, ...] = (Asked(prompt),)
        while True:
            must_answer = not self._tools.specs or self.rounds >= self._settings.max_tool_rounds
            reply = self._complete(
                Request(
                    system=self._system,
                    turns=turns,
                    tools=() if self._settings.max_tool_rounds == 0 else tuple(self._tools.specs),
                    answer_schema=self._schema,
                    max_output_tokens=self._settings.max_output_tokens,
                    must_answer=must_answer,
                )
            )
            if must_answer or not reply.calls or reply.stop in (Stop.LENGTH, Stop.REFUSED):
                return reply
            self.rounds += 1
            outcomes = tuple(self._call(call, number) for number, call in enumerate(reply.calls))
            turns = (*turns, Said(reply), Answered(outcomes))

    def _complete(self, request: Request) -> Reply:
        """One reply; what it costs is counted, also where it fails."""
        tries = 0

        def sent(usage: Usage, lost: bool) -> None:
            nonlocal tries
            self.spent += Spent(usage, requests=1, retries=int(tries > 0), lost=int(lost))
            tries += 1

        def failed(error: ProviderAway) -> None:
            sent(Usage(), error.may_be_paid)

        reply = self._patience.complete(self._model, request, failed)
        sent(reply.usage, lost=False)
        return reply

    def _call(self, call: ToolCall, number: int) -> ToolOutcome:
        outcome = self._outcome(call, number)
        self.calls.append(CallMade(one_line(call.name, _LONGEST_NAME), outcome.is_error))
        self._read += len(outcome.text)
        return outcome

    def _outcome(self, call: ToolCall, number: int) -> ToolOutcome:
        """The tool's outcome, marked as data; an error that says why where the call is not run."""
        known = [spec.name for spec in self._tools.specs]
        if call.name not in known:
            return _error(call, f"there is no such tool; there are {', '.join(known)}")
        if call.arguments is None:
            return _error(call, "the arguments are no JSON object")
        if number >= MOST_CALLS:
            return _error(call, f"not run: at most {MOST_CALLS} calls in one reply")
        if self._read >= LONGEST_TALK:
            return _error(call, "not run: no more can be read in this step; answer now")
        try:
            outcome = self._tools.call(call)
        except SimArenaError as error:
            outcome = _error(call, str(error))
        return replace(outcome, call_id=call.id, name=call.name, text=data_of_cluster(outcome.text, LONGEST_OUTCOME))


def unread(reply: Reply) -> str:
    """Why a reply cannot be an answer, whatever its text says; "" where its text is to be read."""
    if reply.stop in _UNREADABLE:
        return _UNREADABLE[reply.stop]
    return "a tool was called when the answer was due" if reply.calls and not reply.text.strip() else ""


def _error(call: ToolCall, why: str) -> ToolOutcome:
    return ToolOutcome(call.id, call.name, why, is_error=True)


def turns_document(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Turns of the agent as JSON holds them; those of the model are replies."""
    found: list[dict[str, Any]] = []
    for turn in turns:
        if isinstance(turn, Asked):
            found.append({"asked": turn.text})
        elif isinstance(turn, Answered):
            found += [{"outcome": {"id": o.call_id, "name": o.name, "is_error": o.is_error, "text": o.text}}
                      for o in turn.outcomes]  # fmt: skip
    return found
