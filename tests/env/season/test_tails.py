"""What a season's agents are told of what is rare: the same as one who counts over all windows."""

from __future__ import annotations

import numpy as np
import pytest

from env.season.features import ABOVE, FEATURES, features, squashed
from env.season.kernel import LANE, game_of, given_of, start_lane, step_lane
from env.season.tails import GROWING_WEIGHT, REFERENCES, TOPS
from env.season.variants import JUMPS, VARIANTS, WARM_UP


@pytest.mark.parametrize("seed", range(4))
def test_tails_are_those_of_all_windows_that_are_known(seed: int) -> None:
    lane = np.zeros(1, LANE).view(np.recarray)[0]
    lane.key = seed
    game, state = game_of(VARIANTS["memory"], 4.0), np.empty(len(FEATURES), np.float32)
    start_lane(lane, game, given_of(None), -1)
    for action in np.random.default_rng(seed).integers(len(JUMPS), size=12).tolist():
        step_lane(lane, game, action)
        features(lane, 4.0, state)
        seen = dict(zip(FEATURES, state.tolist(), strict=True))
        n, request = int(lane.known), int(lane.request)
        peaks, weights = lane.peaks_taken[:n], GROWING_WEIGHT ** np.arange(n)
        for steps in ABOVE:
            above = peaks > request + steps
            assert seen[f"share_above_{steps}"] == pytest.approx(above.mean() ** 0.5, abs=1e-6)
            recent = weights[above].sum() / weights.sum()
            assert seen[f"recent_share_above_{steps}"] == pytest.approx(recent**0.5, abs=1e-6)
        for name, back in (("last", 1), ("yesterday", 4), ("week_ago", WARM_UP)):
            first = max(8, back)
            ratios = np.sort(peaks[first:] / peaks[first - back : n - back])[::-1]
            _expect(seen, name, peaks[n - back], ratios, request)
        for name, number in (("day_max", 4), ("2_days_max", 8)):
            over = np.array([peaks[i - number : i].max() for i in range(8, n + 1)])
            _expect(seen, name, over[-1], np.sort(peaks[8:] / over[:-1])[::-1], request)


def _expect(seen: dict[str, float], name: str, reference: float, ratios: np.ndarray, request: int) -> None:
    assert name in REFERENCES
    for top in range(min(TOPS, len(ratios))):
        expected = squashed(reference * ratios[top] - request, 2.0)
        assert seen[f"tail_of_{name}_{top + 1}"] == pytest.approx(expected, abs=1e-5)
