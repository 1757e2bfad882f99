"""What is chance in a cluster: always decided alike, so that every replay is the same, or drawn.

Drawn are the node among those of the same score, the pod among those of the same age, and how controllers and scheduler
race between two objects: kubernetes 1.36 `pkg/scheduler/schedule_one.go` (`selectHost`) and
`pkg/controller/controller_utils.go` (`ActivePodsWithRanks`); races follow no source.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from env.jit import Ints

T = TypeVar("T")

_NONE: Ints = np.zeros(0, dtype=np.int64)
_MOST_ROUNDS = 3  # an object is applied in about the time in which a controller makes a batch of pods


class Lots:
    """Draws, or decides alike.

    Args:
        generator: Where draws come from; None: nothing is drawn.

    Attributes:
        drawn: Whether anything is.
    """

    def __init__(self, generator: np.random.Generator | None = None) -> None:
        self._generator = generator
        self.drawn = generator is not None

    def numbers(self, count: int) -> Ints:
        """As many numbers, at least 0, to choose by; none, shape (0,), where nothing is drawn."""
        return _NONE if self._generator is None else self._generator.integers(0, 2**62, count)

    def in_any_order(self, things: Iterable[T]) -> list[T]:
        """The things in a drawn order; else in their own."""
        found = list(things)
        return found if self._generator is None else [found[i] for i in self._generator.permutation(len(found))]

    def rounds(self) -> int | None:
        """How often controllers and scheduler act before the next object; None: until they have nothing to do."""
        return None if self._generator is None else int(self._generator.integers(_MOST_ROUNDS + 1))

    def kubelets_are_quick(self) -> bool:
        """Whether kubelets answer before the next object is applied: in one of four cases, if anything is drawn."""
        return self._generator is not None and bool(self._generator.integers(4) == 0)
