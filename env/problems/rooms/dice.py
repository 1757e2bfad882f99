"""Random whole numbers of a room, in turn. Whole numbers only, so that a room is the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from env.problems.philox import philox

_FOR_ROOMS = 1 << 33  # the counter's lower half; `env.problems.draw` and the benchmark's streams use others
THOUSAND = 1000
"""Shares are drawn in thousandths."""

T = TypeVar("T")


class Dice:
    """Draws that follow from a kind of room, a seed and the number of the attempt.

    Args:
        kind: Index of the kind.
        seed: 0 to 2^63 - 1.
        attempt: At most 2^16.
    """

    def __init__(self, kind: int, seed: int, attempt: int) -> None:
        self._seed, self._high, self._low = seed, kind << 16 | attempt, _FOR_ROOMS
        self._words: list[int] = []

    def below(self, limit: int) -> int:
        """0 to limit - 1; `limit` at most 2^60, of which large ones are not quite even."""
        if not self._words:
            self._words = [*philox(self._seed, self._high, self._low)]
            self._low += 1
        first, second = self._words.pop(), self._words.pop()
        return (first << 32 | second) * limit >> 64

    def between(self, low: int, high: int) -> int:
        """`low` to `high`, both included; `low` where that is more."""
        return low + self.below(max(1, high - low + 1))

    def one_in(self, count: int) -> bool:
        """True once in so many draws."""
        return self.below(count) == 0

    def choice(self, of: Sequence[T]) -> T:
        """One of these."""
        return of[self.below(len(of))]

    def share(self, of: int, least: int, most: int, grain: int) -> int:
        """From `least` to `most` thousandths of an amount, as a multiple of `grain`, at least one."""
        return max(grain, of * self.between(least, most) // THOUSAND // grain * grain)
