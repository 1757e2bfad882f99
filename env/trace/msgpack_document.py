"""MessagePack bytes from anywhere to one plain document, within bounds, or a ValueError that says why not.

Traces need what JSON cannot hold: map keys that are uint64 or two-element arrays (they become tuples).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack

MAX_BYTES = 64 * 1024**2
MAX_DEPTH = 100
MAX_CONTAINERS = 2_000_000  # an empty map is one byte here and 64 in memory


def unpack(data: bytes) -> Any:
    """Decode `data`; dicts keep their order, so `pack` gives the same bytes back.

    Raises:
        ValueError: Too large, too deep, cut short, not MessagePack, a repeated map key, or a type that
            SimKube does not write (binary, extension).
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes, more than the {MAX_BYTES} allowed")
    budget = _Budget()
    try:
        document = msgpack.unpackb(
            data,
            strict_map_key=False,
            object_pairs_hook=budget.map,
            list_hook=budget.list,
            ext_hook=_refuse_extension,
            unicode_errors="strict",
        )
    except msgpack.StackError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except (msgpack.UnpackException, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error) or "not MessagePack") from error
    _check(document)
    return document


def pack(document: Any) -> bytes:
    """Encode with the shortest integers and in dict order, as SimKube's own encoder does."""
    packed: bytes = msgpack.packb(document)
    return packed


class _Budget:
    """Counts maps and lists while they are decoded, so that a small file cannot fill the memory."""

    def __init__(self) -> None:
        self.left = MAX_CONTAINERS

    def map(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        self._spend()
        document = {tuple(key) if isinstance(key, list) else key: value for key, value in pairs}
        if len(document) != len(pairs):
            raise ValueError("a map has the same key twice")
        return document

    def list(self, items: list[Any]) -> list[Any]:
        self._spend()
        return items

    def _spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"more than {MAX_CONTAINERS} maps and lists")


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code}, which SimKube does not write")


def _check(document: Any) -> None:
    """Bound the depth and refuse binary strings, without recursion."""
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return (*value.keys(), *value.values())
        case list() | tuple():
            return value
        case None | str() | int() | float():
            return ()
    raise ValueError(f"{type(value).__name__} data, which SimKube does not write")
