"""Bytes from anywhere: nothing runs, nothing unfolds, everything unfit is one AgentError."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.saved import checkpoint
from env.errors import AgentError

STATE = {"a": np.arange(6.0, dtype=np.float32).reshape(2, 3), "text": "x", "n": [1, 2.5, None, True], "in": {"b": {}}}
GOOD = checkpoint.dumps(STATE)
PIECE: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file(header: object, data: bytes = b"") -> bytes:
    """A safetensors file with this header, as JSON or as it is."""
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def refused(body: bytes, match: str = "damaged") -> None:
    with pytest.raises(AgentError, match=match) as caught:
        checkpoint.loads(body, "file")
    assert str(caught.value).startswith("file: ")
    assert "\n" not in str(caught.value)


# -- what is written ---------------------------------------------------------------------------------


def test_a_state_round_trips() -> None:
    state = checkpoint.loads(GOOD, "state")
    assert np.array_equal(state["a"], STATE["a"])
    assert {name: value for name, value in state.items() if name != "a"} == {
        name: value for name, value in STATE.items() if name != "a"
    }
    assert checkpoint.dumps(state) == GOOD


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(), max_size=9))
def test_numbers_and_texts_beside_the_tensors_survive_exactly(values: list[Any]) -> None:
    found = checkpoint.loads(checkpoint.dumps({"values": values}), "state")["values"]
    assert [(type(value), repr(value)) for value in found] == [(type(value), repr(value)) for value in values]


shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
arrays = st.builds(
    lambda dtype, shape, seed: np.random.default_rng(seed).integers(0, 200, shape).astype(dtype),
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
    shapes,
    st.integers(0, 99),
)
leaves = (
    arrays | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
names = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=5).filter(
    lambda name: name != "__metadata__"
)
states = st.recursive(
    st.dictionaries(names, leaves, max_size=4), lambda inner: st.dictionaries(names, leaves | inner, max_size=4)
)


def backwards(state: Any) -> Any:
    """The same state, made in another order."""
    if isinstance(state, dict):
        return {name: backwards(value) for name, value in reversed(state.items())}
    return state


@settings(deadline=None)
@given(states)
def test_equal_states_are_equal_bytes_however_they_were_made(state: dict[str, Any]) -> None:
    body = checkpoint.dumps(state)
    assert checkpoint.dumps(backwards(state)) == body
    assert checkpoint.dumps(checkpoint.loads(body, "state")) == body


@settings(deadline=None)
@given(states)
def test_the_library_reads_the_tensors_that_we_read(state: dict[str, Any]) -> None:
    body = checkpoint.dumps(state)
    theirs = safetensors.numpy.load(body)
    header = checkpoint.parse(checkpoint.header_of(body, "state", len(body)), len(body), "state")
    assert theirs.keys() == header.places.keys()
    for name, place in header.places.items():
        ours = place.array(body)
        assert (ours.dtype, ours.shape, ours.tobytes()) == (
            theirs[name].dtype,
            theirs[name].shape,
            theirs[name].tobytes(),
        )


PROGRAM = """
import hashlib, numpy as np
from agents.saved import checkpoint
names = [f"layer{n}.{kind}" for n in range(30) for kind in ("weight", "bias")]
np.random.shuffle(names)
state = {name: np.full((2, 3), sum(name.encode()), np.float32) for name in names}
plain = {name: [0.1, name] for name in set(names)}
print(hashlib.sha256(checkpoint.dumps({"weights": state, "plain": plain})).hexdigest())
"""


def test_equal_states_are_equal_bytes_in_every_process() -> None:
    found = set()
    for seed in "01":
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, env=environment)
        found.add(done.stdout)
    assert len(found) == 1


def test_the_bytes_of_a_state_are_those_of_the_format() -> None:
    header = (
        b'{"__metadata__":{"state":"{\\"in\\":{\\"b\\":{}},\\"n\\":[1,2.5,null,true],\\"text\\":\\"x\\"}"},'
        b'"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}'
    )
    assert file(header, np.arange(6, dtype="<f4").tobytes()) == GOOD


def test_tensors_alone_are_a_file_without_metadata() -> None:
    assert b"__metadata__" not in checkpoint.dumps({"a": np.zeros(2, np.float32)})


def test_an_array_of_any_memory_layout_is_written_as_its_values() -> None:
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    for view in (whole.T, whole[::2, ::3], whole.astype(">f4")):
        assert checkpoint.dumps({"a": view}) == checkpoint.dumps({"a": np.array(view, np.float32, order="C")})


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_plain_number_that_is_not_finite_is_not_written(number: float) -> None:
    with pytest.raises(AgentError, match="cannot be written"):
        checkpoint.dumps({"a": number})


def test_a_state_that_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(AgentError, match="header"):
        checkpoint.dumps({"a": "x" * checkpoint.HEADER_BYTES})


# -- what is read ------------------------------------------------------------------------------------


def test_tensors_are_read_where_they_lie() -> None:
    for body in (GOOD, memoryview(GOOD), memoryview(b"x" + GOOD)[1:]):
        found = checkpoint.loads(body, "state")["a"]
        assert np.shares_memory(found, np.frombuffer(body, np.uint8))
        assert np.array_equal(found, STATE["a"])


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, len(GOOD) // 2, len(GOOD) - 1])
def test_a_truncated_file_is_refused(size: int) -> None:
    refused(GOOD[:size])


def test_more_bytes_than_allowed_are_refused_unread() -> None:
    with pytest.raises(AgentError, match="larger than"):
        checkpoint.loads(GOOD, "file", max_bytes=len(GOOD) - 1)


def test_a_header_longer_than_the_limit_is_refused_unread() -> None:
    size = checkpoint.HEADER_BYTES + 8
    refused(size.to_bytes(8, "little") + b"[" * size, "a header of")


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, 2**64 - 8, len(GOOD) - 1, len(GOOD)])
def test_a_header_that_ends_behind_the_file_is_refused(size: int) -> None:
    refused(size.to_bytes(8, "little") + GOOD[8:])


HEADERS: dict[str, object] = {
    "empty": b"",
    "no JSON": b"nonsense",
    "no text": b'{"\xff":{}}',
    "a list": [],
    "half a surrogate pair": b'{"\\ud800":' + json.dumps(PIECE).encode() + b"}",
    "deep": b"[" * 100_000,
    "deep, in the metadata": {"__metadata__": {"state": '{"a":' + "[" * 100_000}},
    "metadata that is a list": {"__metadata__": []},
    "metadata that is no text": {"__metadata__": {"state": {}}},
    "metadata of another program": {"__metadata__": {"format": "pt"}},
    "more metadata": {"__metadata__": {"state": "{}", "format": "pt"}},
    "metadata without an object": {"__metadata__": {"state": "[]"}},
    "a name twice": b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"a":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}',
    "a key twice in the state": {"__metadata__": {"state": '{"a":1,"a":2}'}},
    "a key twice in a tensor": b'{"a":{"dtype":"F32","shape":[9],"shape":[2],"data_offsets":[0,8]}}',
    "NaN in the state": {"__metadata__": {"state": '{"a":NaN}'}},
    "a number in the state that no float holds": {"__metadata__": {"state": '{"a":1e999}'}},
    "a number of ten thousand digits": {"__metadata__": {"state": '{"a":' + "1" * 10_000 + "}"}},
    "no tensor": {"a": 3},
    "half a tensor": {"a": {"dtype": "F32"}},
    "more than a tensor": {"a": {**PIECE, "more": 1}},
    "a kind that we do not have": {"a": {**PIECE, "dtype": "BF16", "shape": [4]}},
    "an unknown dtype": {"a": {**PIECE, "dtype": "F33"}},
    "a kind that is no text": {"a": {**PIECE, "dtype": []}},
    "a shape that is a number": {"a": {**PIECE, "shape": 2}},
    "a shape below zero": {"a": {**PIECE, "shape": [-2]}},
    "a shape of a truth": {"a": {**PIECE, "shape": [True, 2]}},
    "a shape of fractions": {"a": {**PIECE, "shape": [2.0]}},
    "a shape that is too large": {"a": {**PIECE, "shape": [2**62, 2**62]}},
    "a shape whose product wraps round": {"a": {**PIECE, "shape": [2**63, 2, 2]}},
    "a shape that holds nothing and is too large": {
        "a": PIECE,
        "b": {**PIECE, "shape": [0, 2**62], "data_offsets": [8, 8]},
    },
    "too many dimensions": {"a": {**PIECE, "shape": [2] + [1] * 8}},
    "offsets below zero": {"a": {**PIECE, "data_offsets": [-8, 0]}},
    "offsets in reverse": {"a": {**PIECE, "data_offsets": [8, 0]}},
    "offsets behind the end": {"a": {**PIECE, "data_offsets": [8, 16]}},
    "one offset": {"a": {**PIECE, "data_offsets": [0]}},
    "overlapping tensors": {"a": PIECE, "b": {**PIECE, "shape": [1], "data_offsets": [4, 8]}},
    "two tensors in one place": {"a": PIECE, "b": PIECE},
    "a hole": {"b": {**PIECE, "shape": [1], "data_offsets": [4, 8]}},
    "bytes behind the tensors": {"a": {**PIECE, "shape": [1], "data_offsets": [0, 4]}},
    "nothing but bytes": {},
    "tensors in another order": {
        "b": {**PIECE, "shape": [1], "data_offsets": [4, 8]},
        "a": {**PIECE, "shape": [1], "data_offsets": [0, 4]},
    },
    "tensors that are not aligned": {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {**PIECE, "shape": [1], "data_offsets": [1, 5]},
        "c": {"dtype": "U8", "shape": [3], "data_offsets": [5, 8]},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_as_we_write_it_is_refused(name: str) -> None:
    refused(file(HEADERS[name], bytes(8)))


def test_a_header_that_is_not_aligned_is_refused() -> None:
    text = json.dumps({"a": PIECE}).encode()
    text += b" " * (1 + -len(text) % 8)
    refused(len(text).to_bytes(8, "little") + text + bytes(8))


@pytest.mark.parametrize("state", ["{}", '{"a":1}', '{"a":{"b":1}}', '{"a":{"b":{"c":1}}}'])
def test_a_tensor_with_no_place_in_the_state_is_refused(state: str) -> None:
    refused(file({"__metadata__": {"state": state}, "a/b": PIECE}, bytes(8)), "no place for the tensor 'a/b'")


def test_a_tensor_s_name_neither_floods_nor_steers_a_terminal() -> None:
    name = "\x1b[2J\n" + 5000 * "x" + "/a"
    with pytest.raises(AgentError) as caught:
        checkpoint.loads(file({name: PIECE}, bytes(8)), "file")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_is_read_of_damaged_bytes_the_library_reads_alike(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(GOOD) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(AgentError):
        header = checkpoint.parse(checkpoint.header_of(bytes(damaged), "x", 10_000), len(damaged), "x")
        theirs = safetensors.numpy.load(bytes(damaged))
        assert theirs.keys() == header.places.keys()
        for name, place in header.places.items():
            assert theirs[name].tobytes() == place.array(bytes(damaged)).tobytes()


# -- the tensors of a model --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1], "no mapping of tensors but a list"),
        ({}, "w is missing"),
        ({"w": np.zeros(3, np.float32), "x\n": 1}, "is unknown"),
        ({"w": [0.0, 0.0, 0.0]}, "w: not a tensor"),
        ({"w": np.zeros(3)}, r"w: float64 \[3\], this model has float32 \[3\]"),
        ({"w": np.zeros((3, 1), np.float32)}, r"w: float32 \[3, 1\], this model has float32 \[3\]"),
        ({"w": np.array([0, math.nan, 0], np.float32)}, "w: holds numbers that are not finite"),
        ({"w": np.array([0, math.inf, 0], np.float32)}, "w: holds numbers that are not finite"),
    ],
)
def test_other_tensors_than_the_models_are_named(state: object, message: str) -> None:
    with pytest.raises(AgentError, match=f"^weights: .*{message}"):
        checkpoint.tensors(state, {"w": (3,)}, "weights")


def test_tensors_come_in_the_order_of_the_model() -> None:
    given_ = {name: np.zeros(1, np.float32) for name in "abc"}
    assert list(checkpoint.tensors(given_, dict.fromkeys("cab", (1,)), "weights")) == list("cab")
