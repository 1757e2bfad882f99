"""The table of how features are spread is that of random play."""

from __future__ import annotations

import numpy as np
import pytest

from env.doctor.features import FEATURES
from env.doctor.spread import LEAST_SHARE, SPREAD, Spread
from env.doctor.vector_env import DoctorVectorEnv


@pytest.fixture(scope="module")
def measured() -> list[Spread]:
    rng, seen = np.random.default_rng(0), []
    envs = DoctorVectorEnv(512)
    states, info = envs.reset(seed=1_000_000)
    for _ in range(100):
        seen.append(states)
        actions = np.where(info["action_mask"], rng.random(info["action_mask"].shape), -1.0).argmax(axis=1)
        states, _, _, _, info = envs.step(actions)
    shares = np.concatenate(seen).astype(np.float64)
    logs = np.log1p(shares / LEAST_SHARE) / np.log1p(1 / LEAST_SHARE)
    parts = (shares.mean(0), shares.std(0), logs.mean(0), logs.std(0))
    return [Spread(*row) for row in np.stack(parts, 1).tolist()]


@pytest.mark.parametrize("number", range(len(FEATURES)), ids=FEATURES)
def test_each_feature_is_spread_as_the_table_says(measured: list[Spread], number: int) -> None:
    """To two digits. Where this fails because the environment has changed, the rows that it names are the new ones."""
    assert SPREAD[number] == pytest.approx(measured[number], rel=0.06, abs=1e-3)
