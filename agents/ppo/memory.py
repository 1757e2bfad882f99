"""What the agent remembers where a state does not show all that the agent has seen: its last action.

Without it a policy that takes its likeliest action can go round in circles: an action that changes nothing that shows
is followed by itself. `Spaces.partial` says where that is so; elsewhere a memory has no columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.spaces import Spaces

Floats = NDArray[np.float32]


def nothing(n: int, spaces: Spaces) -> Floats:
    """(n, columns), 0: the memory of n agents before their episodes' first actions."""
    return np.zeros((n, memory_size(spaces)), np.float32)


def memory_size(spaces: Spaces) -> int:
    """Columns of a memory: one for each action, or none."""
    return len(spaces.actions) if spaces.partial else 0


def remembered(memory: Floats, actions: NDArray[np.int64]) -> Floats:
    """The memory after these actions: 1 in the column of the last one."""
    after = np.zeros_like(memory)
    if after.size:
        after[np.arange(len(actions)), actions] = 1.0
    return after


def told(states: Floats, memory: Floats) -> Floats:
    """What the networks are told: (n, features + columns)."""
    return np.concatenate([states, memory], axis=1) if memory.size else states
