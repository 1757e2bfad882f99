"""The arithmetic of rolling updates.

Follows kubernetes `pkg/controller/deployment/util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """How a Deployment replaces its pods.

    Attributes:
        recreate: Remove all old pods first (type Recreate); the other fields then mean nothing.
        max_surge: Pods above the replicas, a number or a percentage such as "25%".
        max_unavailable: Replicas that may be missing, likewise.
    """

    recreate: bool = False
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"

    def fenceposts(self, replicas: int) -> tuple[int, int]:
        """(surge, unavailable) in pods: surge rounded up, unavailable down, never both 0."""
        if self.recreate:
            return 0, 0
        surge = resolve(self.max_surge, replicas, round_up=True)
        unavailable = min(resolve(self.max_unavailable, replicas, round_up=False), replicas)
        return surge, unavailable or int(surge == 0)


def proportional_sizes(sets: Sequence[tuple[int, int]], allowed: int, replicas: int) -> list[int]:
    """Sizes of several active ReplicaSets, oldest first, when their Deployment is scaled amid a rollout.

    Args:
        sets: Of each its pods, and the most that its Deployment allowed when it was last scaled.
        allowed: Pods that all may have together: replicas and surge.
        replicas: What the Deployment asks for.
    """
    sizes = [size for size, _ in sets]
    to_add = allowed - sum(sizes)
    # The largest first; of equal ones the newer when growing, the older when shrinking.
    order = sorted(range(len(sets)), key=lambda i: (-sizes[i], -i if to_add > 0 else i))
    added = 0
    for i in order:
        share = _share(sizes[i], sets[i][1], allowed, replicas, to_add, added) if to_add else 0
        sizes[i] += share
        added += share
    if to_add and order:
        sizes[order[0]] = max(0, sizes[order[0]] + to_add - added)
    return sizes


def _share(size: int, most: int, allowed: int, replicas: int, to_add: int, added: int) -> int:
    """`GetReplicaSetProportion`."""
    left = to_add - added
    if size == 0 or left == 0:
        return 0
    fraction = -size if replicas == 0 else _rounded(size * allowed / (most or size)) - size
    return min(fraction, left) if to_add > 0 else max(fraction, left)


def _rounded(value: float) -> int:
    return int(value + 0.5)


def resolve(value: int | str, replicas: int, *, round_up: bool) -> int:
    """A number of pods, or a percentage of the replicas."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * replicas
    return -(-share // 100) if round_up else share // 100
