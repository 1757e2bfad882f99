"""A request that fails for the moment is sent again, within a budget of time.

A stop (`env.interrupt`) ends a wait at once. A request in flight is waited for: it is paid, and its reply is worth
keeping.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agents.llm.conversation import Reply, Request
from agents.llm.model import Model, ProviderAway
from env.interrupt import stop_if_asked
from env.words import count

log = logging.getLogger(__name__)

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
_SLICE_S = 0.2  # how long a stop may go unnoticed


class Clock(Protocol):
    """Time, as a test can give it."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's own."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True)
class Patience:
    """How long a request is tried.

    Attributes:
        budget_s: Seconds from the first try to the start of the last.
        clock: By which they are counted.
        rng: Draws the jitter of waits.
    """

    budget_s: float
    clock: Clock
    rng: np.random.Generator

    def complete(self, model: Model, request: Request, on_failure: Callable[[ProviderAway], None]) -> Reply:
        """The model's reply. Between two tries it waits as long as the server asks, else exponentially with jitter.

        Args:
            on_failure: Gets every failed try, the last one too.

        Raises:
            ProviderAway: The budget is spent, or the server asks for a longer wait than is left of it.
            ProviderRefused: At once, as it is of no use to try again.
            Stopped: A stop was asked for, see `env.interrupt`.
        """
        deadline = self.clock.monotonic() + self.budget_s
        tries = 0
        while True:
            stop_if_asked()
            tries += 1
            try:
                return model.complete(request)
            except ProviderAway as error:
                on_failure(error)
                wait = self._wait(error.retry_after_s, tries)
                if self.clock.monotonic() + wait > deadline:
                    raise ProviderAway(
                        f"{error}; gave up after {count(tries, 'request')}",
                        retry_after_s=error.retry_after_s,
                        may_be_paid=error.may_be_paid,
                    ) from error
                log.warning("%s; trying again in %.0f s", error, wait)
            self._sleep(wait)

    def _wait(self, asked_s: float | None, tries: int) -> float:
        """Seconds until the next try. Jitter keeps clients that failed together from coming back together."""
        jitter = float(self.rng.uniform(0.5, 1.0))
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries - 1, 30)) * jitter
        if asked_s is None or not math.isfinite(asked_s) or asked_s < 0:
            return backoff
        return asked_s + FIRST_WAIT_S * jitter

    def _sleep(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            stop_if_asked()
            self.clock.sleep(min(left, _SLICE_S))
