"""FedAvg: the weighted mean (McMahan et al., AISTATS 2017, arXiv 1602.05629, algorithm 1).

`fedavg` weighs an update by its member's transitions in the round; for `uniform` all weights are 1.
"""

from __future__ import annotations

from protocol.strategies.means import RoundStart, Update, Vectors, WeightedMean


class Combined:
    """The weighted mean; holds one sum, however many updates there are."""

    def __init__(self, start: RoundStart) -> None:
        self._mean = WeightedMean(start.size)

    def add(self, update: Update, weight: int) -> None:
        """Add one update."""
        self._mean.add(update, weight)

    def finish(self) -> Vectors:
        """Their mean."""
        return Vectors(self._mean.rounded())
