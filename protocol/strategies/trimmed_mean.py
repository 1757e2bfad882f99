"""The trimmed mean: of each number without its least and its greatest values.

Yin et al., Byzantine-Robust Distributed Learning, ICML 2018, arXiv 1803.01498, definition 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from protocol.strategies.means import Floats, RoundStart, Update, Vector, Vectors

SHARE = 5
"""One value in so many is dropped at each end."""
PIECE = 1 << 16
"""Numbers that are sorted at a time."""


def median_cut(members: int) -> int:
    """The cut with which the trimmed mean is the median: one value is left, or the two in the middle."""
    return (members - 1) // 2


def trimmed_cut(members: int) -> int:
    """A fifth of the members, at least one, at most what leaves a median; 0 of one or two."""
    return min(max(1, members // SHARE), median_cut(members))


class Combined:
    """Holds all updates. They have equal weight, since a hostile member may claim any."""

    cut: Callable[[int], int] = staticmethod(trimmed_cut)

    def __init__(self, start: RoundStart) -> None:
        self._updates: list[Floats] = []

    def add(self, update: Update, weight: int) -> None:
        """Add one update."""
        self._updates.append(update.vector())

    def finish(self) -> Vectors:
        """Their trimmed mean."""
        return Vectors(trimmed_mean(self._updates, self.cut(len(self._updates))).astype(np.float32))


def trimmed_mean(updates: Sequence[Floats], cut: int) -> Vector:
    """Coordinate by coordinate the mean of what is left without the `cut` least and the `cut` greatest values.

    Up to `cut` vectors may hold anything: every coordinate stays within the range of the others'.
    """
    kept = len(updates) - 2 * cut
    mean = np.zeros(len(updates[0]))
    for piece in pieces(len(mean)):
        rows = np.sort(np.stack([update[piece] for update in updates]), axis=0)
        for row in rows[cut : cut + kept]:
            mean[piece] += row  # from +0.0, so that it does not matter how a sort places -0.0 and 0.0
        mean[piece] /= kept
    return mean


def pieces(n: int) -> Iterator[slice]:
    """Slices of at most PIECE that cover n numbers."""
    return (slice(start, start + PIECE) for start in range(0, n, PIECE))
