"""The Deployment controller's arithmetic: how many pods each ReplicaSet should have next.

Follows `pkg/controller/deployment` (`rolling.go`, `util/deployment_util.go`). One call is one sync of the
controller; it is repeated, with scheduling in between, until nothing changes.
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
        surge = _resolve(self.max_surge, replicas, round_up=True)
        unavailable = _resolve(self.max_unavailable, replicas, round_up=False)
        return surge, unavailable or int(surge == 0)


@dataclass(frozen=True)
class SetSize:
    """A ReplicaSet's pods, and how many of them are available."""

    pods: int
    available: int


def next_sizes(replicas: int, strategy: Strategy, old: Sequence[SetSize], new: SetSize) -> tuple[list[int], int]:
    """Pods of the old ReplicaSets (oldest first) and of the new one after one sync."""
    sizes = [each.pods for each in old]
    if not any(sizes):
        return sizes, replicas
    if strategy.recreate:
        return [0] * len(sizes), new.pods
    surge, unavailable = strategy.fenceposts(replicas)
    grown = _new_size(replicas + surge, replicas, sum(sizes), new.pods)
    if grown != new.pods:
        return sizes, grown
    return _old_sizes(replicas - unavailable, old, new), new.pods


def _new_size(most_pods: int, replicas: int, old_pods: int, new_pods: int) -> int:
    room = max(0, most_pods - old_pods - new_pods)
    return min(replicas, new_pods + room)


def _old_sizes(least_available: int, old: Sequence[SetSize], new: SetSize) -> list[int]:
    sizes = [each.pods for each in old]
    spare = sum(sizes) + new.pods - least_available - (new.pods - new.available)
    if spare <= 0:
        return sizes
    unhealthy = _take([each.pods - each.available for each in old], spare)
    sizes = [pods - gone for pods, gone in zip(sizes, unhealthy, strict=True)]
    available = sum(each.available for each in old) + new.available
    healthy = _take(sizes, max(0, available - least_available))
    return [pods - gone for pods, gone in zip(sizes, healthy, strict=True)]


def _take(sizes: Sequence[int], most: int) -> list[int]:
    """How much of each size goes when `most` in all are taken from the first ones on."""
    taken = []
    for size in sizes:
        taken.append(min(size, most))
        most -= taken[-1]
    return taken


def _resolve(value: int | str, replicas: int, *, round_up: bool) -> int:
    if isinstance(value, int):
        return value
    hundredths = replicas * int(value.removesuffix("%"))
    return -(-hundredths // 100) if round_up else hundredths // 100
