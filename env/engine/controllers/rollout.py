"""The arithmetic of rolling updates.

Follows kubernetes 1.36 `pkg/controller/deployment/util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Sequence


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
