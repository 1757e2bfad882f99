"""What a policy of Season-v0 requests for the week that comes.

It plays all windows that are known and then a week like the last one, and sees in each what came of its request
before, as it does in the environment. Its steps are a power of two of MiB, so that the median peak is six to eleven of
them: most that it was trained on are of that size, and containers of all sizes are the same to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from env.quantity import MIB
from env.season.policy import Policy, play
from env.season.series import measured
from env.season.variants import ALL_WINDOWS, VARIANTS, WARM_UP
from env.usage.series import Floats
from runner.suggest.backtest.proposers import History, Proposer, held
from runner.suggest.backtest.windows import WEEK

_VARIANT = VARIANTS["memory"]
_TYPICAL_STEPS = 8.0
_AT_ONCE = 1_000
_LEAST_PEAK = 1e-3  # steps; the environment takes no use of nothing


def learned(policy: Policy, kappa: float) -> Proposer:
    """The proposer that asks a policy for the variant memory, at a price of windows above the request."""

    def propose(every: Sequence[History]) -> list[float]:
        parts = (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))
        return [memory for part in parts for memory in _proposed(policy, part, kappa)]

    return propose


def step_bytes(peaks: Floats) -> float:
    """How much one step is for a container with these peaks: 256Mi where their median is about 2Gi."""
    median = max(float(np.median(peaks)), MIB)
    return max(MIB, MIB * 2.0 ** round(math.log2(median / _TYPICAL_STEPS / MIB)))


def _proposed(policy: Policy, every: Sequence[History], kappa: float) -> list[float]:
    steps = [step_bytes(known.peaks) for known in every]
    rows = [_row(known) for known in every]
    ends = [len(row) for row in rows]
    peaks = np.array([np.pad(row, (0, ALL_WINDOWS - len(row)), "edge") for row in rows]) / np.array(steps)[:, None]
    series = measured(np.clip(peaks, _LEAST_PEAK, _VARIANT.most_peak))
    requests = play(policy, series, _VARIANT, kappa, windows=max(ends) - WARM_UP).requests
    weeks = [slice(end - WARM_UP - WEEK, end - WARM_UP) for end in ends]
    return [
        held(row[week] * step, float(np.median(known.peaks)), kappa)
        for row, week, step, known in zip(requests, weeks, steps, every, strict=True)
    ]


def _row(known: History) -> Floats:
    """The peaks from a Monday on and a week like the last one, as many as an episode has at most.

    What is not known of the first week is taken from the week after.
    """
    lacking = known.since_monday
    peaks = np.concatenate([known.peaks[WEEK - lacking : WEEK], known.peaks])
    beyond = max(0, len(peaks) + WEEK - ALL_WINDOWS)
    peaks = peaks[-(-beyond // WEEK) * WEEK :]
    return np.concatenate([peaks, peaks[-WEEK:]])
