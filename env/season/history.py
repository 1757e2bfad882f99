"""What is known of a workload when its next request is decided; numba compiles it."""

from __future__ import annotations

from typing import Any

import numpy as np

from env.season.tails import TAILS, add_to_tails, forget_tails
from env.season.variants import ALL_WINDOWS, WARM_UP
from env.season.window import Window, start_request

HISTORY = np.dtype(
    [
        ("known", np.int64),
        ("request", np.int64),
        ("age", np.int64),
        ("since_deploy", np.int64),
        ("recent", np.float64),
        ("highest", np.float64),
        ("growing", np.float64),
        ("requests", np.int64, (ALL_WINDOWS,)),
        ("peaks_taken", np.float64, (ALL_WINDOWS,)),
        ("exceeded", np.uint8, (ALL_WINDOWS,)),
        *TAILS,
    ]
)
"""One workload.

known: Windows that are over. The window of this number, counted from 0, is decided on next; 0 begins a Monday.
request: In the last of them, in steps.
age: Windows since the pods started.
since_deploy: Windows since the last deploy; `NO_DEPLOY` if there was none.
recent: Windows in which use was above the request, a window ago counting KEPT of the one after.
growing: By how much peaks grow with each window that pods are older, in steps; a mean in which each window counts
    GROWING.
highest: What the highest peak so far is taken to have been, in steps.
requests: Of each window, in steps; in the warm-up, that of the start.
peaks_taken: The peak of each window, in steps; where it was above the request, what it is taken to have been.
exceeded: 1 where it was above the request.
The others: see `env.season.tails.TAILS`.
"""

NO_DEPLOY = ALL_WINDOWS
KEPT = 0.95
GROWING = 0.1
CENSORED = 1.1
"""What a peak above the request is taken to have been, of the request."""


def begin(history: Any, peaks: Any, deploys: Any, largest: int) -> None:
    """Know the warm-up, and nothing else.

    Args:
        history: A record with the fields of HISTORY; filled.
        peaks: Of fresh pods, in steps; WARM_UP of them are read.
        deploys: Whether there was one before each window.
        largest: Of requests, in steps.
    """
    history.known = WARM_UP
    history.request = start_request(peaks, largest)
    history.age = 0
    history.since_deploy = NO_DEPLOY
    history.recent = 0.0
    history.highest = 0.0
    history.growing = 0.0
    history.exceeded[:] = 0
    history.requests[:WARM_UP] = history.request
    forget_tails(history)
    for window in range(WARM_UP):
        history.peaks_taken[window] = peaks[window]
        add_to_tails(history, window)
        history.highest = max(history.highest, peaks[window])
        if deploys[window]:
            history.since_deploy = WARM_UP - window


def remember(history: Any, window: Window, deploy: bool) -> None:
    """Add a window that is over; `deploy`: there was one before it."""
    now = history.known
    history.requests[now] = window.request
    history.peaks_taken[now] = CENSORED * window.request if window.exceeded else window.peak
    history.exceeded[now] = window.exceeded
    add_to_tails(history, now)
    history.highest = max(history.highest, history.peaks_taken[now])
    history.recent = KEPT * history.recent + window.exceeded
    if window.age >= 2 and window.age <= now and not window.exceeded:
        history.growing += GROWING * (window.peak - history.peaks_taken[now - 1] - history.growing)
    history.known = now + 1
    history.request = window.request
    history.age = window.age
    history.since_deploy = 1 if deploy else min(history.since_deploy + 1, NO_DEPLOY)
