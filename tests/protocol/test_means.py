"""Means of vectors: in pieces, in any number."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocol.means import PIECE, WeightedMean, median_cut, trimmed_cut, trimmed_mean


def test_a_vector_longer_than_a_piece_is_taken_whole() -> None:
    rng = np.random.default_rng(1)
    updates = [rng.normal(size=PIECE + 3).astype(np.float32) for _ in range(3)]
    mean = WeightedMean(PIECE + 3)
    for update in updates:
        mean.add(update, 2)
    np.testing.assert_allclose(mean.value(), np.mean(updates, axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(trimmed_mean(updates, 1), np.median(updates, axis=0).astype(np.float64))


@given(st.integers(1, 10_000))
def test_a_cut_leaves_a_value_and_is_never_less_than_one_of_three(members: int) -> None:
    for cut in (median_cut(members), trimmed_cut(members)):
        assert members - 2 * cut >= 1
        assert cut >= 1 or members < 3
    assert trimmed_cut(members) <= median_cut(members)
