"""Means of vectors. Equal vectors in equal order give equal bits on any machine: everything is done in float64 by
elementary operations on single numbers, which IEEE 754 rounds alike everywhere, and nothing is fused or reordered.

The loops that every update passes are compiled. They go through a vector at several places at once, since memory
answers several streams sooner than one; a converted copy of a vector would cost more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from env.jit import compiled

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Spans = npt.NDArray[np.int64]

PIECE = 1 << 16
TRIMMED_SHARE = 5  # the trimmed mean drops one value in so many at each end


@dataclass(frozen=True, eq=False)
class Update:
    """A vector that lies in spans of an array, one after the other; what lies between them does not count.

    Attributes:
        numbers: read-only, so that the loops are compiled for one kind of array.
        spans: (k, 2), start and end of each.
    """

    numbers: Floats
    spans: Spans

    @classmethod
    def of(cls, vector: Floats) -> Update:
        """A vector in one span."""
        numbers = vector.view()
        numbers.setflags(write=False)
        return cls(numbers, np.array([[0, len(vector)]], np.int64))

    def finite(self) -> bool:
        """Whether all its numbers are."""
        return bool(_finite(self.numbers, self.spans))

    def vector(self) -> Floats:
        """A copy in one piece."""
        return np.concatenate([self.numbers[start:end] for start, end in self.spans])


class WeightedMean:
    """The running weighted mean of vectors of length n; holds their sum alone."""

    def __init__(self, n: int) -> None:
        self._sum = np.zeros(n)
        self._weight = 0

    def add(self, update: Update, weight: int) -> None:
        _add(self._sum, update.numbers, update.spans, float(weight))
        self._weight += weight

    def value(self) -> Vector:
        return self._sum / self._weight

    def rounded(self) -> Floats:
        """`value` in float32, without a float64 copy on the way."""
        rounded = np.empty(len(self._sum), np.float32)
        return np.divide(self._sum, self._weight, out=rounded, dtype=np.float64, casting="same_kind")


def trimmed_mean(updates: Sequence[Floats], cut: int) -> Vector:
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


# -- compiled ----------------------------------------------------------------------------------------


def _finite(numbers: Floats, spans: Spans) -> bool:
    """By the exponents: all ones is what is no finite number (IEEE 754-2019, 3.4)."""
    bits = numbers.view(np.uint32)
    size, exponent = np.uint32(0x7FFFFFFF), np.uint32(0x7F800000)
    a = b = c = d = np.uint32(0)
    for start, end in spans:
        span = bits[start:end]
        n = len(span) // 4
        first, second, third, fourth = span[:n], span[n : 2 * n], span[2 * n : 3 * n], span[3 * n : 4 * n]
        for i in range(n):
            a = max(a, first[i] & size)
            b = max(b, second[i] & size)
            c = max(c, third[i] & size)
            d = max(d, fourth[i] & size)
        for number in span[4 * n :]:
            a = max(a, number & size)
    return bool(max(max(a, b), max(c, d)) < exponent)


def _add(total: Vector, numbers: Floats, spans: Spans, weight: float) -> None:
    """total += weight * numbers. Every product is rounded and then every sum: two roundings, never one."""
    place = 0
    for start, end in spans:
        span = numbers[start:end]
        into = total[place : place + len(span)]
        place += len(span)
        n = len(span) // 2
        first, second, into_first, into_second = span[:n], span[n:], into[:n], into[n:]
        for i in range(n):
            into_first[i] += np.float64(first[i]) * weight
            into_second[i] += np.float64(second[i]) * weight
        if len(second) > n:
            into_second[n] += np.float64(second[n]) * weight


_finite = compiled(_finite, nogil=True)
_add = compiled(_add, nogil=True)
