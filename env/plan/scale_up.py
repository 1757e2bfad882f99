"""Nodes for pods that have none, by the rules of the two autoscalers; see `autoscalers.py` for their sources."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from env.jit import Ints
from env.plan.demand import CPU, MEMORY, Table
from env.plan.offers import Counts
from env.plan.packing import pack
from env.plan.running import Rows, Situation


def node_groups(found: Situation, waiting: Rows) -> Counts | None:
    """Nodes of one kind at a time, of that with the least idle CPU, then memory, for the pods that it takes."""
    kinds: dict[str, list[int]] = {}
    for column, offer in enumerate(found.offers):
        kinds.setdefault(offer.name, []).append(column)
    total, left = np.zeros(len(found.offers), dtype=np.int64), dict(waiting)
    while left:
        options = []
        for name, columns in kinds.items():
            taken = {row: many for row, many in left.items() if found.table.fits[row, columns].any()}
            counts = pack(_part(found.table, taken), found.offers, columns, found.worth) if taken else None
            if counts is not None:
                room = np.array(counts) @ found.table.rooms
                asked = sum(many * found.table.requests[row] for row, many in taken.items())
                idle = 1 - asked / np.maximum(room, 1)
                options.append((float(idle[CPU]), float(idle[MEMORY]), name, counts, taken))
        if not options:
            break
        *_, counts, taken = min(options, key=lambda each: each[:3])
        total += np.array(counts)
        left = {row: many for row, many in left.items() if row not in taken}
    return tuple(total.tolist())


def open_nodes(found: Situation, waiting: Rows) -> Counts | None:
    """First-fit-decreasing into nodes of which the type stays open; then the cheapest type for each."""
    table = found.table
    open_: list[_OpenNode] = []
    for row in sorted(waiting, key=lambda row: (*(-table.requests[row]), row)):
        fits = table.fits[row] > 0
        for _ in range(waiting[row]):
            request = table.requests[row]
            if not any(each.takes(found, row, request, fits) for each in open_):
                if not fits.any():
                    return None
                open_.append(_OpenNode(fits, request.copy(), {row}))
    counts = np.zeros(len(found.offers), dtype=np.int64)
    for each in open_:
        counts[min(np.flatnonzero(each.types).tolist(), key=lambda o: (table.prices[o], counts[o], o))] += 1
    return tuple(counts.tolist())


@dataclass(eq=False)
class _OpenNode:
    """A node of which the type is not chosen yet: the types that still have the room, and what is on it."""

    types: NDArray[np.bool_]
    taken: Ints
    rows: set[int]

    def takes(self, found: Situation, row: int, request: Ints, fits: NDArray[np.bool_]) -> bool:
        """Put a pod on it, if a type has the room; whether it was."""
        if found.demand.groups[row].alone and row in self.rows:
            return False
        still = self.types & fits & (found.table.rooms >= self.taken + request).all(axis=1)
        if not still.any():
            return False
        self.types, self.taken = still, self.taken + request
        self.rows.add(row)
        return True


def _part(table: Table, rows: Rows) -> Table:
    """The table with these pods alone."""
    kept = np.array(sorted(rows), dtype=np.int64)
    counts = np.array([rows[row] for row in kept.tolist()], dtype=np.int64)
    return Table(table.requests[kept], counts, table.rooms, table.fits[kept], table.prices)
