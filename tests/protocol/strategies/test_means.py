"""Means of vectors: in pieces, in any number."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.strategies.means import Update, WeightedMean
from protocol.strategies.trimmed_mean import PIECE, median_cut, trimmed_cut, trimmed_mean

Floats = npt.NDArray[np.float32]

numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)  # -0.0, subnormal and huge ones among them


def scattered(vector: Floats, cuts: list[int], between: float) -> Update:
    """The vector cut into spans of an array with other numbers between them."""
    places = [0, *sorted(cuts), len(vector)]
    gap = np.full(3, between, np.float32)
    array = np.concatenate([part for a, b in pairwise(places) for part in (gap, vector[a:b])])
    array.setflags(write=False)
    spans = [(a + 3 * (n + 1), b + 3 * (n + 1)) for n, (a, b) in enumerate(pairwise(places))]
    return Update(array, np.array(spans, np.int64))


@settings(deadline=None)
@given(st.data())
def test_the_mean_has_the_bits_of_product_after_product_sum_after_sum(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    vectors = [
        np.array(row, np.float32)
        for row in data.draw(st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1, max_size=6))
    ]
    weights = data.draw(st.lists(st.integers(1, 10**9), min_size=len(vectors), max_size=len(vectors)))
    cuts = data.draw(st.lists(st.integers(0, n), max_size=5))
    mean, total = WeightedMean(n), np.zeros(n)
    for vector, weight in zip(vectors, weights, strict=True):
        mean.add(scattered(vector, cuts, math.nan), weight)
        total += vector.astype(np.float64) * weight
    assert mean.value().tobytes() == (total / sum(weights)).tobytes()
    assert mean.rounded().tobytes() == mean.value().astype(np.float32).tobytes()


def test_a_product_is_rounded_before_it_is_added() -> None:
    vector, weight = np.full(64, 1 + 2.0**-23, np.float32), 2**31 + 1  # their product needs 55 bits
    mean = WeightedMean(64)
    mean.add(Update.of(vector), weight)
    mean.add(Update.of(-vector), weight)
    assert not mean.value().any()  # fused, what was rounded off would be left


@given(st.integers(1, 40), st.data())
def test_a_number_that_is_not_finite_is_found_at_every_position(n: int, data: st.DataObject) -> None:
    vector = np.full(n, np.finfo(np.float32).max)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=5))
    assert scattered(vector, cuts, math.nan).finite()
    vector[data.draw(st.integers(0, n - 1))] = data.draw(st.sampled_from([math.nan, -math.nan, math.inf, -math.inf]))
    assert not scattered(vector, cuts, 0.0).finite()


@pytest.mark.parametrize("cuts", [[], [1, 1, 4]])
def test_an_update_is_its_spans_end_to_end(cuts: list[int]) -> None:
    vector = np.arange(9, dtype=np.float32)
    np.testing.assert_array_equal(scattered(vector, cuts, math.nan).vector(), vector)


def test_a_vector_longer_than_a_piece_is_taken_whole() -> None:
    rng = np.random.default_rng(1)
    updates = [rng.normal(size=PIECE + 3).astype(np.float32) for _ in range(3)]
    mean = WeightedMean(PIECE + 3)
    for update in updates:
        mean.add(Update.of(update), 2)
    np.testing.assert_allclose(mean.value(), np.mean(updates, axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_array_equal(trimmed_mean(updates, 1), np.median(updates, axis=0).astype(np.float64))


@given(st.integers(1, 10_000))
def test_a_cut_leaves_a_value_and_is_never_less_than_one_of_three(members: int) -> None:
    for cut in (median_cut(members), trimmed_cut(members)):
        assert members - 2 * cut >= 1
        assert cut >= 1 or members < 3
    assert trimmed_cut(members) <= median_cut(members)
