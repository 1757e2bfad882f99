from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from env.problems.philox import below, philox, seed_of

words = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("key", "high", "low", "expected"),
    [
        (0, 0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            0x299F31D0_A4093822,
            0x03707344_13198A2E,
            0x85A308D3_243F6A88,
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_the_words_are_those_of_random123(key: int, high: int, low: int, expected: tuple[int, ...]) -> None:
    """Known answers of `kat_vectors` in the authors' library Random123, `philox4x32 10`."""
    assert philox(key, high, low) == expected


@given(words, st.integers(1, 2**31))
def test_a_number_is_below_its_limit(word: int, limit: int) -> None:
    assert 0 <= below(word, limit) < limit


def test_numbers_below_a_limit_are_equally_frequent() -> None:
    drawn = [below(philox(i, 0, 0)[0], 5) for i in range(5000)]
    assert all(900 < drawn.count(number) < 1100 for number in range(5))


@given(words, words)
def test_two_words_make_a_seed(word: int, other: int) -> None:
    assert 0 <= seed_of(word, other) < 2**63
