"""Vectors, what a strategy makes of them, and their weighted mean.

Equal vectors in equal order give equal bits on any machine: everything is done in float64 by elementary operations on
single numbers, which IEEE 754 rounds alike everywhere, and nothing is fused or reordered.

The loops that every update passes are compiled. They go through a vector at several places at once, since memory
answers several streams sooner than one; a converted copy of a vector would cost more than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from env.jit import compiled

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
Spans = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


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
        """Whether all its numbers are finite."""
        return bool(_finite(self.numbers, self.spans))

    def vector(self) -> Floats:
        """A copy in one piece."""
        return np.concatenate([self.numbers[start:end] for start, end in self.spans])


@dataclass(frozen=True, eq=False)
class RoundStart:
    """What a round starts from.

    Attributes:
        size: Numbers of the model.
        weights: The global weights before the round, (size,); empty unless the strategy keeps state.
        online: (size,), which of them belong to the network that is trained, not to its delayed copy; empty as well.
        state: `Vectors.state` of the round before; None in round 1.
    """

    size: int
    weights: Floats
    online: Mask
    state: Mapping[str, Vector] | None


@dataclass(frozen=True, eq=False)
class Vectors:
    """What a round ends with.

    Attributes:
        weights: The global weights, (size,).
        state: What the server carries to the next round, by name; None for a strategy without.
    """

    weights: Floats
    state: Mapping[str, Vector] | None = None


class Combination(Protocol):
    """One round of a strategy. Its updates come in member order.

    The class is made of a `RoundStart`; it raises ValueError if the state cannot be one of the strategy's.
    """

    def add(self, update: Update, weight: int) -> None:
        """Add one update, finite and of the model's size."""

    def finish(self) -> Vectors:
        """The result of the updates added, at least one; ValueError if it is not finite."""


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


# -- compiled ----------------------------------------------------------------------------------------


def _finite(numbers: Floats, spans: Spans) -> bool:
    """By the exponents: all ones in infinities and NaN alone (IEEE 754-2019, 3.4)."""
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
    """total += weight * numbers. Every product is rounded and then every sum: two roundings, never a fused one."""
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
