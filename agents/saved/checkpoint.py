"""States as bytes: `torch.save` made canonical, `torch.load` made safe for bytes from anywhere.

Equal states give equal bytes whatever their history, so a checkpoint can be compared by its hash.
Nothing that is read can run code, and reading needs no more memory than a few times the input.
"""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.saved import plain_pickle
from agents.saved.files import MAX_CHECKPOINT_BYTES
from env.errors import AgentError, one_line


def dumps(state: Mapping[str, Any]) -> bytes:
    """The bytes of a state made of tensors, numbers, strings, None, lists and dicts."""
    buffer = io.BytesIO()
    torch.save(_canonical(state), buffer)
    return buffer.getvalue()


def loads(data: bytes, what: str, max_bytes: int = MAX_CHECKPOINT_BYTES) -> dict[str, Any]:
    """The state in `data`; `what` names it in errors. Its values are not yet checked, see `tensors`.

    Raises:
        AgentError: not a checkpoint, too large, truncated, or it holds anything but plain data.
    """
    if len(data) > max_bytes:
        raise AgentError(f"{what}: {len(data)} bytes, larger than {max_bytes >> 20} MiB")
    try:
        plain_pickle.check(*_program_and_sizes(data))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on what it then refuses
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except plain_pickle.NotPlain as error:
        raise AgentError(f"{what}: refused, it holds something else than plain data") from error
    except _Compressed as error:
        raise AgentError(f"{what}: refused, a checkpoint is not compressed") from error
    except Exception as error:
        # A damaged archive ends in whatever its reader tripped over (BadZipFile, KeyError, OverflowError, …).
        raise AgentError(f"{what}: damaged or not a checkpoint") from error
    if not isinstance(state, dict):
        raise AgentError(f"{what}: holds a {type(state).__name__}, not a checkpoint")
    return state


def tensors(given: object, shapes: Mapping[str, tuple[int, ...]], what: str) -> dict[str, Tensor]:
    """`given` as float32 tensors of exactly these names and shapes, all finite, in memory of their own.

    Raises:
        AgentError: naming the first tensor that does not fit.
    """
    return dict(each_tensor(given, shapes, what))


def each_tensor(given: object, shapes: Mapping[str, tuple[int, ...]], what: str) -> Iterator[tuple[str, Tensor]]:
    """As `tensors`, one after the other, in the order of `shapes`: memory for one copy is enough."""
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: no mapping of tensors but a {type(given).__name__}")
    missing = sorted(shapes.keys() - given.keys())
    unknown = sorted(str(name) for name in given.keys() - shapes.keys())
    if missing or unknown:
        wrong = f"{missing[0]} is missing" if missing else f"{one_line(unknown[0], 200)!r} is unknown"
        raise AgentError(f"{what}: other tensors than this model's; {wrong}")
    for name, shape in shapes.items():
        yield name, tensor(given[name], shape, torch.float32, f"{what}: {name}")


def tensor(given: object, shape: tuple[int, ...], dtype: torch.dtype, what: str) -> Tensor:
    """`given` as a tensor of this shape and dtype, finite, in memory of its own; AgentError otherwise."""
    if not isinstance(given, Tensor) or given.layout is not torch.strided or given.device.type != "cpu":
        raise AgentError(f"{what}: not a plain tensor")
    if given.dtype != dtype or tuple(given.shape) != shape:
        raise AgentError(f"{what}: {given.dtype} {list(given.shape)}, this model has {dtype} {list(shape)}")
    copy = given.detach().clone(memory_format=torch.contiguous_format)
    if dtype.is_floating_point and not bool(torch.isfinite(copy).all()):
        raise AgentError(f"{what}: holds numbers that are not finite")
    return copy


def numpy_view(array: Tensor) -> np.ndarray[Any, Any]:
    """The tensor's own memory as a NumPy array: what torch writes, NumPy reads."""
    view: np.ndarray[Any, Any] = array.detach().numpy()
    return view


class _Compressed(Exception):
    """Entries that unfold to any size, or lie over each other: `dumps` writes none."""


# APPNOTE.TXT (PKWARE), 4.3.14 to 4.3.16: an archive's last record, without a comment; in front of it those of ZIP64.
_END = struct.Struct("<4s12xL2x")
_END_64, _LOCATOR_64 = struct.Struct("<4s44xQ"), struct.Struct("<4s4xQ4x")
_RECORD = re.compile(
    r"data\.pkl|data/[0-9]+|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id"
)


def _program_and_sizes(data: bytes) -> tuple[bytes, dict[str, int]]:
    """The pickle of an archive, and the bytes it holds for each tensor.

    Only archives of which all readers must think alike: from the first byte to the last, one directory, one folder,
    nothing twice. torch finds entries whatever their case, and both ends of ZIP64 in its own way.
    """
    directory = _directory_start(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.extra for entry in entries):
            raise _Compressed
        if sum(entry.file_size for entry in entries) > len(data):
            raise _Compressed
        folder = entries[0].orig_filename.partition("/")[0] + "/"
        found = {entry.orig_filename.removeprefix(folder): entry for entry in entries}
        inside = all(entry.orig_filename.startswith(folder) for entry in entries)
        if len(found) != len(entries) or not inside or not all(map(_RECORD.fullmatch, found)):
            raise ValueError("an entry is there twice, or none of a checkpoint's")
        if entries[0].header_offset != 0 or archive.start_dir != directory:
            raise ValueError("an entry or the directory is elsewhere")
        if "byteorder" in found and archive.read(found["byteorder"]) != b"little":
            raise ValueError("written on another kind of machine")
        program = archive.read(found["data.pkl"])
    sizes = {name.removeprefix("data/"): entry.file_size for name, entry in found.items() if name.startswith("data/")}
    return program, sizes


def _directory_start(data: bytes) -> int:
    """Where the archive's last records say that its directory begins."""
    end = len(data) - _END.size
    mark, start = _END.unpack_from(data, end)
    if not data.startswith(b"PK\3\4") or mark != b"PK\5\6":
        raise ValueError("something before or behind the archive")
    locator, place = _LOCATOR_64.unpack_from(data, end - _LOCATOR_64.size)
    if locator != b"PK\6\7":
        return int(start)
    mark, start = _END_64.unpack_from(data, place)
    if mark != b"PK\6\6":
        raise ValueError("the end of the archive is elsewhere")
    return int(start)


def _canonical(value: Any) -> Any:
    """A copy that pickles to the same bytes as any equal value.

    Pickle writes a second reference to one object shorter than an equal object, so strings are made one
    object and everything else separate ones; tensors become contiguous, without unused storage.
    """
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, Tensor):
        return value.detach().clone(memory_format=torch.contiguous_format)
    return sys.intern(value) if type(value) is str else value
