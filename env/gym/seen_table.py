"""What replays of scenarios that are not plain ended in: a hash table that compiled code looks up.

What a workload asks for decides what is seen, so each (scenario, resources) is replayed once. Open addressing with
linear probing; it gives up all entries when it is full.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env import jit
from env.errors import ClusterError
from env.observation import Observation
from env.problems.scenario import Scenario
from env.workload import Resources

MOST_SEEN = 2**20
"""Entries that a table holds, at most 270 MB; as many as there can be environments, each of which waits for one."""
AS_RECORDED = Resources(-1, -1, -1)
"""What is asked for at the start of an episode."""
ROW = 4
"""Where a slot has its row + 1, after scenario, CPU, memory and replicas; 0 in a free slot."""
_FEWEST = 1024
_WIDTH = len(Observation._fields) - 1 + len(Resources._fields)
_LARGEST = 2**52  # sums of two such numbers are exact in float64


class SeenTable:
    """Observations by scenario and what was asked for.

    Attributes:
        slots: int64 (a power of two, 5).
        rows: int64 (observations, 22), as `observation_in` reads them.
    """

    def __init__(self) -> None:
        self.slots, self.rows = _empty(_FEWEST)
        self._many = 0

    def make_room(self, more: int) -> None:
        """Forget everything if so many more would be too many."""
        if self._many + more > MOST_SEEN:
            self.slots, self.rows = _empty(_FEWEST)
            self._many = 0

    def add(self, number: int, scenario: Scenario, asked: Resources, seen: Observation) -> None:
        """Keep what scenario number `number` looks like.

        Raises:
            ClusterError: Numbers that compiled code does not count exactly.
        """
        resources, others = seen.resources, [each for each in seen if not isinstance(each, Resources)]
        largest = max(scenario.target, 1) * max(*resources, 1)
        if max(largest, *others) > _LARGEST:
            raise ClusterError(f"scenario {scenario.name}: asks for more than the vector environment can count")
        if 2 * self._many >= len(self.slots):
            self._grow()
        self.rows[self._many] = (*resources, *others)
        self._many += 1
        self._put(number, asked, self._many)

    def _put(self, number: int, asked: Resources, row: int) -> None:
        self.slots[_slot_of(self.slots, number, asked)] = (number, *asked, row)

    def _grow(self) -> None:
        slots, rows = self.slots, self.rows
        self.slots, self.rows = _empty(2 * len(slots))
        self.rows[: len(rows)] = rows
        for number, cpu_m, memory_bytes, replicas, row in slots[slots[:, ROW] > 0].tolist():
            self._put(number, Resources(cpu_m, memory_bytes, replicas), row)


def _empty(slots: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.zeros((slots, ROW + 1), np.int64), np.zeros((slots // 2, _WIDTH), np.int64)


def slot_of(slots: NDArray[np.int64], number: int, asked: Resources) -> int:
    """The slot that holds what a scenario asks for, or a free one for it; numba compiles it."""
    mask = len(slots) - 1
    mixed = ((number * 31 + asked.cpu_m) * 31 + (asked.memory_bytes >> 16)) * 31 + asked.replicas
    at = (mixed ^ (mixed >> 17)) & mask
    while slots[at, ROW] > 0:
        slot = slots[at]
        if slot[0] == number and slot[1] == asked.cpu_m and slot[2] == asked.memory_bytes and slot[3] == asked.replicas:
            break
        at = (at + 1) & mask
    return at


_slot_of = jit.compiled(slot_of)


def observation_in(row: Any) -> Observation:
    """The observation that a row of the table holds; numba compiles it."""
    return Observation(
        row[3], row[4], row[5], Resources(row[0], row[1], row[2]), row[6], row[7], row[8], row[9], row[10], row[11],
        row[12], row[13], row[14], row[15], row[16], row[17], row[18], row[19], row[20], row[21],
    )  # fmt: skip
