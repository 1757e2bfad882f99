"""The fleet suite: problems that no training draws, and those that rules are tuned on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.draw import PROBLEM, problems_of
from env.fleet.variants import Variant
from runner.evaluation.suite import SUITE_SEED

FLEET = "fleet"
VERSION = 1
"""Of the suite: another one where its problems are others."""
OF_SUITE = 200
TUNING_SEED = 1 << 40
"""Of the first problem that rules are tuned on; trainings draw evenly from all 2^63 seeds."""
TUNED_ON = 200


def fleet_suite(variant: Variant) -> NDArray[Any]:
    """200 problems of a size; always the same."""
    return problems_of(variant, range(SUITE_SEED, SUITE_SEED + OF_SUITE))


def tuning_problems(variant: Variant) -> NDArray[Any]:
    """200 others, which rules are tuned on."""
    return problems_of(variant, range(TUNING_SEED, TUNING_SEED + TUNED_ON))


def fleet_fingerprint(problems: NDArray[Any]) -> str:
    """SHA-256 of all numbers of the problems: results under another one are not comparable."""
    digest = hashlib.sha256(json.dumps([FLEET, [*(PROBLEM.names or ())], len(problems)]).encode())
    for name in PROBLEM.names or ():
        digest.update(np.ascontiguousarray(problems[name], "<i8").tobytes())
    return digest.hexdigest()
