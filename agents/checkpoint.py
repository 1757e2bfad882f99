"""States as bytes: `torch.save` made canonical, `torch.load` made safe for bytes from anywhere.

Equal states give equal bytes whatever their history, so a checkpoint can be compared by its hash.
Nothing that is read can run code, and reading needs no more memory than a few times the input.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import sys
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agents.files import MAX_CHECKPOINT_BYTES
from env.errors import AgentError

# All that the pickles written by `dumps` name. torch itself allows more (bytearray, for one, of any size).
_STORAGES = ("Float", "Double", "Long", "Int", "Bool", "Byte")
_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {s}Storage" for s in _STORAGES),
}


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
    _check_archive(data, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on archives that it then refuses
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise AgentError(f"{what}: refused, it holds something else than plain data") from error
    except Exception as error:
        # Damaged archives end in whatever the parser tripped over (RuntimeError, KeyError, EOFError, …).
        raise AgentError(f"{what}: damaged, it cannot be read as a checkpoint") from error
    if not isinstance(state, dict):
        raise AgentError(f"{what}: holds a {type(state).__name__}, not a checkpoint")
    return state


def tensors(given: object, shapes: Mapping[str, tuple[int, ...]], what: str) -> dict[str, Tensor]:
    """`given` as float32 tensors of exactly these names and shapes, all finite, in memory of their own.

    Raises:
        AgentError: naming the first tensor that does not fit.
    """
    if not isinstance(given, Mapping):
        raise AgentError(f"{what}: no mapping of tensors but a {type(given).__name__}")
    missing = sorted(shapes.keys() - given.keys())
    unknown = sorted(str(name) for name in given.keys() - shapes.keys())
    if missing or unknown:
        wrong = f"{missing[0]} is missing" if missing else f"{unknown[0]} is unknown"
        raise AgentError(f"{what}: other tensors than this model's; {wrong}")
    return {name: tensor(given[name], shape, torch.float32, f"{what}: {name}") for name, shape in shapes.items()}


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


def _check_archive(data: bytes, what: str) -> None:
    """Refuse what `dumps` does not write: compressed entries (they unfold to any size), foreign names."""
    if not data.startswith(b"PK"):
        # zipfile finds an archive at the end of anything, torch would read what stands before it, in an older format.
        raise AgentError(f"{what}: damaged or not a checkpoint")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            if not stored or sum(entry.file_size for entry in entries) > len(data):
                raise AgentError(f"{what}: refused, a checkpoint is not compressed")
            pickles = [archive.read(entry) for entry in entries if entry.filename.endswith("data.pkl")]
            names = {arg for code, arg, _ in pickletools.genops(pickles[0]) if code.name == "GLOBAL"}
    except AgentError:
        raise
    except Exception as error:
        # As in `loads`: a damaged archive ends in whatever zipfile tripped over (BadZipFile, OverflowError, …).
        raise AgentError(f"{what}: damaged or not a checkpoint") from error
    if len(pickles) != 1 or not names <= _GLOBALS:
        raise AgentError(f"{what}: refused, it holds something else than plain data")


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
