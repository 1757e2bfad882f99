"""A policy played on series, each workload once: every decision changes what the next windows show of its use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from env.errors import ConfigError
from env.interrupt import stop_if_asked
from env.season.features import FEATURES
from env.season.kernel import LANE, compiled, game_of, given_of
from env.season.season_env import checked_series
from env.season.series import Series
from env.season.variants import ALL_WINDOWS, WARM_UP, WINDOWS, Variant, checked_kappa

Policy = Callable[[NDArray[np.float32]], NDArray[np.int64]]
"""An action for each state, float32 (n, len(FEATURES)): indices of `env.season.variants.JUMPS`, (n,)."""


@dataclass(frozen=True)
class Played:
    """How n workloads went, window by window: arrays (n, windows).

    Attributes:
        requests: In steps, int64.
        peaks: In steps, float64: also where use was above the request, which no policy is told.
        exceeded: Whether use was above the request: OOM-killed, throttled or overloaded.
        changed: Whether the request changed.
        held: The request over the workload's typical peak, float64.
        cost: See `env.season.window.window_cost`, float64.
    """

    requests: NDArray[np.int64]
    peaks: NDArray[np.float64]
    exceeded: NDArray[np.bool_]
    changed: NDArray[np.bool_]
    held: NDArray[np.float64]
    cost: NDArray[np.float64]


def play(
    policy: Policy, series: Series, variant: Variant, kappa: float | None = None, windows: int = WINDOWS
) -> Played:
    """Let a policy decide on every window of every workload.

    Args:
        policy: Called once a window, with the states of all workloads.
        series: In steps of the variant.
        variant: What is asked for.
        kappa: The price of a window in which use is above the request; None: 4. The policy sees it.
        windows: How many are played, 1 to WINDOWS.

    Raises:
        ConfigError: Series that cannot be played, or a setting out of range.
        Stopped: A stop was asked for, see `env.interrupt`.
    """
    if not 1 <= windows <= WINDOWS:
        raise ConfigError(f"windows {windows!r:.80}: must be from 1 to {WINDOWS}")
    checked_series(series, None)
    game, given, n = game_of(variant, checked_kappa(kappa)), given_of(series), len(series)
    lanes, states = np.zeros(n, LANE), np.empty((n, len(FEATURES)), np.float32)
    lanes["ended"] = True
    scratch = (np.empty(n), np.empty(n, np.bool_))
    compiled()(lanes, game, given, 0, np.zeros(n, np.int64), ALL_WINDOWS, states, *scratch)
    columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in ("peak", "oom", "changed", "held", "cost")}
    for _ in range(windows):
        stop_if_asked()
        wanted = np.ascontiguousarray(policy(states), np.int64)
        compiled()(lanes, game, given, 0, wanted, ALL_WINDOWS, states, *scratch)
        for name, column in columns.items():
            column.append(lanes[name].astype(np.float64))
    requests = lanes["requests"][:, WARM_UP : WARM_UP + windows].copy()
    peaks, over, changed, held, cost = (np.stack(column, axis=1) for column in columns.values())
    return Played(requests, peaks, over != 0, changed != 0, held, cost)
