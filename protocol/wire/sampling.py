"""Which members a round draws, where it does not wait for all: a pure function of what a federation's documents say.

Client sampling as in FedAvg (McMahan et al., AISTATS 2017): each round draws so many of all members, all sets alike
likely, and independently of other rounds. Every process computes the same: the hash of the seed, the round and the
member orders the members, and the first ones are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256


@dataclass(frozen=True)
class Sampling:
    """The draw of every round.

    Attributes:
        seed: of the federation's training.
        size: members in all.
        sample: so many are drawn in each round; None: all take part in all rounds.
    """

    seed: int
    size: int
    sample: int | None

    def members(self, round_: int) -> Sequence[int]:
        """Those that take part in a round, in order."""
        return range(self.size) if self.sample is None else _drawn(self.seed, self.size, self.sample, round_)[0]

    def draws(self, round_: int, member: int) -> bool:
        """Whether a member takes part in a round."""
        if self.sample is None:
            return 0 <= member < self.size
        return member in _drawn(self.seed, self.size, self.sample, round_)[1]


@lru_cache(maxsize=64)
def _drawn(seed: int, size: int, sample: int, round_: int) -> tuple[tuple[int, ...], frozenset[int]]:
    ordered = sorted(range(size), key=lambda member: sha256(f"{seed}/{round_}/{member}".encode()).digest())
    return tuple(sorted(ordered[:sample])), frozenset(ordered[:sample])


@dataclass(frozen=True)
class Turns:
    """The rounds of one member: those that draw it."""

    sampling: Sampling
    member: int

    def has(self, round_: int) -> bool:
        """Whether the member trains in a round."""
        return self.sampling.draws(round_, self.member)

    def any(self, rounds: range) -> bool:
        """Whether it trains in any of these."""
        return any(map(self.has, rounds))

    def last(self, rounds: int) -> int:
        """The last one of a federation's rounds in which it trains; 0: none."""
        return next(filter(self.has, range(rounds, 0, -1)), 0)


EVERY_ROUND = Turns(Sampling(0, 1, None), 0)
"""Those of a job without a federation."""
