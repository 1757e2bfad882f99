"""A plan beside what there is now: node pools, what they cost, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from env.plan.autoscalers import Outcome
from env.plan.offers import ZONE, kind_name
from env.plan.planner import Plan
from env.plan.prices import PriceList
from env.problems.nodes import NodePools
from runner.plan.requests import Patch, Sized

HOURS_A_MONTH = 730
_CLOSE = 1e-6


@dataclass(frozen=True)
class PoolRow:
    """Nodes of one kind.

    Attributes:
        name: The kind.
        size: What one can allocate, in words.
        now: How many there are; None: it is not said what there is.
        then: How many the plan has.
        zones: How many the plan has by zone; none where nodes have no zones.
        usd_per_hour: What one costs; None: not known.
    """

    name: str
    size: str
    now: int | None
    then: int
    zones: Mapping[str, int]
    usd_per_hour: float | None


@dataclass(frozen=True)
class Other:
    """What an autoscaler comes to.

    Attributes:
        name: Whose rules.
        kinds: Nodes by kind.
        usd_per_hour: What they cost; None: not known.
        evictions: Pods that were evicted on the way.
        lacking: Workloads that lack pods at its end.
    """

    name: str
    kinds: Mapping[str, int]
    usd_per_hour: float | None
    evictions: int
    lacking: int


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer.

    Attributes:
        plan: The plan.
        rows: Kinds of nodes, those of the plan first.
        now: The nodes that there are; None: not said.
        prices: Whose prices they are; "" where they are not known and nodes are counted.
        usd_now: What the nodes now cost an hour; None: not known.
        usd_then: The same of the plan.
        others: What autoscalers come to.
        sized: Requests that were brought to what is enough; None: they stay as they are.
    """

    plan: Plan
    rows: tuple[PoolRow, ...]
    now: NodePools | None
    prices: str
    usd_now: float | None
    usd_then: float | None
    others: tuple[Other, ...] = ()
    sized: Sized | None = None

    @property
    def patches(self) -> tuple[Patch, ...]:
        """What has to be patched before the move."""
        return self.sized.patches if self.sized else ()

    @property
    def nodes_then(self) -> int:
        """Nodes of the plan."""
        return sum(self.plan.counts or ())

    @property
    def saves(self) -> bool:
        """Whether the plan is less than what there is, or that does not hold everything, or is nothing."""
        if self.now is None or self.plan.missing_now:
            return True
        if self.usd_now is not None and self.usd_then is not None:
            return self.usd_then < self.usd_now - _CLOSE
        return self.nodes_then < self.now.count if self.usd_then is None else True


def answer_of(plan: Plan, prices: PriceList, sized: Sized | None = None) -> Answer:
    """A plan beside the nodes that there are."""
    nodes, then = plan.problem.nodes, plan.nodes
    counts_now, counts_then = _by_kind(nodes), _by_kind(then)
    sizes = {kind_name(pool): pool.size for each in (nodes, then) if each for pool in each.pools}
    priced = plan.problem.offers[0].usd_per_hour is not None
    rows = tuple(
        PoolRow(
            name,
            sizes[name],
            None if nodes is None else counts_now[name],
            counts_then[name],
            _zones(then, name),
            prices.usd_per_hour.get(name),
        )
        for name in dict.fromkeys([*sorted(counts_then), *sorted(counts_now)])
    )
    return Answer(
        plan,
        rows,
        nodes,
        prices.source if priced else "",
        _cost(counts_now, prices) if nodes else None,
        _cost(counts_then, prices) if priced else None,
        tuple(_other(each, prices) for each in plan.others),
        sized,
    )


def _other(found: Outcome, prices: PriceList) -> Other:
    kinds = _by_kind(found.nodes)
    return Other(found.name, dict(sorted(kinds.items())), _cost(kinds, prices), found.evictions, len(found.missing))


def _cost(counts: Counter[str], prices: PriceList) -> float | None:
    known = [(many, prices.usd_per_hour.get(name)) for name, many in counts.items()]
    return sum(many * usd for many, usd in known if usd is not None) if all(usd for _, usd in known) else None


def _by_kind(nodes: NodePools | None) -> Counter[str]:
    found: Counter[str] = Counter()
    for pool in nodes.pools if nodes else ():
        found[kind_name(pool)] += pool.count
    return found


def _zones(nodes: NodePools | None, name: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for pool in nodes.pools if nodes else ():
        if kind_name(pool) == name and (zone := dict(pool.labels).get(ZONE)):
            found[zone] += pool.count
    return dict(sorted(found.items()))
