"""The seam to what trains: a `JobLearner` trains one job's episodes, an `Episode` is what is known of one of them.

A job of an environment that is trained by epochs has epochs in their place: all that is said of an episode is true of
an epoch there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


class Interrupted(Exception):
    """The process was told to stop, or the attempt is not its own any more."""


class Episode(Protocol):
    """What is known of a finished episode."""

    @property
    def reward(self) -> float | None:
        """Its return, of an epoch the mean; None where no episode ended in the epoch."""

    @property
    def steps(self) -> int: ...

    @property
    def solved(self) -> bool | None:
        """Whether it reached the goal; None of an epoch."""


class JobLearner(Protocol):
    """A member's training: `runner` behind it in earnest, a cheap stand-in in simulations."""

    @property
    def history(self) -> Sequence[Episode]:
        """All finished episodes, also those of earlier attempts."""

    def run_episode(self, episode: int, must_stop: Callable[[], bool]) -> Episode:
        """Train one episode. Raises Interrupted when `must_stop` turns true."""

    def state(self) -> bytes:
        """Everything needed to go on exactly."""

    def restore(self, state: bytes) -> int:
        """Go on from `state()`; returns its episode. Raises SimArenaError if it is unfit."""

    def weights(self) -> bytes:
        """The update: the networks alone, byte for byte a function of the state."""

    def load_weights(self, weights: bytes) -> None:
        """Go on from global weights. Raises SimArenaError if they are unfit."""

    def artifacts(self) -> Mapping[str, bytes]:
        """Files to keep beside the result, by a name of keys.ARTIFACTS."""

    def fingerprint(self) -> dict[str, str]:
        """What the numbers may depend on besides the seed: versions and CPU."""
