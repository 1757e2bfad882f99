"""numba's compiler, with its machine code kept on disk where there is a place for it.

The cache knows compiled code by the file of the outermost function, so what is compiled into one another stands in one
file, or the outermost function tells it of the others (see `register_callees`).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType
from typing import Any, TypeVar

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from env.errors import one_line

Ints = NDArray[np.int64]
"""The arrays that compiled code works on, of any shape."""

F = TypeVar("F", bound=Callable[..., Any])

_PREAMBLE = ("Failed in nopython mode pipeline",)
"""What numba's errors say first, before what is wrong."""


def compiled(function: F, **options: Any) -> F:
    """`numba.njit(**options)`; compiled anew by each process where no cache folder can be written."""
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": neither beside the source nor in the user's cache folder
        made = numba.njit(**options)(function)
    return made


def inlined(function: F) -> F:
    """A function that compiled code may call; it is compiled with that, and has no cache of its own."""
    made: F = register_jitable(function)
    return made


def register_callees(function: Callable[..., Any]) -> str:
    """Let a function that is to be compiled call those of `env` that it names; they stay plain Python for others.

    A function that it closes over may be another package's: then that package's functions count as ours do.

    Returns:
        A digest of all that they are compiled from, for a variable that the function closes over.
    """
    callees, digest = compiled_with(function)
    for each in callees:
        _register(each)
    return digest


@cache
def _register(function: Callable[..., Any]) -> None:
    """Let compiled code call a function of Python, by compiling that as well."""
    register_jitable(function)


def compiled_with(function: Callable[..., Any]) -> tuple[list[Callable[..., Any]], str]:
    """The functions of `env` that a function calls, directly or not; and a digest of all that they are compiled from.

    numba compiles globals into the code as constants, so the digest holds their values, and the sources of classes.
    """
    callees: dict[Callable[..., Any], None] = {}
    text: dict[str, None] = {}
    closed_over = (cell.cell_contents for cell in function.__closure__ or ())
    packages = {"env", *(_package(each) for each in closed_over if inspect.isfunction(each))}
    todo = [function]
    for each in todo:
        for name, found in _globals_of(each):
            value = getattr(found, "py_func", found)  # of one that is compiled already, its Python
            if inspect.isfunction(value) and _package(value) in packages:
                if value not in callees:
                    callees[value] = None
                    todo.append(value)
                    text[inspect.getsource(value)] = None
            elif inspect.isclass(value) and _package(value) in packages:
                text[inspect.getsource(value)] = None
            elif isinstance(value, int | float | str | tuple):
                text[f"{name} = {value!r}"] = None
    return [*callees], hashlib.sha256("\n".join(text).encode()).hexdigest()


def require_number(function: Callable[..., Any], *examples: Any) -> None:
    """Accept a function that numba compiles, for arguments like these, to one that returns a number.

    Raises:
        ValueError: It does not; one line that says why.
    """
    made = numba.njit(function)
    if made is function:  # NUMBA_DISABLE_JIT: nothing is compiled
        return
    try:
        made.compile(tuple(map(numba.typeof, examples)))
    except Exception as error:  # numba has no root of all its errors
        lines = [line.strip() for line in str(error).splitlines()]
        told = [line for line in lines if line and not line.startswith(_PREAMBLE)]
        raise ValueError(one_line(told[0] if told else type(error).__name__, 200)) from error
    (returned,) = {overload.signature.return_type for overload in made.overloads.values()}
    if not isinstance(returned, numba.types.Integer | numba.types.Float | numba.types.Boolean):
        raise ValueError(one_line(f"it returns {returned}, no number", 200))


def _package(value: Any) -> str:
    """The name of the outermost package that a function or a class is of."""
    return str(value.__module__).partition(".")[0]


def _globals_of(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """What a function reads of its module and of the functions around it, by name."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    found = {name: cell.cell_contents for name, cell in cells.items()}
    todo = [function.__code__]
    for code in todo:
        todo += [each for each in code.co_consts if isinstance(each, CodeType)]  # comprehensions, before Python 3.12
        found |= {name: function.__globals__[name] for name in code.co_names if name in function.__globals__}
    yield from sorted(found.items())
