"""The adviser of a season: its costs-to-go are those of the dynamic programmes that bounds are."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.advice import Adviser
from env.season.bounds.clairvoyant import clairvoyant
from env.season.bounds.informed import informed
from env.season.series import generated
from env.season.variants import JUMPS, VARIANTS
from env.season.vector_env import SeasonVectorEnv
from env.season.window import Prices

MEMORY = VARIANTS["memory"]
PRICES = Prices(4.0, MEMORY.restart_price)


@pytest.mark.parametrize("kind", [None, "leak"])
def test_the_best_action_costs_what_one_who_knows_the_law_pays(kind: str | None) -> None:
    envs = SeasonVectorEnv(24, kind=kind)
    envs.reset(seed=3)
    series, laws = generated(MEMORY, envs.lanes["seed"], kind)
    assert Adviser(envs)().min(axis=1) == pytest.approx(informed(series, laws, MEMORY, PRICES), rel=1e-3)


def test_of_given_workloads_it_knows_the_peaks() -> None:
    series, _ = generated(MEMORY, range(8))
    envs = SeasonVectorEnv(8, series=series)
    envs.reset(seed=3, options={"series": 0})
    assert Adviser(envs)().min(axis=1) == pytest.approx(clairvoyant(series, MEMORY, PRICES), rel=1e-4)


def test_in_the_middle_of_an_episode_its_advice_pays() -> None:
    costs = []
    for advised in (True, False):
        envs = SeasonVectorEnv(64)
        envs.reset(seed=9)
        adviser, total = Adviser(envs), np.zeros(64)
        for _ in range(40):
            _, rewards, *_ = envs.step(adviser().argmin(axis=1) if advised else np.zeros(64, np.int64))
            total -= rewards
        costs.append(total.mean())
    assert costs[0] < 0.95 * costs[1]


def test_a_cautious_adviser_keeps_more_room() -> None:
    envs = SeasonVectorEnv(64)
    envs.reset(seed=9)
    asked = [np.array(JUMPS)[Adviser(envs, caution)().argmin(axis=1)] for caution in (1.0, 4.0)]
    assert asked[1].mean() > asked[0].mean()
