"""Which episodes make up which round. Rounds and episodes count from 1; the last round may be shorter."""

from __future__ import annotations

from dataclasses import dataclass

LEASE_TTL_S = 60.0
"""Seconds of silence after which an attempt counts as dead, where a fleet does not say otherwise."""

DEFAULT_ROUNDS = 100
"""So many averages suffice: rounds of 1, 10 and 50 episodes learn alike, and each costs requests and waiting."""


def default_per_round(episodes: int) -> int:
    """Episodes of a round, unless the user says how many."""
    return -(-episodes // DEFAULT_ROUNDS)


@dataclass(frozen=True)
class Schedule:
    """A member trains `episodes` in all, `per_round` of them between two averages."""

    episodes: int
    per_round: int

    @property
    def rounds(self) -> int:
        return -(-self.episodes // self.per_round)

    def last(self, round_: int) -> int:
        """The last episode of a round, whose number its state bears; 0 for round 0."""
        return min(round_ * self.per_round, self.episodes)

    def of(self, round_: int) -> range:
        """The episodes of a round."""
        return range(self.last(round_ - 1) + 1, self.last(round_) + 1)

    def round_after(self, episode: int) -> int | None:
        """The round that ends with this episode, 0 for episode 0; None if it is not the last one of a round."""
        round_ = -(-episode // self.per_round)
        return round_ if self.last(round_) == episode else None
