"""The strategies there are, one line each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self


@dataclass(frozen=True)
class Traits:
    """What the protocol must know of a strategy before it needs its arithmetic.

    Attributes:
        module: The module of `protocol.strategies` whose `Combined` does it.
        by_transitions: Whether updates weigh as much as the member's transitions in the round, else all alike.
        robust: Whether a minority that sends anything at all does no harm. All updates of a round are held then.
        state: Names of the vectors that the server carries from round to round.
        settings: What members' agents are set to, unless the user says otherwise.
    """

    module: str
    by_transitions: bool = False
    robust: bool = False
    state: tuple[str, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)


ROBUST_SIZE = 3
"""Members that a robust strategy needs: of two that differ it cannot tell which one lies."""


class Strategy(StrEnum):
    """How a round's updates become the global weights; docs/protocol.md has the formulas."""

    module: str
    by_transitions: bool
    robust: bool
    state: tuple[str, ...]
    settings: Mapping[str, float]

    FEDAVG = "fedavg", Traits("fedavg", by_transitions=True)
    UNIFORM = "uniform", Traits("fedavg")
    FEDPROX = "fedprox", Traits("fedprox", by_transitions=True, settings={"proximal": 0.01})
    FEDADAM = "fedadam", Traits("fedadam", by_transitions=True, state=("first", "second"))
    TRIMMED_MEAN = "trimmed-mean", Traits("trimmed_mean", robust=True)
    MEDIAN = "median", Traits("median", robust=True)

    def __new__(cls, name: str, traits: Traits | None = None) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        if traits is not None:  # Enum itself answers a call by value, Strategy("fedavg")
            vars(member).update(vars(traits))
        return member

    @property
    def keeps_state(self) -> bool:
        """Whether the server carries something from round to round."""
        return bool(self.state)

    def min_participants(self, size: int) -> int:
        """Updates a round of `size` members needs unless the user says how many: a majority, so that neither one member
        nor any minority makes the weights alone; ROBUST_SIZE at least with a robust strategy. Of two members one is
        enough: else the end of either would end the federation."""
        majority = size // 2 + 1 if size > 2 else 1
        return max(majority, ROBUST_SIZE) if self.robust else majority
