"""numba's compiler, with its machine code kept on disk where there is a place for it.

The cache knows compiled code by the file of the outermost function, so what is compiled into one another stands in one
file, or the outermost function tells it of the others (see `env.gym.vector_kernel`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

Ints = NDArray[np.int64]
"""The arrays that compiled code works on, of any shape."""

F = TypeVar("F", bound=Callable[..., Any])


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
