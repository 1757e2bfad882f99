"""What each action costs in the window that comes, given how probably use is above the request that it leaves.

It counts that window alone: request / typical + kappa P(peak > request) + the price of a change. Since a request may be
set to almost anything in each window, whoever knows these probabilities loses little by not looking farther ahead.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from env.season.features import FEATURES
from env.season.variants import JUMPS, KAPPA

_REQUEST, _KAPPA = FEATURES.index("request"), FEATURES.index("kappa")
_STEPS = np.array(JUMPS, np.float32)
_CHANGES = (_STEPS != 0).astype(np.float32)


def without_price(states: NDArray[np.float32]) -> NDArray[np.float32]:
    """States in which `kappa` is `KAPPA`, whatever it is: how use goes on does not depend on its price."""
    found = np.array(states, np.float32)
    found[:, _KAPPA] = np.float32(math.log(1 + KAPPA) / 3)
    return found


def next_costs(
    states: NDArray[np.float32], above: NDArray[np.float32], held: NDArray[np.float32], change: float
) -> NDArray[np.float32]:
    """Expected costs of the window that comes, by action, float32 (n, len(JUMPS)).

    Args:
        states: (n, len(FEATURES)); the request and kappa are read.
        above: How probably use is above the request that an action leaves, (n, len(JUMPS)).
        held: The logarithm of the request over the typical peak, (n,).
        change: The price of a change.

    Returns:
        Infinite where an action would leave less than a step.
    """
    request, kappa = np.exp(3 * states[:, _REQUEST])[:, None], np.expm1(3 * states[:, _KAPPA])[:, None]
    after = request + _STEPS
    costs: NDArray[np.float32] = np.exp(held)[:, None] * after / request + kappa * above + np.float32(change) * _CHANGES
    costs[after < 0.5] = np.inf
    return costs
