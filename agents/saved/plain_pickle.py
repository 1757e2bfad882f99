"""Whether a pickle is one that `checkpoint.dumps` writes, found out by a machine that knows nothing else.

torch's own reader with `weights_only` runs no code, but it reads more than is ever written: tuples of tuples as keys,
whose hash takes hours, or one list copied a thousand times, from a few kilobytes. So its input is checked first: every
byte makes at most one value, what is used twice is a string or a name, no key is there twice, and a tensor is the whole
of an entry of the archive that no other one has.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_OPCODES = 1_000_000  # 28 a tensor; each makes less than 100 bytes
MAX_DEPTH = 32
MAX_DIMENSIONS = 32  # of a tensor
MAX_KEY = 1 << 60  # of a dict, where it is a whole number: greater ones can be made to share one hash

_ITEM_BYTES = {
    "torch FloatStorage": 4,
    "torch DoubleStorage": 8,
    "torch LongStorage": 8,
    "torch IntStorage": 4,
    "torch BoolStorage": 1,
    "torch ByteStorage": 1,
}
_TENSOR = "torch._utils _rebuild_tensor_v2"
_HOOKS = "collections OrderedDict"
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_KEYS = (str, int, float, type(None))


class NotPlain(ValueError):
    """The pickle holds something else than numbers, strings, None, lists, dicts and tensors."""


@dataclass(frozen=True)
class _Name:
    """What stands for a class or function; nothing is ever imported or called."""

    text: str


@dataclass(frozen=True)
class _Storage:
    key: str
    count: int
    item_bytes: int


class _Tensor:
    """What stands for a tensor."""


def check(program: bytes, sizes: Mapping[str, int]) -> None:
    """Go through a pickle without making anything of it.

    Args:
        sizes: the bytes that the archive holds for each tensor, by the name that the pickle gives it.

    Raises:
        NotPlain: something that `dumps` does not write.
        ValueError, LookupError, TypeError: damaged.
    """
    machine = _Machine(sizes)
    for count, (code, argument, _) in enumerate(pickletools.genops(program)):
        if count >= MAX_OPCODES:
            raise NotPlain
        machine.step(code.name, argument)
    [value] = machine.stack
    _check_depth(value)


class _Machine:
    """Python's pickle machine (Lib/pickletools.py), without whatever could surprise."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.stack: list[Any] = []
        self._sizes = dict(sizes)
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._do: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda argument: None,
            "STOP": lambda argument: None,
            "EMPTY_DICT": lambda argument: self.stack.append({}),
            "EMPTY_LIST": lambda argument: self.stack.append([]),
            "EMPTY_TUPLE": lambda argument: self.stack.append(()),
            "MARK": lambda argument: self._marks.append(len(self.stack)),
            "TUPLE": lambda argument: self.stack.append(tuple(self._since_mark())),
            "TUPLE1": lambda argument: self.stack.append(tuple(self._last(1))),
            "TUPLE2": lambda argument: self.stack.append(tuple(self._last(2))),
            "TUPLE3": lambda argument: self.stack.append(tuple(self._last(3))),
            "APPEND": lambda argument: self._append(self._last(1)),
            "APPENDS": lambda argument: self._append(self._since_mark()),
            "SETITEM": lambda argument: self._set(self._last(2)),
            "SETITEMS": lambda argument: self._set(self._since_mark()),
            "BINPUT": self._put,
            "LONG_BINPUT": self._put,
            "BINGET": lambda argument: self.stack.append(self._memo[argument]),
            "LONG_BINGET": lambda argument: self.stack.append(self._memo[argument]),
            "GLOBAL": self._name,
            "BINPERSID": lambda argument: self.stack.append(_storage(self.stack.pop())),
            "REDUCE": lambda argument: self._reduce(*self._last(2)),
        }

    def step(self, name: str, argument: Any) -> None:
        if name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in _VALUES:
            self.stack.append(_VALUES[name])
        elif name in self._do:
            self._do[name](argument)
        else:
            raise NotPlain

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) - (self._marks[-1] if self._marks else 0) < count:
            raise ValueError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def _since_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise NotPlain
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if type(into) is not dict:
            raise NotPlain
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not _is_key(key) or key in into:
                raise NotPlain
            into[key] = value

    def _put(self, place: int) -> None:
        """Remember a string or a name; anything else that is asked for again is not there."""
        if isinstance(self.stack[-1], str | _Name):
            self._memo[place] = self.stack[-1]
        else:
            self._memo.pop(place, None)

    def _name(self, text: str) -> None:
        if text not in (_TENSOR, _HOOKS, *_ITEM_BYTES):
            raise NotPlain
        self.stack.append(_Name(text))

    def _reduce(self, function: Any, arguments: Any) -> None:
        if function == _Name(_HOOKS) and arguments == ():
            self.stack.append(function)
        elif function == _Name(_TENSOR) and isinstance(arguments, tuple):
            self.stack.append(self._tensor(*arguments))
        else:
            raise NotPlain

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any) -> _Tensor:
        whole = isinstance(storage, _Storage) and _are_sizes(size) and math.prod(size) == storage.count
        plain = grad is False and hooks == _Name(_HOOKS) and type(offset) is int and offset == 0
        if not (whole and plain and _are_sizes(stride) and stride == _strides(size)):
            raise NotPlain
        size_bytes = self._sizes.pop(storage.key)  # so that no two tensors share it
        if size_bytes != storage.count * storage.item_bytes:
            raise ValueError(f"{size_bytes} bytes for {storage.count} numbers of {storage.item_bytes} bytes")
        return _Tensor()


def _storage(given: Any) -> _Storage:
    """What torch's `persistent_id` makes of a storage; where it once was does not matter, it is read to the CPU."""
    kind, name, key, _, count = given
    if kind != "storage" or not isinstance(name, _Name) or not isinstance(key, str) or type(count) is not int:
        raise NotPlain
    return _Storage(key, count, _ITEM_BYTES[name.text])


def _is_key(given: Any) -> bool:
    return isinstance(given, _KEYS) and not (isinstance(given, int) and abs(given) >= MAX_KEY)


def _are_sizes(given: Any) -> bool:
    few = isinstance(given, tuple) and len(given) <= MAX_DIMENSIONS
    return few and all(type(size) is int and 0 <= size < 1 << 62 for size in given)


def _strides(size: tuple[int, ...]) -> tuple[int, ...]:
    """Of a contiguous tensor."""
    return tuple(math.prod(max(n, 1) for n in size[place + 1 :]) for place in range(len(size)))


def _check_depth(value: Any) -> None:
    """Bound the depth, without recursion, and refuse names and tuples that stand for themselves."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if any(isinstance(item, tuple | _Name | _Storage) for item in level):
            raise NotPlain
        level = [child for item in level if isinstance(item, dict | list) for child in _children(item)]
        if not level:
            return
    raise NotPlain


def _children(value: dict[Any, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
