"""Means of vectors. Equal vectors in equal order give equal bits on any machine: everything is done in float64 by
elementary operations on single numbers, which IEEE 754 rounds alike everywhere, and nothing is fused or reordered.

Work goes through the vectors in pieces, since a converted copy of a whole one costs memory and time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Update = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]

PIECE = 1 << 16
TRIMMED_SHARE = 5  # the trimmed mean drops one value in so many at each end


class WeightedMean:
    """The running weighted mean of vectors of length n; holds their sum alone."""

    def __init__(self, n: int) -> None:
        self._sum = np.zeros(n)
        self._weight = 0

    def add(self, update: Update, weight: int) -> None:
        for piece in pieces(len(update)):
            self._sum[piece] += update[piece].astype(np.float64) * weight
        self._weight += weight

    def value(self) -> Vector:
        return self._sum / self._weight


def trimmed_mean(updates: Sequence[Update], cut: int) -> Vector:
    """Coordinate by coordinate the mean of what is left without the `cut` least and the `cut` greatest values.

    Up to `cut` vectors may hold anything: every coordinate stays within the range of the others' (Yin et al. 2018,
    arXiv 1803.01498, definitions 1 and 2).
    """
    kept = len(updates) - 2 * cut
    mean = np.zeros(len(updates[0]))
    for piece in pieces(len(mean)):
        rows = np.sort(np.stack([update[piece] for update in updates]), axis=0)
        for row in rows[cut : cut + kept]:
            mean[piece] += row  # from +0.0, so that it does not matter how a sort places -0.0 and 0.0
        mean[piece] /= kept
    return mean


def median_cut(members: int) -> int:
    """The cut with which the trimmed mean is the median: one value is left, or the two in the middle."""
    return (members - 1) // 2


def trimmed_cut(members: int) -> int:
    """A fifth of the members, at least one, at most what leaves a median; 0 of one or two."""
    return min(max(1, members // TRIMMED_SHARE), median_cut(members))


def pieces(n: int) -> Iterator[slice]:
    """Slices of at most PIECE that cover n numbers."""
    return (slice(start, start + PIECE) for start in range(0, n, PIECE))
