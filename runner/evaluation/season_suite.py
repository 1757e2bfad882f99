"""The season suite: workloads whose use varies, which no training draws, and those that rules are tuned on."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from env.season.series import Laws, Series, generated
from env.season.variants import Variant
from runner.evaluation.suite import SUITE_SEED

VERSION = 2
"""Of the suite: another one where its workloads are others."""
OF_SUITE = 200
TUNING_SEED = 1 << 40
"""Of the first workload that rules are tuned on; trainings draw evenly from all 2^63 seeds."""
TUNED_ON = 400


def season_suite(variant: Variant, kind: str | None = None) -> tuple[Series, Laws]:
    """200 workloads of all kinds or of one, and their laws; always the same.

    Raises:
        ConfigError: There is no such kind.
    """
    return generated(variant, range(SUITE_SEED, SUITE_SEED + OF_SUITE), kind)


def tuning_series(variant: Variant) -> Series:
    """400 others, which rules are tuned on."""
    return generated(variant, range(TUNING_SEED, TUNING_SEED + TUNED_ON))[0]


def season_fingerprint(series: Series, variant: Variant) -> str:
    """SHA-256 of all that is played: results under another one are not comparable.

    Peaks and growth are whole numbers of a grain, see `env.season.laws.GRAIN`, and so the same on every machine.
    """
    digest = hashlib.sha256(json.dumps(["season", variant.name, series.peaks.shape]).encode())
    for numbers, kind in (
        (series.peaks, "<f8"),
        (series.growth, "<f8"),
        (series.deploys, "u1"),
        (series.kinds, "<i8"),
        (series.typical, "<f8"),
    ):
        digest.update(np.ascontiguousarray(numbers, kind).tobytes())
    return digest.hexdigest()
