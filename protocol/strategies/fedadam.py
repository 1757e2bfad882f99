"""FedAdam: the server takes a step of Adam towards the members' mean.

Reddi et al., Adaptive Federated Optimization, ICLR 2021, arXiv 2003.00295, algorithm 2. What the members moved by
(their mean minus the weights they started from) takes the place of a gradient; no bias correction, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from protocol.strategies.means import Vector

RATE = 0.03
"""Server learning rate eta: about how far a weight moves in a round."""
BETA_1, BETA_2 = 0.9, 0.99
TAU = 1e-3
"""Degree of adaptivity: weights whose moves are well below it move in proportion to them."""


@dataclass(frozen=True)
class Moments:
    """Running means of the moves and of their squares; both float64 (n,)."""

    first: Vector
    second: Vector


def first_moments(n: int) -> Moments:
    """Those before round 1."""
    return Moments(np.zeros(n), np.full(n, TAU * TAU))


def adam_step(weights: Vector, mean: Vector, before: Moments) -> tuple[Vector, Moments]:
    """The weights after a round that started from `weights` and whose members' mean is `mean`, and the moments then."""
    move = mean - weights
    first = BETA_1 * before.first + (1.0 - BETA_1) * move
    second = BETA_2 * before.second + (1.0 - BETA_2) * (move * move)
    return weights + RATE * first / (np.sqrt(second) + TAU), Moments(first, second)
