"""Safetensors files as an attacker would build them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st

from agents.saved import checkpoint

GOOD = checkpoint.dumps(
    {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "in": {"b": np.arange(3)},
        "text": "x",
        "n": [1, 2.5, None, True],
    }
)
PIECE: dict[str, Any] = {"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}


def file(header: bytes, data: bytes = bytes(24)) -> bytes:
    """A file with this header, padded as it should be."""
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data


def as_json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


GOOD_HEADER = GOOD[8 : 8 + int.from_bytes(GOOD[:8], "little")]
GOOD_DATA = GOOD[8 + len(GOOD_HEADER) :]

sizes = st.integers(-2, 30) | st.sampled_from([2**20, 2**40, 2**62, 2**63, 2**64, -(2**63), 10**40])
kinds = st.sampled_from(["F32", "F64", "I64", "U8", "F16", "BF16", "BOOL", "C64", "F4", "", "f32"])
entries = st.fixed_dictionaries(
    {
        "dtype": kinds,
        "shape": st.lists(sizes, max_size=4),
        "data_offsets": st.tuples(sizes, sizes) | st.lists(sizes, max_size=3),
    }
) | st.sampled_from([PIECE, {**PIECE, "shape": [2, 3]}, {**PIECE, "more": 1}, {}, [], None, 3, "F32"])
names = st.sampled_from(["a", "b", "a/b", "a/b/c", "/", "", "..", "__metadata__", "\x1b[2J", "n" * 5000, "é"])
metadata = st.sampled_from(
    [
        {},
        {"state": "{}"},
        {"state": '{"a":{}}'},
        {"state": '{"a":{"b":{}}}'},
        {"state": "[]"},
        {"state": 3},
        {"x": "y"},
        7,
    ]
)
headers = st.builds(
    lambda given, tensors: {**({"__metadata__": given} if given is not None else {}), **tensors},
    st.none() | metadata,
    st.dictionaries(names, entries, max_size=4),
)


@cache
def attacks() -> dict[str, bytes]:
    """Files that would take hours or gigabytes, or be read in two ways."""
    limit = checkpoint.HEADER_BYTES - 64
    deep = b"[" * 200_000
    return {
        "a header without an end": (2**64 - 8).to_bytes(8, "little") + b"{",
        "a header larger than the limit": file(b'{"a":"' + b"x" * (checkpoint.HEADER_BYTES + 8) + b'"}'),
        "a header that is deep": file(deep),
        "a header of objects": file(b'{"a":[' + b"{}," * (limit // 3) + b"{}]}"),
        "a header of texts": file(b'{"a":[' + b'"",' * (limit // 3) + b'""]}'),
        "a header of names": file(b"{" + b",".join(b'"%d":0' % n for n in range(limit // 12)) + b"}"),
        "a state that is deep": file(as_json({"__metadata__": {"state": deep.decode()}}), b""),
        "a state of objects": file(
            as_json({"__metadata__": {"state": '{"a":1,"a":[' + "{}," * (limit // 3) + "{}]}"}}), b""
        ),
        "a number without an end": file(as_json({"__metadata__": {"state": '{"a":' + "9" * limit + "}"}}), b""),
        "a great tensor": file(as_json({"a": {**PIECE, "shape": [2**40], "data_offsets": [0, 2**42]}})),
        "a tensor of great shape and no numbers": file(as_json({"a": {**PIECE, "shape": [2**62, 2**62, 0]}}), b""),
        "a shape of many dimensions": file(as_json({"a": {**PIECE, "shape": [1] * 1_000_000}})),
        "a shape of great numbers": file(as_json({"a": {**PIECE, "shape": [10**4000] * 8}})),
        "many tensors in one place": file(as_json({str(n): PIECE for n in range(10_000)})),
        "a tensor in another's place": file(as_json({"a": PIECE, "b": PIECE})),
        "a name there twice": file(as_json({"a": PIECE})[:-1] + b"," + as_json({"a": PIECE})[1:]),
        "a path without an end": file(as_json({"/" * 1_000_000: PIECE})),
        "a pickle": b"\x80\x02cos\nsystem\n(S'true'\ntR.",
        "an archive": b"PK\3\4" + bytes(100),
        "something in front": b"\0" * 8 + GOOD,
        "something behind": GOOD + b"\0" * 8,
    }
