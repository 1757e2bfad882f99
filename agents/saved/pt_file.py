""".pt files, which users keep: what `torch.save` writes. The only module of ours that needs torch to save or load.

A file is read by torch with `weights_only`, so nothing in it can run code.
"""

from __future__ import annotations

import io
import sys
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import torch

from agents.saved.files import MAX_CHECKPOINT_BYTES
from env.errors import AgentError


def dumps(state: Mapping[str, Any]) -> bytes:
    """The bytes of a state of arrays, numbers, strings, None, lists and dicts; equal states are equal bytes."""
    buffer = io.BytesIO()
    torch.save(_for_torch(state), buffer)
    return buffer.getvalue()


def loads(data: bytes, what: str, max_bytes: int = MAX_CHECKPOINT_BYTES) -> dict[str, Any]:
    """The state in `data`, its tensors as NumPy arrays; `what` names it in errors.

    Raises:
        AgentError: not a .pt file, too large, damaged, or it holds anything but plain data.
    """
    if len(data) > max_bytes:
        raise AgentError(f"{what}: {len(data)} bytes, larger than {max_bytes >> 20} MiB")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise AgentError(f"{what}: refused, a .pt file is not compressed")
            # torch copies each entry, also where a million of them lie over each other.
            if sum(entry.file_size for entry in entries) > len(data):
                raise AgentError(f"{what}: refused, its entries overlap")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks on what it then refuses
            state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise AgentError(f"{what}: holds a {type(state).__name__}, not a checkpoint")
        return dict(_Reader(len(data)).read(state))
    except AgentError:
        raise
    except Exception as error:
        # A damaged archive can raise anything in its reader (BadZipFile, KeyError, OverflowError, …).
        raise AgentError(f"{what}: damaged or not a .pt file") from error


class _Reader:
    """Copies what torch loaded. A pickle may mention one thing a million times, so the copy is held to the file's size.

    Args:
        budget: Bytes of the file; no value takes less than one of them.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget

    def read(self, value: Any) -> Any:
        is_tensor = isinstance(value, torch.Tensor)
        self._budget -= value.numel() * value.element_size() if is_tensor else 1
        if self._budget < 0:
            raise ValueError("more values than the file has bytes")
        if is_tensor:
            return value.detach().contiguous().numpy()
        if isinstance(value, dict):
            return {self._key(key): self.read(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.read(item) for item in value]
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise ValueError(f"a {type(value).__name__} is no plain data")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise ValueError("a key that is no text")
        return key


def _for_torch(value: Any) -> Any:
    """A copy that pickles to the same bytes as any equal value.

    Pickle writes a second reference to one object shorter than an equal object, so strings are made one object and
    everything else separate ones; tensors become contiguous, without unused storage.
    """
    if isinstance(value, Mapping):
        return {_for_torch(key): _for_torch(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_for_torch(item) for item in value]
    if hasattr(value, "dtype"):
        return torch.from_numpy(value.copy(order="C"))
    return sys.intern(value) if type(value) is str else value
