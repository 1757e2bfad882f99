"""The hash that SimKube keeps for an object's `.spec` in a trace's index.

It is Rust's `DefaultHasher` (SipHash-1-3 with a zero key; Aumasson & Bernstein, "SipHash: a fast short-input PRF",
2012) over a byte feed of the spec with sorted keys. SimKube never checks it when it replays a trace.
"""

from __future__ import annotations

import struct
from typing import Any

_MASK = 2**64 - 1


def spec_hash(spec: Any) -> int:
    """Hash of a spec made of maps, lists, strings, numbers, booleans and None (a missing spec), as a uint64."""
    feed = bytearray()
    _feed(spec, feed)
    return _siphash13(bytes(feed))


def _feed(value: Any, feed: bytearray) -> None:
    match value:
        case None:
            feed += bytes(8)
        case bool():
            feed.append(value)
        case str():
            feed += value.encode() + b"\xff"
        case int():
            feed += struct.pack("<Q" if value >= 0 else "<q", value)
        case float():
            feed += struct.pack("<d", value or 0.0)  # -0.0 hashes as 0.0
        case dict():
            for key in sorted(value, key=str.encode):
                _feed(key, feed)
                _feed(value[key], feed)
        case _:
            for item in value:
                _feed(item, feed)


def _siphash13(data: bytes) -> int:
    state = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v0, v1, v2, v3 = _round(state[0], state[1], state[2], state[3] ^ word)
        state = (v0 ^ word, v1, v2, v3)
    state = (state[0], state[1], state[2] ^ 0xFF, state[3])
    for _ in range(3):
        state = _round(*state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _round(v0: int, v1: int, v2: int, v3: int) -> tuple[int, int, int, int]:
    v0 = (v0 + v1) & _MASK
    v2 = (v2 + v3) & _MASK
    v1 = _rotate(v1, 13) ^ v0
    v3 = _rotate(v3, 16) ^ v2
    v0 = (_rotate(v0, 32) + v3) & _MASK
    v2 = (v2 + v1) & _MASK
    v1 = _rotate(v1, 17) ^ v2
    v3 = _rotate(v3, 21) ^ v0
    return v0, v1, _rotate(v2, 32), v3


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
