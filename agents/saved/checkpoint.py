"""States as bytes: safetensors files, as they lie in the bucket.

Arrays are tensors, named by their path in the state ("agent/weights/q_net.0.bias"); everything else is one JSON
document in the header's metadata. Equal states are equal bytes on any machine: the library sorts the tensors, the keys
of the JSON are sorted, and Python writes the shortest text that reads back as the same float.

The library writes. Reading is done here, since the library copies every tensor and does not give the metadata. It is
stricter than the library: tensors are aligned and lie one after the other in the header's order, nothing is between
or behind them, and no key is there twice. Format: https://huggingface.co/docs/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from agents.saved.files import MAX_CHECKPOINT_BYTES
from env.errors import AgentError, one_line

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Body = bytes | memoryview

HEADER_BYTES = 4 << 20
"""A longer header is refused: parsing JSON takes up to some twenty times its size."""
MAX_DIMENSIONS = 8
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_STATE = "state"  # the one key of the metadata
_PATH = "/"


class Place(NamedTuple):
    """Where a tensor lies in a file: its first byte and the one behind its last."""

    dtype: np.dtype[Any]
    shape: Shape
    start: int
    stop: int

    def array(self, body: Body) -> Array:
        """A read-only view of the tensor's bytes."""
        return np.frombuffer(body, self.dtype, math.prod(self.shape), self.start).reshape(self.shape)


class Header(NamedTuple):
    """The tensors of a file in their order, and everything else."""

    places: dict[str, Place]
    plain: dict[str, Any]


def dumps(state: Mapping[str, Any]) -> bytes:
    """The bytes of a state of arrays, numbers, strings, None, lists and dicts; arrays only as values of dicts.

    Raises:
        AgentError: a number beside the arrays is not finite, or the header is larger than `HEADER_BYTES`.
    """
    arrays: dict[str, Array] = {}
    plain = _without_arrays(state, (), arrays)
    try:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise AgentError(f"state: cannot be written: {error}") from error
    return write(arrays, {_STATE: text} if plain else None)


