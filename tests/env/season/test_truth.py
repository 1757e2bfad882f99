"""What is told of a season's workloads: chances that come true, and the peaks of given ones."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.series import generated
from env.season.truth import Truth
from env.season.variants import JUMPS, VARIANTS
from env.season.vector_env import SeasonVectorEnv
from env.season.window import request_after

MEMORY = VARIANTS["memory"]


@pytest.mark.parametrize("kind", [None, "leak"])
def test_use_is_above_requests_as_often_as_is_told(kind: str | None) -> None:
    envs, rng = SeasonVectorEnv(400, kind=kind), np.random.default_rng(3)
    envs.reset(seed=3)
    truth, told, happened, spread = Truth(envs), 0.0, 0, 0.0
    for _ in range(60):
        actions = rng.integers(len(JUMPS), size=400)
        chances = truth().above[np.arange(400), actions]
        *_, info = envs.step(actions)
        told, happened = told + chances.sum(), happened + info["oom"].sum()
        spread += (chances * (1 - chances)).sum()
    assert happened > 500
    assert abs(told - happened) < 3 * spread**0.5


def test_of_given_workloads_it_knows_the_peaks() -> None:
    series, _ = generated(MEMORY, range(8), "daily")
    envs = SeasonVectorEnv(8, series=series)
    envs.reset(seed=3, options={"series": 0})
    told = Truth(envs)()
    for i, lane in enumerate(envs.lanes):
        after = [request_after(int(lane["request"]), action, MEMORY.largest) for action in range(len(JUMPS))]
        assert told.above[i].tolist() == [float(series.peaks[i, 28] > request) for request in after]
    assert np.exp(told.held) == pytest.approx(envs.lanes["request"] / series.typical)


def test_chances_of_a_new_episode_are_those_of_its_own_law() -> None:
    envs = SeasonVectorEnv(64, kind="bursty", max_episode_steps=1)
    envs.reset(seed=9)
    truth = Truth(envs)
    truth()
    for _ in range(2):  # the last window of the first episode, and the reset
        envs.step(np.zeros(64, np.int64))
    assert np.array_equal(truth().above, Truth(envs)().above)
