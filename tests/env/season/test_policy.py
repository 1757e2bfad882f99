"""A policy played on series."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from env.errors import ConfigError
from env.season.policy import play
from env.season.season_env import SeasonEnv
from env.season.series import generated, measured
from env.season.variants import ALL_WINDOWS, JUMPS, VARIANTS, WINDOWS

MEMORY = VARIANTS["memory"]
States = NDArray[np.float32]


def follow(states: States) -> NDArray[np.int64]:
    """Ask for more while the last peak was less than a step below the request, for less if it was far below."""
    above = states[:, 0]
    chosen = np.where(above > -0.6, JUMPS.index(2), np.where(above < -1.2, JUMPS.index(-1), JUMPS.index(0)))
    return chosen.astype(np.int64)


def test_a_policy_meets_what_it_would_in_the_environment() -> None:
    series, _ = generated(MEMORY, range(4))
    played = play(follow, series, MEMORY, kappa=7)
    env = SeasonEnv(series=series, kappa=7)
    for number in range(4):
        state, _ = env.reset(seed=0, options={"series": number})
        for window in range(WINDOWS):
            state, _, _, _, info = env.step(follow(state[np.newaxis])[0])
            assert played.cost[number, window] == info["cost"]
            assert played.exceeded[number, window] == info["oom"]
            assert played.changed[number, window] == info["changed"]
            assert played.held[number, window] == info["held"]
    assert (played.exceeded == (played.peaks > played.requests)).all()
    assert (np.diff(played.requests) != 0).sum() + (played.changed[:, 0]).sum() == played.changed.sum()


def test_fewer_windows_may_be_played() -> None:
    series = measured(np.full((1, ALL_WINDOWS), 8.0))
    played = play(follow, series, MEMORY, windows=3)
    assert played.requests.tolist() == [[10, 10, 10]]
    with pytest.raises(ConfigError, match="windows 113"):
        play(follow, series, MEMORY, windows=113)
