"""FedAvg (McMahan et al. 2017, arXiv 1602.05629, algorithm 1): the weighted mean of the members' networks.

Sums are kept in float64 and updates are added in member order, so the mean's bits do not depend on who computes it or
in which order updates arrived. One update is in memory at a time.
"""

from __future__ import annotations

import torch

from agents import checkpoint
from env.errors import AgentError
from protocol.errors import BadDocument
from protocol.rounds import max_update_bytes
from protocol.schemas import Federation


class RunningMean:
    """The mean of updates that have exactly the federation's tensors, all float32 and finite."""

    def __init__(self, federation: Federation) -> None:
        self._shapes = {spec.name: spec.shape for spec in federation.model}
        self._max_bytes = max_update_bytes(federation)
        self._sums = {name: torch.zeros(shape, dtype=torch.float64) for name, shape in self._shapes.items()}
        self._weight = 0

    def add(self, update: bytes, weight: int) -> None:
        """Take one update in.

        Raises:
            BadDocument: it cannot be read safely, has other tensors, or numbers that are not finite.
        """
        try:
            tensors = checkpoint.tensors(checkpoint.loads(update, "update", self._max_bytes), self._shapes, "update")
        except AgentError as error:
            raise BadDocument(str(error)) from error
        for name, total in self._sums.items():
            total.add_(tensors[name].double(), alpha=weight)
        self._weight += weight

    def weights(self) -> bytes:
        """The mean as float32 tensors in the model's order; equal sums give equal bytes."""
        return checkpoint.dumps({name: (total / self._weight).float() for name, total in self._sums.items()})
