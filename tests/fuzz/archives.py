"""Checkpoint archives as an attacker would build them."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

from agents.saved import checkpoint

GOOD = checkpoint.dumps({"a": torch.arange(6.0).reshape(2, 3), "text": "x", "n": [1, 2.5, None, True]})
TRAP = Path("/tmp") / f"sim-arena-fuzz-trap-{os.getpid()}"
NAMES = [
    b"collections\nOrderedDict",
    b"torch._utils\n_rebuild_tensor_v2",
    b"torch._utils\n_rebuild_qtensor",
    b"torch._utils\n_rebuild_sparse_tensor",
    b"torch._utils\n_rebuild_meta_tensor_no_storage",
    b"torch._tensor\n_rebuild_from_type_v2",
    b"torch\nFloatStorage",
    b"torch\nBFloat16Storage",
    b"torch\nTensor",
    b"torch\ndevice",
    b"builtins\nbytearray",
    b"os\nsystem",
    b"posix\nsystem",
    b"builtins\neval",
]


with zipfile.ZipFile(io.BytesIO(GOOD)) as _archive:
    GOOD_PROGRAM = _archive.read("archive/data.pkl")


class Attack:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (os.mkdir, (str(TRAP),))


def archive(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, body in entries.items():
            target.writestr(name, body)
    return buffer.getvalue()


def with_program(program: bytes, numbers: bytes = bytes(24)) -> bytes:
    rest = {"archive/data/0": numbers, "archive/byteorder": b"little", "archive/version": b"3\n"}
    return archive({"archive/data.pkl": program, **rest})


def text(value: str) -> bytes:
    body = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(body)) + body


def tensor(count: int, offset: int, size: tuple[int, ...], stride: tuple[int, ...], kind: str = "Float") -> bytes:
    """The opcodes of a tensor, as torch writes them."""

    def whole(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"\x8a\x09" + n.to_bytes(9, "little", signed=True) for n in numbers) + b"t"

    storage = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode() + text("0") + text("cpu")
    storage += b"\x8a\x09" + count.to_bytes(9, "little", signed=True) + b"tQ"
    start = b"\x8a\x09" + offset.to_bytes(9, "little", signed=True)
    hooks = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + start + whole(size) + whole(stride) + hooks + b"tR"


opcodes = st.one_of(
    st.sampled_from(
        [b"}", b"]", b")", b"(", b"t", b"\x85", b"\x86", b"\x87", b"s", b"u", b"a", b"e", b"Q", b"R", b"b"]
    ),
    st.sampled_from([b"N", b"\x88", b"\x89", b"0", b"1", b"2", b"\x81", b"\x8f", b"\x90", b"\x91", b"\x93", b"\x94"]),
    st.sampled_from(NAMES).map(lambda name: b"c" + name + b"\n"),
    st.integers(0, 5).map(lambda n: b"q" + bytes([n])),
    st.integers(0, 5).map(lambda n: b"h" + bytes([n])),
    st.integers(0, 255).map(lambda n: b"K" + bytes([n])),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: b"J" + struct.pack("<i", n)),
    st.floats().map(lambda x: b"G" + struct.pack(">d", x)),
    st.sampled_from(["a", "storage", "0", "cpu", "weights", "\n", "x" * 300]).map(text),
)
sizes = st.integers(-2, 7) | st.sampled_from([2**20, 2**40, 2**62, 2**63, 2**64, -(2**63)])
shapes = st.lists(sizes, max_size=4).map(tuple)
kinds = st.sampled_from(["Float", "Double", "Long", "Int", "Bool", "Byte", "Half", "QInt8", "Untyped"])
tensors = st.one_of(
    st.builds(tensor, sizes, sizes, shapes, shapes, kinds),
    st.just(tensor(6, 0, (2, 3), (3, 1))),
    st.builds(tensor, st.just(6), st.just(0), shapes, shapes),
)
programs = st.lists(opcodes | tensors, max_size=25).map(lambda codes: b"\x80\x02}" + b"".join(codes) + b".")
plausible = st.lists(st.tuples(st.sampled_from(["a", "b", "w"]).map(text), tensors | opcodes), max_size=5).map(
    lambda pairs: b"\x80\x02}(" + b"".join(key + value for key, value in pairs) + b"u."
)


@cache
def attacks() -> dict[str, bytes]:
    """Small files that would run code, or take hours or gigabytes."""
    pairs = b"](" + b"".join(b"M" + struct.pack("<H", n) + b"K\x01\x86" for n in range(3000)) + b"e"
    ordered = b"ccollections\nOrderedDict\n"
    doubled = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    twins = io.BytesIO()
    with zipfile.ZipFile(twins, "w") as target:
        target.writestr("archive/data.pkl", b"\x80\x02}.")
        target.writestr("archive/DATA.PKL", pickle.dumps(Attack(), 2))
    return {
        **{f"code, protocol {n}": with_program(pickle.dumps({"a": Attack()}, n)) for n in range(6)},
        **{f"bare pickle, protocol {n}": pickle.dumps({"a": Attack()}, n) for n in range(6)},
        "a key whose hash takes hours": with_program(b"\x80\x02}K\x01" + doubled + b"K\x01s."),
        "a key too deep to be hashed": with_program(b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s."),
        "a list copied again and again": with_program(
            b"\x80\x02}K\x01](" + ordered + b"q\x01" + pairs + b"q\x02\x85R" + b"h\x01h\x02\x85R" * 10_000 + b"es."
        ),
        "nothing but dicts": with_program(b"\x80\x02}K\x01](" + b"}" * 3_000_000 + b"es."),
        "nested": with_program(b"\x80\x02}K\x01" + b"]" * 500_000 + b"a" * 499_999 + b"s."),
        "marks": with_program(b"\x80\x02" + b"(" * 2_000_000 + b"."),
        "a great tensor": with_program(b"\x80\x02}" + text("a") + tensor(2**40, 0, (2**40,), (1,)) + b"s."),
        "a repeated number": with_program(b"\x80\x02}" + text("a") + tensor(1, 0, (2**40,), (0,)) + b"s."),
        "out of bounds": with_program(b"\x80\x02}" + text("a") + tensor(6, 2**40, (6,), (1,)) + b"s."),
        "before its start": with_program(b"\x80\x02}" + text("a") + tensor(6, -6, (6,), (1,)) + b"s."),
        "one storage, many tensors": with_program(
            b"\x80\x02}K\x01](" + tensor(6, 0, (6,), (1,)) * 1000 + b"es.",
        ),
        "a zip bomb": archive(
            {"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(100 << 20)}, zipfile.ZIP_DEFLATED
        ),
        "a bomb in a bomb": archive(
            {"archive/data.pkl": archive({"a": bytes(100 << 20)}, zipfile.ZIP_DEFLATED)}, zipfile.ZIP_DEFLATED
        ),
        "two programs": twins.getvalue(),
        "a name that leaves its folder": archive({"../../../tmp/evil/data.pkl": b"\x80\x02}."}),
        "something in front": b"\x80\x02}." + GOOD,
        "an archive that names another directory": _two_directories(),
    }


def _two_directories() -> bytes:
    """One reader finds the directory by where it ends, another by where it is said to begin."""
    first, second = with_program(pickle.dumps({"a": Attack()}, 2)), with_program(b"\x80\x02}.")
    return first + second
