"""Hostile input, and what must be true of every answer to it."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from env.errors import SimArenaError

T = TypeVar("T")

CASES: Counter[str] = Counter()  # by target
PEAKS: dict[str, int] = {}  # the most memory that one case of a target took, in bytes
MESSAGE_LENGTH = 5000
BATCH = 25
MEMORY_BYTES = 96 << 20  # and thirty times the input: Python's objects are large

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

NASTY = [
    "",
    "\0",
    "\n",
    "a\nb",
    "..",
    "../../etc/passwd",
    "%2e%2e",
    "ﬀ",
    "İ",
    "٠٠٠١",
    "\u202e",
    "\x1b[31m",
    "𝟙",
    "a" * 5000,
]
text = st.sampled_from(NASTY) | st.text(max_size=20)
numbers = (
    st.sampled_from([0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 1e308, -0.0, 1e-320]) | st.integers()
)
scalars = st.none() | st.booleans() | numbers | st.floats() | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)


def answered(target: str, size: int, call: Callable[[], T]) -> T | None:
    """What the call answers, None if it refuses; anything but a clear refusal within bounded memory is a finding.

    Args:
        target: under which name the case is counted.
        size: bytes of the input.
    """
    CASES[target] += 1
    before = _rewound()
    try:
        return call()
    except SimArenaError as error:
        check_message(str(error))
        return None
    finally:
        taken = _memory("VmHWM") - before
        PEAKS[target] = max(PEAKS.get(target, 0), taken)
        assert taken <= MEMORY_BYTES + 30 * size, f"{taken >> 20} MiB for an input of {size} bytes"


def chances(seed: int) -> Iterator[random.Random]:
    """Sources of chance for the cases of one example: most of an example's time goes into making it up."""
    return (random.Random(f"{seed}/{number}") for number in range(BATCH))


def check_message(message: str) -> None:
    assert message.isprintable(), ascii(message[:500])
    assert 0 < len(message) <= MESSAGE_LENGTH, len(message)


def _rewound() -> int:
    """Memory in use; the peak is counted from here."""
    if not _CLEAR.exists():
        return _memory("VmRSS")
    _CLEAR.write_text("5")
    return _memory("VmRSS")


def _memory(what: str) -> int:
    """Of this process, in bytes; 0 where the system does not tell."""
    found = re.search(rf"{what}:\s+(\d+) kB", _STATUS.read_text()) if _STATUS.exists() else None
    return 1024 * int(found[1]) if found else 0


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, cut out, doubled or moved."""
    body = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice((1, 1, 2, 4, 8, 64)))
        match chance.randrange(7):
            case 0 | 1:
                body[start:end] = chance.randbytes(end - start)
            case 2:
                del body[start:end]
            case 3:
                body[start:start] = body[start:end]
            case 4:
                del body[start:]
            case 5:
                body[start:end] = chance.choice((b"\xff", b"\0", b"\x7f")) * (end - start)
            case 6 if body:
                body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(body)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value: the paths of everything inside it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [deeper for key, item in inner for deeper in places(item, (*path, key))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with something else at a place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@st.composite
def mutants(draw: st.DrawFn, valid: Any, inner: st.SearchStrategy[Any] = values) -> Any:
    """A valid JSON value with one to three places that hold something else, are gone, or have company."""
    value = valid
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(value)))
        place = value
        for key in path:
            place = place[key]
        if isinstance(place, dict) and draw(st.booleans()):
            new = dict(place)
            if new and draw(st.booleans()):
                del new[draw(st.sampled_from(sorted(new, key=str)))]
            else:
                new[draw(text)] = draw(inner)
        else:
            new = draw(inner)
        value = changed(value, path, new)
    return value


def loose_json(value: Any) -> bytes:
    """JSON as hostile writers make it: NaN and Infinity as words, lone surrogates as escapes."""
    return json.dumps(value, allow_nan=True, ensure_ascii=True).encode()
