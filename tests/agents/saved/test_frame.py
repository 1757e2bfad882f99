"""The frame of a checkpoint: what is in it is read in place, and written as torch writes it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from agents.saved.frame import Frame

Floats = npt.NDArray[np.float32]

SHAPES: dict[str, tuple[int, ...]] = {"a": (3, 2), "scalar": (), "b": (1, 3, 1), "c": (17,)}
SIZE = sum(math.prod(shape) for shape in SHAPES.values())
FRAME = Frame(SHAPES)
MARK = int.from_bytes(b"PK\x07\x08", "little")  # what torch takes for a checksum's place wherever it writes it

any_bits = st.lists(st.integers(0, 2**32 - 1) | st.just(MARK), min_size=SIZE, max_size=SIZE)


def vector_of(bits: list[int]) -> Floats:
    return np.array(bits, np.uint32).view(np.float32)


def by_torch(vector: Floats) -> bytes:
    ends = np.cumsum([math.prod(shape) for shape in SHAPES.values()])[:-1]
    parts = zip(SHAPES.items(), np.split(vector, ends), strict=True)
    return checkpoint.dumps({name: torch.from_numpy(part.reshape(shape)) for (name, shape), part in parts})


def read(body: bytes) -> Floats | None:
    numbers = FRAME.numbers(body)
    return None if numbers is None else np.concatenate([numbers[start:end] for start, end in FRAME.spans])


@settings(max_examples=50, deadline=None)
@given(any_bits)
def test_what_is_put_into_a_frame_is_what_torch_writes(bits: list[int]) -> None:
    assert FRAME.dumps(vector_of(bits)) == by_torch(vector_of(bits))


@settings(max_examples=50, deadline=None)
@given(any_bits)
def test_the_numbers_of_what_torch_writes_are_read_bit_for_bit(bits: list[int]) -> None:
    found = read(by_torch(vector_of(bits)))
    assert found is not None
    assert found.tobytes() == vector_of(bits).tobytes()


def test_a_file_in_memory_is_read_as_its_bytes_are() -> None:
    body = by_torch(vector_of([*range(SIZE)]))
    for view in (memoryview(body), memoryview(b"x" + body)[1:]):
        numbers = FRAME.numbers(view)
        assert numbers is not None
        assert np.shares_memory(numbers, np.frombuffer(view, np.uint8))


def mutants(body: bytes) -> Iterator[bytes]:
    """Every byte changed in several ways."""
    for place in range(len(body)):
        for change in (0x01, 0x80, 0xFF):
            mutant = bytearray(body)
            mutant[place] ^= change
            yield bytes(mutant)


def test_whatever_byte_is_changed_the_frame_says_what_torch_says_or_nothing() -> None:
    accepted = 0
    for mutant in mutants(by_torch(np.arange(SIZE, dtype=np.float32))):
        found = read(mutant)
        if found is None:
            continue
        accepted += 1
        state = checkpoint.loads(mutant, "mutant")
        assert list(state) == list(SHAPES)
        assert [tuple(state[name].shape) for name in SHAPES] == list(SHAPES.values())
        assert found.tobytes() == b"".join(state[name].numpy().tobytes() for name in SHAPES)
    # the numbers; two checksums each of the four tensors and of the id; the id, as long as it is text
    assert accepted == 3 * (4 * SIZE + 2 * 4 * 5) + 40


@pytest.mark.parametrize(
    "shapes",
    [
        dict(reversed(SHAPES.items())),
        SHAPES | {"a": (2, 3)},
        SHAPES | {"c": (16,)},
        {name: shape for name, shape in SHAPES.items() if name != "b"},
        {"A" if name == "a" else name: shape for name, shape in SHAPES.items()},
    ],
)
def test_other_tensors_have_another_frame(shapes: dict[str, tuple[int, ...]]) -> None:
    assert FRAME.numbers(checkpoint.dumps({name: torch.zeros(shape) for name, shape in shapes.items()})) is None


def test_other_types_have_another_frame() -> None:
    for other in (torch.int32, torch.float64):
        tensors = {name: torch.zeros(shape, dtype=other) for name, shape in SHAPES.items()}
        assert FRAME.numbers(checkpoint.dumps(tensors)) is None


@pytest.mark.parametrize("body", [b"", b"PK", by_torch(np.zeros(SIZE, np.float32))[:-1]])
def test_what_is_no_checkpoint_has_no_numbers(body: bytes) -> None:
    assert FRAME.numbers(body) is None


def test_where_torch_writes_other_checksums_it_is_asked_to_write() -> None:
    torch.serialization.set_crc32_options(False)
    try:
        vector = np.arange(SIZE, dtype=np.float32)
        assert Frame(SHAPES).dumps(vector) == by_torch(vector)
        assert FRAME.dumps(vector) != by_torch(vector)  # they are others
    finally:
        torch.serialization.set_crc32_options(True)
