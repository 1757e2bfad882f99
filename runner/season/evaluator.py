"""What trainings in Season-v0 are evaluated on as they go: workloads that no training draws, beside VPA and KRR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from env.interrupt import stopping_when
from env.season.baselines import KRR, VPA, Played, Rule
from env.season.baselines import play as play_rule
from env.season.policy import play
from env.season.series import Series, generated
from env.season.variants import WINDOWS, Variant, variant_named
from env.season.window import Prices
from runner.training.trainee import ShouldStop
from runner.training.validation import SEED

_RULES: Mapping[str, Rule] = {rule.name: rule for rule in (VPA, KRR)}


@dataclass(frozen=True)
class SeasonEvaluator:
    """Each workload is played once, greedily; it counts as solved if it costs less than with VPA.

    Attributes:
        variant, kind, kappa: As in `env.season.season_env.SeasonEnv`.
        episodes: How many workloads.
    """

    solved: ClassVar[str] = "at less cost than with VPA"

    variant: str
    kind: str | None
    kappa: float
    episodes: int = 400

    @property
    def baselines(self) -> Sequence[str]:
        """Who plays them too."""
        return tuple(_RULES)

    def score(self, agent: Any, should_stop: ShouldStop) -> dict[str, Any]:
        """Means over the workloads: return, windows with use above the request, what was held, changes."""
        with stopping_when(should_stop):
            played = play(agent.best_in_all, self._series, self._variant, self.kappa)
        shares = {name: float(getattr(played, name).mean()) for name in ("exceeded", "held", "changed")}
        return self._row(played.cost.mean(axis=1), shares)

    def baseline(self, name: str, should_stop: ShouldStop) -> dict[str, Any]:
        """The same of a rule."""
        played = self._by_rule(_RULES[name])
        shares = {name: float(getattr(played, name).mean()) for name in ("exceeded", "held", "changed")}
        return self._row(played.cost, shares)

    def probes(self) -> NDArray[np.float32]:
        """None."""
        return np.empty((0, 0), np.float32)

    def optimal_shares(self) -> None:
        """Not known."""

    def _row(self, costs: NDArray[np.float64], shares: Mapping[str, float]) -> dict[str, Any]:
        return {
            "n": self.episodes,
            "solved_rate": float((costs < self._by_rule(VPA).cost).mean()),
            "mean_steps": float(WINDOWS),
            "mean_return": -float(costs.mean()) * WINDOWS,
            **shares,
        }

    def _by_rule(self, rule: Rule) -> Played:
        return play_rule(rule, self._series, self._variant, Prices(self.kappa, self._variant.restart_price))

    @cached_property
    def _variant(self) -> Variant:
        return variant_named(self.variant)

    @cached_property
    def _series(self) -> Series:
        return generated(self._variant, range(SEED, SEED + self.episodes), self.kind)[0]
