"""Philox4x32-10: random numbers that are a function of a key and a counter, with no state to carry.

Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Written so that numba compiles it
too: products may wrap around in its 64-bit integers, of which only the lower 64 bits count here.
"""

from __future__ import annotations

_WORD = 0xFFFFFFFF
_ROUNDS = 10


def philox(key: int, high: int, low: int) -> tuple[int, int, int, int]:
    """Four random 32-bit words.

    Args:
        key: 0 to 2^63 - 1.
        high: Upper half of the counter, 0 to 2^63 - 1.
        low: Lower half of it.
    """
    c0, c1, c2, c3 = low & _WORD, low >> 32, high & _WORD, high >> 32
    k0, k1 = key & _WORD, key >> 32
    for _ in range(_ROUNDS):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1 = (p1 >> 32 & _WORD) ^ c1 ^ k0, p1 & _WORD
        c2, c3 = (p0 >> 32 & _WORD) ^ c3 ^ k1, p0 & _WORD
        k0, k1 = k0 + 0x9E3779B9 & _WORD, k1 + 0xBB67AE85 & _WORD
    return c0, c1, c2, c3


def below(word: int, limit: int) -> int:
    """A random 32-bit word as a number from 0 to limit - 1; `limit` at most 2^31."""
    return word * limit >> 32


def seed_of(word: int, other: int) -> int:
    """Two random 32-bit words as a number from 0 to 2^63 - 1."""
    return (word << 31) + (other >> 1)
