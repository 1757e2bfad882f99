"""First-fit-decreasing: nodes on which the demand fits by requests, labels and taints alone.

Where a search in the engine starts. The scheduler spreads pods where this fills nodes, and knows of affinity between
pods, so it may need more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from env.jit import Ints
from env.plan.bound import Bound
from env.plan.demand import Floats, Table, most_fitting
from env.plan.offers import Counts, Offer

_MOST_STARTS = 12
_MOST_KINDS = 24


@dataclass(eq=False)
class _Nodes:
    """Nodes that are open: what each has left, and its offer."""

    free: Ints
    offers: list[int] = field(default_factory=list)

    def open(self, offer: int, room: Ints) -> None:
        self.free = np.vstack([self.free, room])
        self.offers.append(offer)


def pack(
    table: Table, offers: Sequence[Offer], allowed: Sequence[int], worth: Floats, open_: Counts | None = None
) -> Counts | None:
    """Nodes of each offer that hold the demand by first-fit-decreasing; None where the allowed ones do not.

    A pod that fits no open node opens one of the allowed offer that is cheapest for what it has room for; the last one
    is the cheapest that has room for all that is left. Among zones it is that with the fewest nodes.

    Args:
        table: The demand.
        offers: Those of the table's columns.
        allowed: Those of them that may be opened.
        worth: What a unit of each resource is worth; shape (resources,).
        open_: Nodes that are open from the start; None: none are.
    """
    nodes = _Nodes(np.zeros((0, table.rooms.shape[1]), dtype=np.int64))
    by_zone: dict[str, int] = {}
    for offer, many in enumerate(open_ or ()):
        for _ in range(many):
            nodes.open(offer, table.rooms[offer])
            by_zone[offers[offer].zone] = by_zone.get(offers[offer].zone, 0) + 1
    ratios = table.prices / np.maximum(table.rooms @ worth, 1e-12)
    size = (table.requests / np.maximum(table.rooms.max(axis=0), 1)).max(axis=1)
    rest = (table.counts[:, None] * table.requests).sum(axis=0)
    for group in np.lexsort((np.arange(len(size)), -size)).tolist():
        request, left = table.requests[group], int(table.counts[group])
        choices = [offer for offer in allowed if table.fits[group, offer]]
        if left and not choices:
            return None
        if nodes.offers:
            taken = _fill(nodes, table, group, left)
            left, rest = left - taken, rest - taken * request
        while left > 0:
            last = [
                offer for offer in choices if (table.rooms[offer] >= rest).all() and table.fits[group, offer] >= left
            ]
            best = min(
                last or choices,
                key=lambda offer: (
                    table.prices[offer] if last else ratios[offer],
                    by_zone.get(offers[offer].zone, 0),
                    offer,
                ),
            )
            nodes.open(best, table.rooms[best])
            by_zone[offers[best].zone] = by_zone.get(offers[best].zone, 0) + 1
            taken = min(left, int(table.fits[group, best]))
            nodes.free[-1] -= taken * request
            left, rest = left - taken, rest - taken * request
    return tuple(np.bincount(np.array(nodes.offers, dtype=np.int64), minlength=len(offers)).tolist())


def starts(table: Table, offers: Sequence[Offer], bound: Bound) -> list[Counts]:
    """Sets of nodes to start a search from, the cheapest first.

    Mixes; each kind alone, where it suffices; and a little less of each efficient kind, with others for the rest.
    """
    kinds: dict[str, list[int]] = {}
    for column, offer in enumerate(offers):
        kinds.setdefault(offer.name, []).append(column)
    mixed = [column for name in kinds for column in kinds[name] if bound.amounts[kinds[name]].sum() > 0]
    usable = [column for column in range(len(offers)) if table.fits[:, column].any()]
    found = {pack(table, offers, allowed, bound.worth) for allowed in (usable, mixed) if allowed}
    best_kinds = dict.fromkeys(offers[column].name for column in efficient(table, bound.worth))
    for name in list(best_kinds)[:_MOST_KINDS]:
        alone = pack(table, offers, kinds[name], bound.worth)
        found.add(alone)
        for less in (1, 2) if alone is not None and len(kinds) > 1 else ():
            fewer = list(alone or ())
            for _ in range(less):
                fewest = max(range(len(fewer)), key=lambda column: (fewer[column], -column))
                fewer[fewest] = max(0, fewer[fewest] - 1)
            found.add(pack(table, offers, usable, bound.worth, tuple(fewer)))
    whole = [counts for counts in found if counts is not None]
    return sorted(whole, key=lambda counts: (cost_of(table, counts), sum(counts), counts))[:_MOST_STARTS]


def efficient(table: Table, worth: Floats) -> list[int]:
    """Offers that take any pod, by what they cost for what they have room for, the cheapest first."""
    ratios = table.prices / np.maximum(table.rooms @ worth, 1e-12)
    usable = np.flatnonzero((table.fits > 0).any(axis=0))
    return sorted(usable.tolist(), key=lambda column: (ratios[column], column))


def cost_of(table: Table, counts: Counts) -> float:
    """What so many nodes of each offer cost."""
    return float(np.dot(table.prices, counts))


def _fill(nodes: _Nodes, table: Table, group: int, left: int) -> int:
    """Put pods of a group on open nodes, the first ones first; how many."""
    request = table.requests[group]
    most = np.minimum(most_fitting(nodes.free, request), table.fits[group, nodes.offers])
    before = np.concatenate([[0], np.cumsum(most)[:-1]])
    taken = np.clip(left - before, 0, most)
    nodes.free -= taken[:, None] * request
    return int(taken.sum())
