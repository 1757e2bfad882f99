"""What trainings in Fleet-v0 are evaluated on as they go: problems that no training draws, beside searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from env.fleet.draw import problems_of
from env.fleet.search import search
from env.fleet.variants import Variant, variant_named
from env.interrupt import stopping_when
from runner.evaluation.fleet import Walk, by_model, random_walk
from runner.training.trainee import ShouldStop
from runner.training.validation import SEED

_WALKS: Mapping[str, Callable[[NDArray[Any], Variant], Walk]] = {"random": random_walk}


@dataclass(frozen=True)
class FleetEvaluator:
    """Each problem is played once, greedily. It counts as solved on as few nodes as hill climbing with equal replays.

    Attributes:
        variant: As in `env.fleet.fleet_env.FleetEnv`.
        episodes: How many problems.
    """

    solved: ClassVar[str] = "on as few nodes as hill climbing with as many replays"

    variant: str
    episodes: int = 200

    @property
    def baselines(self) -> Sequence[str]:
        """Who plays them too."""
        return tuple(_WALKS)

    def score(self, agent: Any, should_stop: ShouldStop) -> dict[str, Any]:
        """Means over the problems: return, and the fewest nodes that all was Ready on."""
        with stopping_when(should_stop):
            return self._row(by_model(agent, self._problems, self._variant))

    def baseline(self, name: str, should_stop: ShouldStop) -> dict[str, Any]:
        """The same of random actions."""
        with stopping_when(should_stop):
            return self._row(_WALKS[name](self._problems, self._variant))

    def probes(self) -> NDArray[np.float32]:
        """None."""
        return np.empty((0, 0), np.float32)

    def optimal_shares(self) -> None:
        """Not known."""

    def _row(self, walk: Walk) -> dict[str, Any]:
        return {
            "n": self.episodes,
            "solved_rate": float((walk.nodes[-1] <= self._climbed).mean()),
            "mean_steps": float(len(walk.nodes)),
            "mean_return": float(walk.returns.mean()),
            "nodes": float(walk.nodes[-1].mean()),
        }

    @cached_property
    def _climbed(self) -> NDArray[np.int64]:
        return search(self._problems, self._problems["start"], self._variant.steps).nodes

    @cached_property
    def _variant(self) -> Variant:
        return variant_named(self.variant)

    @cached_property
    def _problems(self) -> NDArray[Any]:
        return problems_of(self._variant, range(SEED, SEED + self.episodes))
