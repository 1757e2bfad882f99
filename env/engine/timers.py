"""Timers on the virtual clock: what falls due, and when.

Follows no Kubernetes source.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from env.engine.pods import Pod
from env.engine.workload import Workload

Awaiting = Workload | Pod


class Timers:
    """A queue of workloads to sync and pods to end, by time; of equal times the one that was set first comes first.

    Attributes:
        finite: How many are set that matter and do not recur without end: see `recurs`.
    """

    def __init__(self) -> None:
        self.finite = 0
        self._heap: list[tuple[float, int, Awaiting]] = []
        self._set: dict[tuple[float, Awaiting], bool] = {}  # whether it counts as finite
        self._numbers = 0

    def set(self, what: Awaiting, at_s: float, *, matters: bool = True) -> None:
        """Let `what` fall due at that time; never for infinity, and once however often it is set."""
        if math.isfinite(at_s) and (at_s, what) not in self._set:
            self._set[at_s, what] = finite = matters and not recurs(what)
            self.finite += finite
            self._numbers += 1
            heapq.heappush(self._heap, (at_s, self._numbers, what))

    def unset(self, what: Awaiting, at_s: float) -> None:
        """Let `what` not fall due at that time."""
        self.finite -= self._set.pop((at_s, what), False)

    def next_s(self) -> float:
        """When the next one falls due; infinity where none is set."""
        while self._heap and (self._heap[0][0], self._heap[0][2]) not in self._set:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now_s: float) -> Iterator[Awaiting]:
        """Take out what is due at `now_s`, in order, what is set meanwhile included."""
        while self.next_s() <= now_s:
            at_s, _, what = heapq.heappop(self._heap)
            self.unset(what, at_s)
            yield what


def recurs(what: Awaiting) -> bool:
    """Whether it recurs without end: ticks of a CronJob with its Jobs, pods that are replaced when they end."""
    if isinstance(what, Pod):
        return what.owner.kind not in ("Job", "Pod") or what.owner.parent is not None
    return what.kind == "CronJob"
