"""The cheapest nodes on which the engine places everything: packed sets, mended in the engine, then made smaller.

Local search: nodes are taken away, then exchanged for cheaper ones, one for one and two for one, as long as the engine
still places everything. No clock and no dice: the same input gives the same plan. The work is bounded by replays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from env.plan.demand import Floats, Key, PodGroup, Table
from env.plan.offers import Counts, Offer
from env.plan.packing import cost_of, efficient
from env.plan.trial import Trial

MOST_LOOKS = 4_000_000_000
"""Work of all replays of one search, in units of `env.engine.budget`: four minutes."""
MOST_REPLAYS = 1_600
"""Replays of one search: small ones cost more than they look at."""
_MOST_EFFICIENT = 16
_MOST_STARTS = 8
_WORSE = 0.2  # a start dearer by more than this share than the best set found is not made smaller
_CLOSE = 1e-9


class Search:
    """A search over sets of nodes.

    Args:
        trial: Replays sets of nodes.
        table: The demand on the trial's offers.
        groups: Those of the table's rows.
        least: What no set costs less than; the search ends where that is reached.
        worth: What a unit of each resource is worth; shape (resources,).
        told: Called before each replay with their number and the cheapest cost so far.
    """

    def __init__(
        self,
        trial: Trial,
        table: Table,
        groups: Sequence[PodGroup],
        least: float,
        worth: Floats,
        told: Callable[[int, float], None] = lambda replays, cost: None,
    ) -> None:
        self.trial = trial
        self.table = table
        self.groups = groups
        self._row = {group.key: row for row, group in enumerate(groups)}
        self.least = least
        self._told = told
        self._best: Counts | None = None
        self._until = 0, 0  # replays and looks at which the search from one start ends
        self._efficient = efficient(table, worth)[:_MOST_EFFICIENT]
        self._needs = (table.counts[:, None] * table.requests).sum(axis=0)

    def run(self, starts: Sequence[Counts]) -> Counts | None:
        """The cheapest set found; None where none of the starts can be mended.

        Args:
            starts: Sets to begin with, the cheapest first.
        """
        found: Counts | None = None
        for start in starts[:_MOST_STARTS]:
            self._best = None
            self._until = (
                self.trial.replays + MOST_REPLAYS // _MOST_STARTS,
                self.trial.looks + MOST_LOOKS // _MOST_STARTS,
            )
            if found is None or self._cost(start) < (1 + _WORSE) * self._cost(found):
                self._best = self._mended(start, found)
            while self._best is not None and not self._is_done():
                if not any(self._accept(each) for each in self._smaller(self._best)):
                    break
            if self._best is not None and (found is None or self._cost(self._best) < self._cost(found) - _CLOSE):
                found = self._best
            if found is not None and self._cost(found) <= self.least + _CLOSE:
                break
        return found and self._balanced(found)

    def _balanced(self, counts: Counts) -> Counts:
        """The set with the nodes of each kind spread evenly over its zones, as far as that holds everything too."""
        for name in sorted(self._kinds(counts)):
            columns = [o for o, offer in enumerate(self._offers) if offer.name == name]
            price = {float(self.table.prices[o]) for o in columns}
            total, spread = sum(counts[o] for o in columns), list(counts)
            for place, o in enumerate(columns):
                spread[o] = total // len(columns) + (place < total % len(columns))
            if len(price) == 1 and self.trial.holds(tuple(spread)):
                counts = tuple(spread)
        return counts

    def _cost(self, counts: Counts) -> float:
        return cost_of(self.table, counts)

    def _is_done(self) -> bool:
        """Whether the bound is reached, or the work is used up."""
        reached = self._best is not None and self._cost(self._best) <= self.least + _CLOSE
        return reached or self.trial.replays > self._until[0] or self.trial.looks > self._until[1]

    def _accept(self, counts: Counts | None) -> bool:
        """Take a set that is cheaper than the best so far, if the engine places everything."""
        if counts is None or self._is_done():
            return False
        if self._best is not None and self._cost(counts) >= self._cost(self._best) - _CLOSE:
            return False
        if not self._has_volume(counts):
            return False
        self._told(self.trial.replays, self._cost(self._best or counts))
        if self.trial.holds(counts):
            self._best = counts
            return True
        return False

    def _has_volume(self, counts: Counts) -> bool:
        return bool((np.array(counts) @ self.table.rooms >= self._needs).all())

    # --- a set that does not hold everything yet ----------------------------------------------------------------------

    def _mended(self, start: Counts, found: Counts | None) -> Counts | None:
        """The set with nodes added until the engine places everything; None where that gets too dear beside `found`."""
        counts, step = start, 1
        while found is None or self._cost(counts) < (1 + _WORSE) * self._cost(found):
            self._told(self.trial.replays, self._cost(counts))
            if self.trial.holds(counts):
                return counts
            grown = self.grown(counts, self.trial.missing(counts), step)
            if grown is None or self._is_done():
                return None
            counts, step = grown, min(step + 1, max(1, sum(counts) // 10))
        return None

    def grown(self, counts: Counts, missing: Mapping[Key, int], step: int = 1) -> Counts | None:
        """The set with more nodes for the workload that lacks most; None where none of them takes its pods.

        Args:
            counts: The set.
            missing: Pods that workloads lack.
            step: How many nodes more.
        """
        worst = sorted((key for key in missing if key in self._row), key=lambda key: (-missing[key], key))
        fits = self._fitting(worst[0], counts) if worst else [o for o, many in enumerate(counts) if many]
        if not fits:
            return None
        grown = list(counts)
        zones = self._nodes_by_zone(counts)
        for _ in range(step):
            best = min(fits, key=lambda o: (self.table.prices[o], zones.get(self._offers[o].zone, 0), o))
            grown[best] += 1
            zones[self._offers[best].zone] = zones.get(self._offers[best].zone, 0) + 1
        return tuple(grown)

    def _fitting(self, key: Key, counts: Counts) -> list[int]:
        """Offers that take pods of a workload, those of kinds in the set if there are any."""
        fits = np.flatnonzero(self.table.fits[self._row[key]]).tolist()
        names = {self._offers[o].name for o, many in enumerate(counts) if many}
        return [o for o in fits if self._offers[o].name in names] or fits

    # --- a set that holds everything ----------------------------------------------------------------------------------

    def _smaller(self, counts: Counts) -> Iterator[Counts]:
        """Cheaper sets near this one: fewer nodes, the most first, then cheaper ones."""
        many = 1 << max(0, sum(counts).bit_length() - 3)
        while many:
            yield from self._fewer(counts, many)
            many //= 2
        yield from self._exchanged(counts)

    def _fewer(self, counts: Counts, many: int) -> Iterator[Counts]:
        """The set with so many nodes less of one kind, of its zones with the most first; the dearest kind first."""
        for name in sorted(self._kinds(counts), key=lambda name: (-self._price(name), name)):
            left = list(counts)
            columns = [o for o, offer in enumerate(self._offers) if offer.name == name]
            if sum(left[o] for o in columns) < many or sum(left) <= many:
                continue
            for zone_first in [None, *(o for o in columns if left[o] >= many)] if many == 1 else [None]:
                fewer = list(counts)
                for _ in range(many):
                    of = max(columns, key=lambda o: (fewer[o], -o)) if zone_first is None else zone_first
                    fewer[of] -= 1
                yield tuple(fewer)

    def _exchanged(self, counts: Counts) -> Iterator[Counts]:
        """The set with one or two nodes exchanged for a cheaper one, the most that is saved first."""
        prices, found = self.table.prices, list[tuple[float, Counts]]()
        there = [o for o, many in enumerate(counts) if many]
        new_ones = sorted({*self._efficient, *there})
        for gone in [(a,) for a in there] + [(a, b) for a in there for b in there if a <= b]:
            left = list(counts)
            for o in gone:
                left[o] -= 1
            price = sum(prices[o] for o in gone)
            cheaper = (o for o in new_ones if o not in gone and prices[o] < price - _CLOSE) if min(left) >= 0 else ()
            for new in cheaper:
                changed = tuple(many + (o == new) for o, many in enumerate(left))
                found.append((float(prices[new] - price), changed))
        yield from (changed for _, changed in sorted(dict.fromkeys(found)))

    @property
    def _offers(self) -> Sequence[Offer]:
        return self.trial.offers

    def _kinds(self, counts: Counts) -> set[str]:
        return {self._offers[o].name for o, many in enumerate(counts) if many}

    def _price(self, name: str) -> float:
        return max(float(self.table.prices[o]) for o, offer in enumerate(self._offers) if offer.name == name)

    def _nodes_by_zone(self, counts: Counts) -> dict[str, int]:
        zones: dict[str, int] = {}
        for offer, many in zip(self._offers, counts, strict=True):
            zones[offer.zone] = zones.get(offer.zone, 0) + many
        return zones
