"""What a closer needs of a strategy: an `Aggregate` that takes a round's updates and gives its global weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from protocol.wire.federation_documents import Federation


@dataclass(frozen=True)
class RoundInputs:
    """What a round started from; read only for strategies that build on it.

    Attributes:
        weights: the global weights of the round before; in round 1 what the federation was told to start from, None:
            the weights that its seed defines.
        server_state: what the strategy kept beside those; None in round 1.
    """

    weights: bytes | None = None
    server_state: bytes | None = None


@dataclass(frozen=True)
class Aggregated:
    """The bytes of the global weights, and of the server's state where the strategy has any."""

    weights: bytes
    server_state: bytes | None = None


class Aggregate(Protocol):
    """The aggregate of a round, to which its updates are given in member order."""

    def add(self, update: bytes, weight: int) -> None:
        """Take one update in. Raises BadDocument if it may not be averaged; nothing is changed then."""

    def finish(self) -> Aggregated:
        """The aggregate of what was taken in, at least one update."""


AggregateOf = Callable[[Federation, RoundInputs], Aggregate]
