"""Our rule beside VPA's and KRR's: on recorded memory and generated CPU. The tables are those of docs/usage.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from series import CPU_KINDS, Floats, Series, generated_cpu, recorded_memory

from env.quantity import MIB
from env.usage.recommenders import krr_cpu, krr_memory, our_cpu, our_memory, vpa_cpu, vpa_memory

Rule = Callable[[Floats, Floats], float]

CPU_RULES: dict[str, Rule] = {"ours": our_cpu, "KRR": krr_cpu, "VPA": lambda s, v: vpa_cpu(s, v).target}
MEMORY_RULES: dict[str, Rule] = {
    "the peak alone": lambda s, v: float(v.max()),
    "the peak and 5 %": lambda s, v: float(v.max()) * 1.05,
    "ours: the peak and 15 %": our_memory,
    "KRR: the peak and 15 %": krr_memory,
    "VPA": lambda s, v: vpa_memory(s, v).target,
    "the peak and 30 %": lambda s, v: float(v.max()) * 1.3,
}


def documented(row: str) -> bool:
    return row in (Path(__file__).parents[3] / "docs" / "usage.md").read_text().splitlines()


def test_cpu_of_the_busiest_day_holds_where_a_week_has_quiet_days_and_load_grows() -> None:
    for kind in CPU_KINDS:
        row = f"| {kind} |"
        for rule in CPU_RULES.values():
            over, asked = [], []
            for seed in range(20):
                seconds, cores = generated_cpu(kind, seed)
                half = len(seconds) // 2
                request, later = rule(seconds[:half], cores[:half]), cores[half:]
                over.append((later > request).mean())
                asked.append(request / later.mean())
            row += f" {np.mean(over):.1%}, {np.mean(asked):.2f} x |".replace("%", " %")
        assert documented(row), row


@pytest.fixture(scope="module")
def memory() -> list[Series]:
    if "SIM_ARENA_DATA" not in os.environ:
        pytest.skip("SIM_ARENA_DATA is not set")
    return recorded_memory(Path(os.environ["SIM_ARENA_DATA"]) / "usage" / "alibaba-gentd26-memory-half.csv.gz")


def test_fifteen_percent_more_than_the_peak_is_where_more_gains_little(memory: list[Series]) -> None:
    for name, rule in MEMORY_RULES.items():
        row = f"| {name} |"
        for share in (0.25, 0.5):
            kills, more, used = held(memory, rule, share)
            row += f" {kills:.0%} | {more:+.0%} | {used:.0%} |".replace("%", " %")
        assert documented(row), row


def held(series: list[Series], rule: Rule, share: float) -> tuple[float, float, float]:
    """What follows of a request made after a share of the time: pods killed, request over peak, use over request."""
    found = []
    for seconds, memory in series:
        end = int(len(seconds) * share)
        later = memory[end:]
        found.append((rule(seconds[:end], memory[:end]), later.max(), later.mean()))
    request, peak, mean = np.array(found).T
    return float((peak > request).mean()), request.sum() / peak.sum() - 1, mean.sum() / request.sum()


def test_vpa_rounds_up_to_buckets_and_adds_its_margin() -> None:
    seconds = np.arange(8 * 1440) * 60.0
    found = vpa_cpu(seconds, np.full(len(seconds), 0.5))
    assert 0.5 * 1.15 < found.target < 0.5 * 1.05 * 1.15
    assert found.lower == pytest.approx(found.target, rel=0.01)
    assert found.upper == pytest.approx(found.target * (1 + 1 / 8), rel=0.01)


def test_vpa_forgets_half_in_a_day() -> None:
    seconds = np.arange(20) * 86_400.0
    falling = np.where(seconds < 18 * 86_400, 4.0, 0.5)
    assert vpa_cpu(seconds, falling).target > 4
    assert vpa_cpu(seconds, np.where(seconds < 15 * 86_400, 4.0, 0.5)).target < 0.7


def test_vpa_raises_the_peak_of_a_killed_container() -> None:
    seconds = np.arange(1440) * 60.0
    memory = np.full(len(seconds), 1000.0 * MIB)
    killed = vpa_memory(seconds, memory, np.array([600.0]))
    assert killed.target / vpa_memory(seconds, memory).target == pytest.approx(1.2, rel=0.05)


def test_each_rule_has_a_minimum() -> None:
    seconds, idle = np.arange(10) * 60.0, np.full(10, 1e-6)
    assert [rule(seconds, idle) for rule in CPU_RULES.values()] == [0.01, 0.01, 0.025]
    assert vpa_memory(seconds, idle).target == 250 * MIB
