from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from env.embedded.closed_form import plain_workload
from env.embedded.cluster import EmbeddedCluster
from env.errors import ConfigError
from env.problems.generate import generate_scenario
from env.trace.document import Trace
from env.workload import Resources
from runner.bench.environments import (
    Rate,
    RateBudget,
    Unseen,
    crowd,
    doctor_rate,
    exponent,
    given_scenarios,
    is_plain,
    one_deployment,
    placing_rate,
    season_rate,
    single_rate,
    vector_rate,
)
from runner.commands.program import program
from runner.commands.table import BENCHMARKS


def ticking(step_s: float = 1.0) -> Any:
    """A clock that is one step further each time it is read."""
    ticks = count()
    return lambda: step_s * next(ticks)


BUDGET = RateBudget(repetitions=3, seconds=2.5, batches=(4,), nodes=(2,))


def test_a_rate_is_a_median_with_its_spread() -> None:
    assert Rate.of([3.0, 1.0, 10.0]) == Rate(3.0, 1.0, 10.0)


def test_a_repetition_counts_the_work_done_until_its_time_is_over() -> None:
    """The clock is read at 0, 1, 2 and 3 s; work is done after two of these, 64 steps each."""
    assert single_rate([one_deployment()], BUDGET, ticking()) == Rate(128 / 3, 128 / 3, 128 / 3)
    assert vector_rate(None, 4, BUDGET, ticking()).median == 4 * 128 / 3
    assert doctor_rate(4, BUDGET, ticking()).median == 4 * 128 / 3
    assert season_rate(4, BUDGET, ticking()).median == 4 * 128 / 3
    assert placing_rate(2, BUDGET, ticking()).median == 2 * 20 / 3


def test_placing_is_measured_where_there_is_no_closed_form_and_all_pods_fit() -> None:
    scenario = crowd(7)
    assert plain_workload(scenario) is None
    seen = EmbeddedCluster().observe(scenario, None)
    assert (seen.ready, seen.pending) == (70, 0)


def test_growth_is_the_slope_of_the_logarithms() -> None:
    assert exponent([10, 100, 1000], [1000.0, 100.0, 10.0]) == pytest.approx(1)
    assert exponent([10, 1000], [50.0, 50.0]) == pytest.approx(0)
    assert exponent([10], [50.0]) is None


def test_what_is_replayed_every_time_decides_the_same() -> None:
    scenario, cluster = crowd(2), Unseen()
    for asked in (None, None, Resources(2000, 2**30, 50)):
        assert cluster.observe(scenario, asked) == EmbeddedCluster().observe(scenario, asked)
    cluster.close()


def test_a_given_trace_is_stepped_at_its_largest_deployment(tmp_path: Path) -> None:
    (tmp_path / "two.msgpack").write_bytes(crowd(3).trace.to_bytes())
    (tmp_path / "one.msgpack").write_bytes(generate_scenario("cpu", 1).trace.to_bytes())
    one, two = given_scenarios([tmp_path])
    assert (one.problem, two.workload.name, two.target) == ("cpu", "web", 30)
    assert (is_plain([one]), is_plain([two]), is_plain(None)) == (True, False, True)


def test_a_trace_without_deployments_cannot_be_stepped(tmp_path: Path) -> None:
    path = tmp_path / "empty.msgpack"
    document = {"version": 2, "config": {"trackedObjects": {}}, "events": [], "index": {}, "pod_lifecycles": {}}
    path.write_bytes(Trace(document).to_bytes())
    with pytest.raises(ConfigError, match="no Deployment"):
        given_scenarios([path])


def test_the_command_prints_every_part_and_the_machine(capfd: pytest.CaptureFixture[str]) -> None:
    program("test", BENCHMARKS)(["bench", "env", "--quick", "--json"], standalone_mode=False)
    document = json.loads(capfd.readouterr().out)
    assert {"cpu", "cores", "python", "numpy", "numba", "gymnasium"} == set(document["machine"])
    assert {row["scenario"] for row in document["single"]} >= {"generated", "cpu", "over-allocation"}
    assert {row["environments"] for row in document["vector"]} == {1, 64, 4096}
    assert [row["nodes"] for row in document["placing"]] == [10, 100]
    assert all(row["low"] <= row["median"] <= row["high"] for row in document["single"])
    assert "time_per_pod_grows_as_nodes_to_the" in document
