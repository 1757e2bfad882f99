"""How much a benchmark may spend. Nothing is sent whose largest possible cost no longer fits."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from env.errors import SimArenaError
from env.interrupt import stop_if_asked

_SLICE_S = 0.2  # how long a stop may go unnoticed


class BudgetSpent(SimArenaError):
    """The next request could exceed the budget; nothing more is sent."""


@dataclass(frozen=True)
class Amounts:
    """What requests cost, or can cost at most; dollars are 0 where no price is known."""

    tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(self.tokens + other.tokens, self.dollars + other.dollars)

    def __sub__(self, other: Amounts) -> Amounts:
        return Amounts(self.tokens - other.tokens, self.dollars - other.dollars)


@dataclass
class Budget:
    """What may be spent, shared by all threads of a run.

    Attributes:
        most_dollars, most_tokens: None: any amount.
        spent: By requests that have ended.
    """

    most_dollars: float | None = None
    most_tokens: int | None = None
    spent: Amounts = Amounts()
    _held: Amounts = Amounts()
    _in_flight: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def reserve(self, most: Amounts) -> None:
        """Hold what a request can cost at most. It waits for requests in flight, which give back what they need not.

        Raises:
            BudgetSpent: It does not fit, and nothing is in flight.
            Stopped: A stop was asked for, see `env.interrupt`.
        """
        with self._changed:
            while not self._fits(most):
                if not self._in_flight:
                    raise BudgetSpent(f"the budget is spent: {self._said(most)}")
                stop_if_asked()
                self._changed.wait(_SLICE_S)
            self._held += most
            self._in_flight += 1

    def settle(self, held: Amounts, spent: Amounts) -> None:
        """A request has ended that `held` was reserved for."""
        with self._changed:
            self._held -= held
            self.spent += spent
            self._in_flight -= 1
            self._changed.notify_all()

    def _fits(self, most: Amounts) -> bool:
        total = self.spent + self._held + most
        return (self.most_tokens is None or total.tokens <= self.most_tokens) and (
            self.most_dollars is None or total.dollars <= self.most_dollars
        )

    def _said(self, most: Amounts) -> str:
        parts = []
        if self.most_dollars is not None:
            parts.append(
                f"${self.spent.dollars:.4f} of ${self.most_dollars:g}, the next request up to ${most.dollars:.4f}"
            )
        if self.most_tokens is not None:
            parts.append(f"{self.spent.tokens} of {self.most_tokens} tokens, the next request up to {most.tokens}")
        return "; ".join(parts)
