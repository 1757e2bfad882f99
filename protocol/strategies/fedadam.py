"""FedAdam: the server takes a step of Adam towards the members' mean.

Reddi et al., Adaptive Federated Optimization, ICLR 2021, arXiv 2003.00295, algorithm 2. What the members moved by
(their mean minus the weights they started from) takes the place of a gradient; no bias correction, as in the paper.
Only the online network takes the step: the target network is a delayed copy, of which the mean is taken.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from protocol.strategies.means import RoundStart, Update, Vector, Vectors, WeightedMean

RATE = 0.03
"""Server learning rate eta: about how far a weight moves in a round."""
BETA_1, BETA_2 = 0.9, 0.99
TAU = 1e-3
"""Degree of adaptivity: weights whose moves are well below it move in proportion to them."""

State = Mapping[str, Vector]
"""Running means of the moves (`first`) and of their squares (`second`); both float64 (n,)."""


class Combined:
    """Adam over the moves of the online network's weighted mean; the weighted mean for everything else."""

    def __init__(self, start: RoundStart) -> None:
        self._mean = WeightedMean(start.size)
        self._online = start.online
        self._weights = start.weights[start.online].astype(np.float64)
        self._state = _checked(start.state) if start.state is not None else _first_state(len(self._weights))

    def add(self, update: Update, weight: int) -> None:
        """Add one update."""
        self._mean.add(update, weight)

    def finish(self) -> Vectors:
        """The weights after the step, and the moments.

        Raises:
            ValueError: a weight after the step is not finite in float32.
        """
        result = self._mean.value()
        result[self._online], state = adam_step(self._weights, result[self._online], self._state)
        if (np.abs(result) > np.finfo(np.float32).max).any():
            raise ValueError("its moments lead to numbers that are not finite")
        return Vectors(result.astype(np.float32), state)


def adam_step(weights: Vector, mean: Vector, before: State) -> tuple[Vector, State]:
    """The weights after a round that started from `weights` and whose members' mean is `mean`, and the state then."""
    move = mean - weights
    first = BETA_1 * before["first"] + (1.0 - BETA_1) * move
    second = BETA_2 * before["second"] + (1.0 - BETA_2) * (move * move)
    return weights + RATE * first / (np.sqrt(second) + TAU), {"first": first, "second": second}


def _first_state(n: int) -> State:
    """The state before round 1."""
    return {"first": np.zeros(n), "second": np.full(n, TAU * TAU)}


def _checked(state: State) -> State:
    """The state after the round before; ValueError if it cannot be one."""
    if (state["second"] < 0).any():
        raise ValueError("second: a mean of squares below zero")
    return state
