"""What a solution needs of an agent's actions, so that a patch asks for no change that the replay does well without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from env.actions import Action


def needed(counted: Sequence[tuple[Action, int]], solves: Callable[[list[Action]], bool]) -> list[Action]:
    """The actions that a solution needs: of each kind in turn the fewest with which the others still solve it.

    No one action less solves it, as long as fewer never help where more do not.

    Args:
        counted: Actions that solve it, each with its count.
        solves: Whether actions solve it.
    """
    counts = dict(counted)
    for action, count in counted:
        if count and solves(_way({**counts, action: count - 1}.items())):
            counts[action] = _fewest(action, count - 1, counts, solves)
    return _way(counts.items())


def _fewest(action: Action, enough: int, counts: dict[Action, int], solves: Callable[[list[Action]], bool]) -> int:
    """The fewest times of an action that solve it, by bisection; so many times are enough."""
    least = 0
    while least < enough:
        middle = (least + enough) // 2
        if solves(_way({**counts, action: middle}.items())):
            enough = middle
        else:
            least = middle + 1
    return enough


def _way(counted: Iterable[tuple[Action, int]]) -> list[Action]:
    return [action for action, count in counted for _ in range(count)]
