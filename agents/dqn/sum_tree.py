"""Drawing in proportion to values that change: a binary tree of sums in an array.

Node 1 is the root, 2i and 2i + 1 are the children of i, and the second half of the array are the leaves, as
many as a power of two.
Schaul et al., ICLR 2016, appendix B.2.1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from env.jit import compiled

Tree = NDArray[np.float64]


def new(leaves: int) -> Tree:
    """A tree of at least so many leaves, all 0."""
    return np.zeros(2 << max(1, leaves - 1).bit_length())


def leaves(tree: Tree) -> Tree:
    """The leaves, as a view."""
    return tree[len(tree) // 2 :]


@compiled
def draw(tree: Tree, places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Leaves of a sum tree, each with a chance in proportion to its value.

    Args:
        tree: Not all of its leaves are 0.
        places: In [0, 1), one for each leaf to be drawn.
    """
    size = len(tree) // 2
    found = np.empty(len(places), np.int64)
    for k in range(len(places)):
        left, i = places[k] * tree[1], 1
        while i < size:
            i *= 2
            if left >= tree[i] and tree[i + 1] > 0:
                left -= tree[i]
                i += 1
        found[k] = i - size
    return found


@compiled
def replace(tree: Tree, which: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Set leaves of a sum tree, and the sums above them."""
    for k in range(len(which)):
        i = len(tree) // 2 + which[k]
        tree[i] = values[k]
        while i > 1:
            i //= 2
            tree[i] = tree[2 * i] + tree[2 * i + 1]