def write(arrays: Mapping[str, Array], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file of these arrays."""
    body = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()}, metadata)
    if (size := int.from_bytes(body[:8], "little")) > HEADER_BYTES:
        raise AgentError(f"state: a header of {size} bytes, larger than {HEADER_BYTES >> 20} MiB")
    return body


def loads(body: Body, what: str, max_bytes: int = MAX_CHECKPOINT_BYTES) -> dict[str, Any]:
    """The state in `body`; `what` names it in errors. Its arrays are views of `body`, not yet checked: see `tensors`.

    Raises:
        AgentError: not a safetensors file as `dumps` writes them, too large, or damaged.
    """
    places, state = parse(header_of(body, what, max_bytes), len(body), what)
    for name, place in places.items():
        *path, last = name.split(_PATH)
        folder: Any = state
        for part in path:
            folder = folder.get(part) if isinstance(folder, dict) else None
        if not isinstance(folder, dict) or last in folder:
            raise AgentError(f"{what}: damaged: there is no place for the tensor {one_line(name, 200)!r}")
        folder[last] = place.array(body)
    return state


def header_of(body: Body, what: str, max_bytes: int) -> bytes:
    """A file's header with its length in front, not yet parsed.

    Raises:
        AgentError: the file or its header is too large, or the header is not all there.
    """
    if len(body) > max_bytes:
        raise AgentError(f"{what}: {len(body)} bytes, larger than {max_bytes >> 20} MiB")
    size = int.from_bytes(body[:8], "little")
    if len(body) < 8 or size % 8 or size > len(body) - 8:
        raise AgentError(f"{what}: damaged or not a safetensors file")
    if size > HEADER_BYTES:
        raise AgentError(f"{what}: a header of {size} bytes, larger than {HEADER_BYTES >> 20} MiB")
    return bytes(body[: 8 + size])


def parse(header: bytes, size: int, what: str) -> Header:
    """What the header of a file of `size` bytes says.

    Raises:
        AgentError: it is damaged, or its tensors are not exactly what follows it.
    """
    try:
        content = _json_object(header[8:].decode())
        metadata = content.pop("__metadata__", {_STATE: "{}"})
        if metadata.keys() != {_STATE}:
            raise ValueError("another program's metadata")
        plain = _json_object(metadata[_STATE])
        places, end = {}, len(header)
        for name, entry in content.items():
            name.encode()  # JSON can spell text that is none
            places[name] = place = _place(entry, len(header))
            if place.start != end:
                raise ValueError(f"tensor {name!r} does not begin where the one before it ends")
            end = place.stop
        if end != size:
            raise ValueError(f"the tensors end at byte {end} of {size}")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise AgentError(f"{what}: damaged or not a safetensors file") from error
    return Header(places, plain)


def tensors(given: object, shapes: Mapping[str, Shape], what: str) -> dict[str, Array]:
    """`given` as float32 arrays of exactly these names and shapes, all finite, in the order of `shapes`.

    Raises:
        AgentError: naming the first array that does not fit.
    """
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: no mapping of tensors but a {type(given).__name__}")
    check_names(given, shapes, what)
    return {name: tensor(given[name], shape, np.float32, f"{what}: {name}") for name, shape in shapes.items()}


def check_names(given: Mapping[str, object], shapes: Mapping[str, Shape], what: str) -> None:
    """AgentError unless `given` has these tensors and no others."""
    missing = sorted(shapes.keys() - given.keys())
    unknown = sorted(str(name) for name in given.keys() - shapes.keys())
    if missing or unknown:
        wrong = f"{missing[0]} is missing" if missing else f"{one_line(unknown[0], 200)!r} is unknown"
        raise AgentError(f"{what}: other tensors than this model's; {wrong}")


def tensor(given: object, shape: Shape, dtype: npt.DTypeLike, what: str) -> Array:
    """`given` as an array of this shape and dtype, finite; AgentError otherwise."""
    if not isinstance(given, np.ndarray):
        raise AgentError(f"{what}: not a tensor")
    check_kind(given.dtype, given.shape, dtype, shape, what)
    if not np.isfinite(given).all():
        raise AgentError(f"{what}: holds numbers that are not finite")
    return given


def check_kind(found: np.dtype[Any], found_shape: Shape, dtype: npt.DTypeLike, shape: Shape, what: str) -> None:
    """AgentError unless a tensor has this dtype and shape."""
    if found != dtype or found_shape != shape:
        raise AgentError(f"{what}: {found} {list(found_shape)}, this model has {np.dtype(dtype)} {list(shape)}")


def _without_arrays(state: Mapping[str, Any], path: tuple[str, ...], arrays: dict[str, Array]) -> dict[str, Any]:
    """A copy of the dicts without the arrays, which go into `arrays` under the path of their keys."""
    plain: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, np.ndarray):
            arrays[_PATH.join((*path, key))] = value
        else:
            plain[key] = _without_arrays(value, (*path, key), arrays) if isinstance(value, Mapping) else value
    return plain


def _place(entry: object, start_of_data: int) -> Place:
    match entry:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [start, stop], **rest} if not rest:
            dtype = _DTYPES[kind]
            if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in (*shape, start, stop)):
                raise ValueError("no numbers of bytes")
            if start % dtype.itemsize or stop - start != math.prod(shape) * dtype.itemsize:
                raise ValueError("its shape needs another number of bytes")
            if math.prod(filter(None, shape)) > MAX_CHECKPOINT_BYTES:
                raise ValueError("a tensor without numbers, of a shape that NumPy refuses")
            return Place(dtype, tuple(shape), start_of_data + start, start_of_data + stop)
    raise ValueError("no tensor")


def _json_object(text: str) -> dict[str, Any]:
    """A JSON object no key of which is there twice."""
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # as 1e999, and as the constants that are no JSON
        raise ValueError("a number that is not finite")
    return number
