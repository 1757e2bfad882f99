"""Laws and peaks: the same as plain Python draws, within bounds, and what their kind says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from env.errors import ConfigError
from env.season.laws import KINDS, LAW, MOST_SHIFTS, RANGES, SHARES, draw_law
from env.season.series import draw_peaks, generated, median
from env.season.variants import ALL_WINDOWS, VARIANTS, WARM_UP, WINDOWS_A_DAY, variant_named

MEMORY = VARIANTS["memory"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**63 - 1), st.sampled_from([*VARIANTS]), st.sampled_from([None, *KINDS]))
def test_compiled_code_draws_what_plain_python_does(seed: int, name: str, kind: str | None) -> None:
    variant = VARIANTS[name]
    series, laws = generated(variant, [seed], kind)
    law, peaks = np.zeros(1, LAW).view(np.recarray)[0], np.empty(ALL_WINDOWS)
    draw_law(law, seed, -1 if kind is None else KINDS.index(kind), RANGES[name], variant.most_peak)
    draw_peaks(law, seed, variant.most_peak, peaks)
    assert series.peaks[0].tobytes() == peaks.tobytes()
    assert laws.level[0].tobytes() == law.level.tobytes()
    assert (series.kinds[0], series.growth[0], series.typical[0]) == (law.kind, law.growth, median(peaks))
    assert median(peaks) == np.median(peaks)
    assert 1 <= peaks.min() <= peaks.max() <= variant.most_peak


def test_a_seed_has_the_same_series_among_others() -> None:
    together, _ = generated(MEMORY, [3, 4, 5])
    alone, _ = generated(MEMORY, [4])
    assert together.peaks[1].tobytes() == alone.peaks[0].tobytes()
    assert len({each.tobytes() for each in together.peaks}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_varies_as_its_name_says(kind: str) -> None:
    series, laws = generated(MEMORY, range(200), kind)
    assert (series.kinds == KINDS.index(kind)).all()
    assert (laws.growth > 0).any() == (kind in ("leak", "mixture"))
    assert (laws.burst_probability > 0).any() == (kind in ("bursty", "mixture"))
    assert laws.deploys.any() == (kind in ("deploys", "mixture"))


def test_a_week_that_is_known_tells_the_seasons_of_the_next() -> None:
    series, _ = generated(MEMORY, range(300), "daily")
    weeks = series.peaks.reshape(300, -1, WARM_UP)
    assert np.median([np.corrcoef(one[0], one[1])[0, 1] for one in weeks]) > 0.8
    assert WARM_UP == 7 * WINDOWS_A_DAY


def test_names_that_there_are_not_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"kind 'dayly': unknown.*daily"):
        generated(MEMORY, [1], "dayly")
    with pytest.raises(ConfigError, match=r"variant 'memroy': unknown.*memory"):
        variant_named("memroy")


def test_kinds_are_drawn_as_often_as_their_shares_say() -> None:
    kinds = generated(MEMORY, range(4000))[0].kinds
    drawn = np.bincount(kinds, minlength=len(KINDS)) / len(kinds)
    assert np.abs(drawn - np.bincount(SHARES, minlength=len(KINDS)) / len(SHARES)).max() < 0.02


def test_half_of_the_shifting_workloads_go_up_and_down_each_time_to_another_height() -> None:
    level = generated(MEMORY, range(400), "shifts")[1].level
    changes = np.diff(np.log(level), axis=1)
    turns = (np.abs(changes) > 0.25).sum(axis=1)
    assert 0.2 < (turns > MOST_SHIFTS).mean() < 0.6
    rises = [each[each > 0.1] for each in changes]
    assert np.median([each.std() for each in rises if len(each) > MOST_SHIFTS]) > 0.08
