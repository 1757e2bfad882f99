"""A proven lower bound of what nodes cost that hold the demand.

Each row says of any set of nodes that holds all pods what it must have at least, and is proven by itself:

- volume: all that pods request of a resource fits into what their nodes have; of all pods, and of those that may go to
  the same offers only;
- a group: nodes take at most so many of its pods each;
- large pods: of pods that request at least a size, a node takes at most its room divided by that size (the counting
  bound of bin packing: Martello and Toth, Knapsack Problems, 1990, section 8.3).

The best combination of the rows is a linear program; whole nodes then round it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from env.plan.demand import CPU, MEMORY, Floats, Table
from env.plan.linear import Covering, cover

_SIZES = 24  # of large pods that are tried for each resource
_SLACK = 1e-7
_UNITS = 100_000  # of a dollar: price lists have up to five places


@dataclass(frozen=True, eq=False)
class Bound:
    """What is proven.

    Attributes:
        cost: No set of nodes that holds the demand costs less.
        volume: The same by the volume of all pods alone, rounded up to whole nodes where each costs 1.
        worth: What a unit of each resource is worth at that price, float64 of shape (resources,).
        amounts: Nodes of each offer in the optimum of the linear program, float64 of shape (offers,).
    """

    cost: float
    volume: float
    worth: Floats
    amounts: Floats


def lower_bound(table: Table) -> Bound:
    """The bound for a demand of which each group fits somewhere; a plan has a node, also for nothing."""
    resources = table.rooms.shape[1]
    if not len(table.counts):
        return Bound(float(table.prices.min()), 0.0, np.zeros(resources), np.zeros(len(table.prices)))
    volumes = [_volume(table), *_of_few_offers(table)]
    rows, wanted = covering_rows(table)
    used = (wanted > 0) & (rows.max(axis=1) > 0)
    priced = cheapest_alike(rows[used], table.prices)
    solved = cover(table.prices[priced], rows[used][:, priced], wanted[used])
    amounts = np.zeros(len(table.prices))
    amounts[priced] = solved.amounts
    duals = np.zeros(len(wanted))
    duals[used] = solved.duals
    worth = duals[: len(volumes) * resources].reshape(len(volumes), resources).sum(axis=0)
    usable = usable_prices(table)
    volume = _alone(table, *volumes[0])
    return Bound(rounded(solved.bound, usable), rounded(volume.bound, usable), worth, amounts)


def covering_rows(table: Table) -> tuple[Floats, Floats]:
    """What any nodes that hold the demand meet: float64 of shape (rows, offers), and what they come to at least.

    The first of them are the volumes: a row for each resource, of all pods and then of each set of offers.
    """
    every = [_volume(table), *_of_few_offers(table), _of_groups(table), *_of_large(table)]
    return np.concatenate([each[0] for each in every]), np.concatenate([each[1] for each in every])


def usable_prices(table: Table) -> Floats:
    """Prices of the offers that take any pod."""
    found: Floats = table.prices[(table.fits > 0).any(axis=0)]
    return found


def rounded(cost: float, prices: Floats) -> float:
    """A bound, rounded up to a multiple of what all prices are multiples of: only whole nodes can be had."""
    units = np.rint(prices * _UNITS).astype(np.int64)
    unit = int(np.gcd.reduce(units)) / _UNITS if np.allclose(units, prices * _UNITS, rtol=0, atol=1e-6) else 0.0
    return ceil(cost / unit - _SLACK) * unit if unit else cost * (1 - _SLACK)


def _alone(table: Table, rows: Floats, needs: Floats) -> Covering:
    used = (needs > 0) & (rows.max(axis=1) > 0)
    return cover(table.prices, rows[used], needs[used])


def _volume(table: Table) -> tuple[Floats, Floats]:
    usable = np.array((table.fits > 0).any(axis=0), dtype=np.int64)
    return (table.rooms * usable[:, None]).T.astype(np.float64), (table.counts[:, None] * table.requests).sum(
        axis=0
    ).astype(np.float64)


def _of_few_offers(table: Table) -> list[tuple[Floats, Floats]]:
    """The volume of pods that may go to some of the offers only, for each such set of offers."""
    admits = table.fits > 0
    sets = np.unique(admits, axis=0)
    found = []
    for offers in sets[:64] if len(sets) > 1 else []:
        inside = ~(admits & ~offers).any(axis=1)
        needs = (table.counts[inside, None] * table.requests[inside]).sum(axis=0).astype(np.float64)
        found.append(((table.rooms * offers[:, None]).T.astype(np.float64), needs))
    return found


def _of_groups(table: Table) -> tuple[Floats, Floats]:
    return table.fits.astype(np.float64), table.counts.astype(np.float64)


def _of_large(table: Table) -> list[tuple[Floats, Floats]]:
    """Pods of at least a size, for some sizes of CPU and of memory."""
    found = []
    for resource in (CPU, MEMORY):
        sizes = np.unique(table.requests[:, resource])
        sizes = sizes[sizes > 0]
        step = max(1, floor(len(sizes) / _SIZES))
        for size in sizes[::-1][: _SIZES * step : step]:
            large = table.requests[:, resource] >= size
            offers = (table.fits[large] > 0).any(axis=0)
            row = (table.rooms[:, resource] // size * offers).astype(np.float64)
            found.append((row[None, :], np.array([table.counts[large].sum()], dtype=np.float64)))
    return found


def cheapest_alike(columns: Floats, prices: Floats) -> list[int]:
    """Of offers that differ in nothing but their price the cheapest, such as one of several zones."""
    kept: dict[bytes, int] = {}
    for column in np.argsort(prices, kind="stable").tolist():
        kept.setdefault(columns[:, column].tobytes(), column)
    return sorted(kept.values())
