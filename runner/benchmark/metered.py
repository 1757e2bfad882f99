"""A model whose requests are written down, and paid from a budget."""

from __future__ import annotations

import time
from collections.abc import Callable

from agents.llm.conversation import Reply, Request, Usage
from agents.llm.model import Model, ProviderAway
from env.printable import one_line
from runner.benchmark.budget import Amounts, Budget
from runner.benchmark.rows import LONGEST_ERROR
from runner.benchmark.transcript import Transcript, request_bytes, request_hash

Price = Callable[[str, Usage], float | None]
"""Dollars of a model's tokens; None where no price is known."""

_TOKENS_BESIDE = 1_024
"""What a provider may add to a request: its own instructions about tools, and marks between turns."""


class MeteredModel:
    """One attempt's model; implements `agents.llm.model.Model`.

    Args:
        inner: Who is asked.
        transcript: Where requests and replies are written; replies of an earlier time come from there.
        budget: What may be spent.
        price: What it costs.
        clock: Seconds since some moment.
    """

    def __init__(
        self,
        inner: Model,
        transcript: Transcript,
        budget: Budget,
        price: Price,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.provider, self.name = inner.provider, inner.name
        self._inner = inner
        self._transcript = transcript
        self._budget = budget
        self._price = price
        self._clock = clock

    def complete(self, request: Request) -> Reply:
        """The reply, recorded or new.

        Raises:
            ProviderAway, ProviderRefused: As `Model.complete`.
            BudgetSpent: The request could exceed the budget; it was not sent.
            Stopped: A stop was asked for.
        """
        data = request_bytes(request)
        recorded = self._transcript.recorded(request_hash(data))
        return recorded if recorded is not None else self._sent(request, data)

    def close(self) -> None:
        """Nothing: other attempts use the same connections."""

    def _sent(self, request: Request, data: bytes) -> Reply:
        # No tokeniser makes more tokens than bytes.
        usage = Usage(len(data) + _TOKENS_BESIDE, request.max_output_tokens)
        dollars = self._price(self.name, usage)
        most = Amounts(usage.input_tokens + usage.output_tokens, dollars or 0.0)
        self._budget.reserve(most)
        spent = most
        try:
            number = self._transcript.begin(request, request_hash(data), most, priced=dollars is not None)
            started = self._clock()
            try:
                reply = self._inner.complete(request)
            except Exception as error:
                may_be_paid = isinstance(error, ProviderAway) and error.may_be_paid
                if not may_be_paid:
                    spent = Amounts()
                said = one_line(str(error), LONGEST_ERROR)
                self._transcript.fail(number, said, may_be_paid=may_be_paid, seconds=self._clock() - started)
                raise
            cost = self._cost(reply)
            if reply.usage.input_tokens:
                spent = Amounts(reply.usage.input_tokens + reply.usage.output_tokens, cost or 0.0)
            self._transcript.reply(number, reply, cost, self._clock() - started)
            return reply
        finally:
            self._budget.settle(most, spent)

    def _cost(self, reply: Reply) -> float | None:
        """By the model that answered; a name that has no price of its own is one of the model that was asked.

        A reply that reports no tokens did not cost nothing: what it cost is not known.
        """
        if not reply.usage.input_tokens:
            return None
        dollars = self._price(reply.model, reply.usage)
        return dollars if dollars is not None else self._price(self.name, reply.usage)
