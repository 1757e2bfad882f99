"""The rules of a backtest beside one another, on weeks that none was tuned on. The table is that of docs/usage.md.

With `-s` the rows are printed. Those of the trained agent, and of the choice that it takes part in, change with its
training, so only what is claimed of them is held.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from env.season.real import read_series
from env.season.variants import VARIANTS
from runner.evaluation.season_suite import season_suite
from runner.suggest.backtest.learned import learned
from runner.suggest.backtest.proposers import DEFAULT_KAPPA, LEARNED, VPA, Proposer, simple
from runner.suggest.backtest.tested import season_policy
from runner.suggest.backtest.walk import Backtest, Tried, walk
from runner.suggest.backtest.windows import Floats, Windows

MEMORY = VARIANTS["memory"]
CHOICE = "the choice"


def backtests(peaks: Floats, kappa: float = DEFAULT_KAPPA) -> list[Backtest]:
    policy = season_policy()
    proposers: dict[str, Proposer] = {**({LEARNED: learned(policy, kappa)} if policy else {}), **simple(kappa)}
    every = [Windows(16, each * MEMORY.step, np.ones(len(each), np.bool_)) for each in peaks]
    return walk(every, proposers, kappa)


def figures(tried: Sequence[Tried]) -> tuple[float, float, float]:
    """Windows above the request, held, and cost: means."""
    ooms = np.mean([each.ooms / each.windows for each in tried])
    return float(ooms), float(np.mean([each.held for each in tried])), float(np.mean([each.cost for each in tried]))


def rows(every: Sequence[Backtest]) -> dict[str, tuple[float, float, float]]:
    names = [each.name for each in every[0].tried]
    found = {CHOICE: figures([test.followed for test in every])}
    return found | {name: figures([test.tried[i] for test in every]) for i, name in enumerate(names)}


def check(found: dict[str, tuple[float, float, float]]) -> None:
    """What is the same on every machine is documented; the choice costs and holds less than VPA, and is as safe."""
    text = (Path(__file__).parents[3] / "docs" / "usage.md").read_text()
    for name, (ooms, held, cost) in found.items():
        row = f"{100 * ooms:.1f} % | {held:.2f} | {cost:.2f}"
        print(f"| {name} | {row} |")
        if name in simple(DEFAULT_KAPPA):
            line = next(line for line in text.splitlines() if line.startswith(f"| {name} |") and line.count("|") == 8)
            assert f"| {row} |" in line
    ooms, held, cost = found[CHOICE]
    assert ooms < 1.1 * found[VPA][0]
    assert held < 0.98 * found[VPA][1]
    assert cost < 0.98 * found[VPA][2]


def test_on_generated_workloads_the_choice_holds_less_than_vpa_and_costs_less() -> None:
    series, _ = season_suite(MEMORY)
    check(rows(backtests(series.peaks[series.growth == 0])))


@pytest.mark.skipif("SIM_ARENA_DATA" not in os.environ, reason="SIM_ARENA_DATA is not set")
def test_on_recorded_pods_too() -> None:
    path = Path(os.environ["SIM_ARENA_DATA"]) / "usage" / "alibaba-gentd26-memory-half.csv.gz"
    check(rows(backtests(read_series(path, MEMORY).series.peaks)))


@pytest.mark.parametrize("number", [0, 1])
def test_what_is_said_of_the_choice_is_seldom_less_than_what_comes(number: int) -> None:
    """Of 200 workloads the windows of the last of five weeks lie above the 95 % interval of the weeks before in few."""
    series, _ = season_suite(MEMORY)
    peaks = series.peaks[series.growth == 0][number::2]
    known = backtests(peaks[:, :-28])
    rates = (peaks[:, -28:] * MEMORY.step > np.array([[test.followed.request] for test in known])).mean(axis=1)
    above = np.mean([rate > test.followed.oom_interval[1] for rate, test in zip(rates, known, strict=True)])
    print(f"above the interval: {above:.1%}")
    assert above < 0.12
