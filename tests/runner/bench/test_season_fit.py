"""`bench season-fit`: generated workloads vary as real ones do, by what is measured of both."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from runner.bench.season_fit import WORKLOADS, groups_of, is_even, quantiles, statistics

SERIES = "usage/alibaba-gentd26-memory-half.csv.gz"


def test_statistics_are_what_their_names_say() -> None:
    windows = np.arange(140)
    peaks = np.array([np.where(windows % 2, 2.0, 4.0), np.where(windows < 112, 4.0, 8.0), np.full(140, 5.0)])
    found = statistics(peaks)
    assert found["deviation / mean"] == pytest.approx([1 / 3, 1.6 / 4.8, 0.0])
    assert found["change, median"] == pytest.approx([np.log(2), 0.0, 0.0])
    assert found["change of 28 windows"] == pytest.approx([0.0, np.log(2), 0.0])
    assert found["highest / median"] == pytest.approx([4 / 3, 2.0, 1.0])
    assert found["autocorrelation 1"][0] < -0.9
    assert found["autocorrelation 4"][0] > 0.9


def test_series_are_split_by_the_hash_of_their_names() -> None:
    assert sum(is_even(str(number)) for number in range(1000)) == pytest.approx(500, abs=60)
    assert is_even("3")
    assert not is_even("0")


def test_both_halves_are_held_against_what_is_generated(tmp_path: Path) -> None:
    rows = [f"{name},{at},{1 + at % 7}" for name in ("0", "3") for at in range(700)]
    (tmp_path / "use.csv").write_text("\n".join(["pod,seconds,use", *rows]))
    groups = groups_of(tmp_path / "use.csv")
    assert (len(groups["even"]), len(groups["odd"])) == (1, 1)
    assert 0.4 < len(groups["generated"]) / WORKLOADS < 0.6


@pytest.mark.skipif("SIM_ARENA_DATA" not in os.environ, reason="needs recorded series")
def test_generated_workloads_vary_as_the_half_of_real_ones_that_was_left_out() -> None:
    groups = groups_of(Path(os.environ["SIM_ARENA_DATA"], SERIES))
    real, drawn = quantiles(groups["odd"]), quantiles(groups["generated"])
    for name in ("deviation / mean", "highest / median", "change of 28 windows"):
        assert drawn[name][2] == pytest.approx(real[name][2], rel=0.5), name
    assert drawn["deviation / mean"][1] == pytest.approx(real["deviation / mean"][1], abs=0.05)
