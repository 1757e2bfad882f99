"""The public seam to what trains: a class of yours with these methods can be federated.

A package names it as an entry point of the group `sim_arena.learners`; docs/own-learner.md shows how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Task:
    """What a learner is to train, beside its settings.

    Attributes:
        seed: Of the job, below 2^32, the same for all members: for first weights, and for who has which data.
        member: Which one of `members` it is, from 0; 0 of 1 in a job without a federation.
        members: Of the federation.
        epochs: Of the job, in all.
    """

    seed: int
    member: int
    members: int
    epochs: int


@dataclass(frozen=True)
class Epoch:
    """How an epoch went.

    Attributes:
        steps: What the member counts for in a weighted average: environment steps, or examples; at least 1.
        reward: More is better: a mean return, or an accuracy. None: not known.
    """

    steps: int
    reward: float | None = None


class Learner(Protocol):
    """One member of a federation, or a job of its own. A worker makes it anew for every attempt at a job.

    Everything random follows from `Task.seed` and from the seed that `train` gets. Then any number of workers, and one
    that takes over another's job, end with the same bits.

    Attributes:
        Settings: What can be set with `--set`, with defaults and bounds.
    """

    Settings: ClassVar[type[BaseModel]]

    def __init__(self, settings: Any, task: Task) -> None:
        """Start from weights that follow from `task.seed`; `settings` are checked `Settings`."""

    def train(self, epoch: int, seed: int, may_stop: Callable[[], None]) -> Epoch:
        """Train one local epoch, or an episode.

        Args:
            epoch: Counted from 1. Members that were late skip some.
            seed: Of this epoch and member, below 2^32.
            may_stop: To be called between batches or episodes. It raises where the worker must stop; the epoch is
                trained again then, from its start.
        """

    def state(self) -> Mapping[str, Any]:
        """Everything that is needed to go on exactly, beside settings and task: weights, optimizer, counters.

        Texts, finite numbers, None, lists and dicts by text; arrays of float32, float64, int64 or uint8 as values of
        dicts.
        """

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned; its arrays are copies. A bucket's writer may have made it: check it."""

    def weights(self) -> Tensors:
        """What is averaged, by name: always the same names and shapes."""

    def load_weights(self, weights: Tensors) -> None:
        """Go on from the average, of the same names and shapes; the arrays are copies."""
