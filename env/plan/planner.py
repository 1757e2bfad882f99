"""The plan: what is there, what it needs at least, and the cheapest nodes on which the engine places it.

`plan` is a function of a trace and offers alone. Where use depends on replicas, as in a gym, one fits the use from a
few replays, writes the requests that follow into the trace, plans, replays the plan, and fits again: each round calls
`plan` once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from env.embedded.cluster import EmbeddedCluster
from env.embedded.survey import WorkloadState, survey
from env.plan.arrivals import at_end, in_order, key_of, largest_first, without
from env.plan.autoscalers import Outcome, cluster_autoscaler, karpenter
from env.plan.bound import Bound, lower_bound, rounded, usable_prices
from env.plan.demand import Demand, Floats, Key, Table, demand_of, table_of
from env.plan.exact import exact_bound, is_installed
from env.plan.misfits import Misfit, misfits_of
from env.plan.moves import Journey, Move, best_move
from env.plan.offers import Counts, Offer, most_allowed, offers_of_nodes, pools_of
from env.plan.packing import cost_of, starts
from env.plan.running import Situation
from env.plan.search import Search
from env.plan.spare import Spare, is_placeholder, with_spare
from env.plan.trial import Survive, Trial, beyond, lacking_of
from env.problems.nodes import NodePools
from env.trace.document import Trace

_MOST_GROWN = 8
_CLOSE = 1e-9

Told = Callable[[int, float], None]


@dataclass(frozen=True)
class Problem:
    """What is asked.

    Attributes:
        trace: The workloads.
        nodes: Those that there are now; None: none yet.
        offers: What may be had. All have a price, or none has.
        survive: What may be lost with everything Ready afterwards.
        usd_per_hour: What kinds of nodes cost, as far as it is known.
        control_plane: Nodes that are no part of the plan; workloads that only they take stay there.
    """

    trace: Trace
    nodes: NodePools | None
    offers: tuple[Offer, ...]
    survive: frozenset[Survive] = frozenset()
    usd_per_hour: Mapping[str, float] = field(default_factory=dict)
    control_plane: NodePools | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """The answer.

    Attributes:
        problem: What was asked.
        trace: The workloads in the order in which they are to be created.
        demand: What had to be placed.
        counts: Nodes of each offer; None: there is no plan.
        cost: What they cost an hour; nodes, where prices are not known.
        bound: No nodes that hold the demand cost less.
        volume: The same by the sum of all requests alone.
        misfits: Workloads that no offer takes; where there are any, nothing was searched for.
        staying: Pods of workloads that only nodes of the control plane take.
        unready: Workloads that are not whole on any number of these nodes, for other reasons than room.
        missing_now: Pods that workloads lack on the nodes that there are, beyond those.
        move: The way from these to the plan, replayed; None: there are none, or they are the plan's.
        others: What autoscalers come to on the same input.
        spare: Cheaper nodes that survive the loss of one, if a placeholder keeps one free; None: none were found.
        replays: How often the engine replayed.
    """

    problem: Problem
    trace: Trace
    demand: Demand
    counts: Counts | None
    cost: float
    bound: float
    volume: float
    misfits: tuple[Misfit, ...] = ()
    staying: Mapping[Key, int] = field(default_factory=dict)
    unready: tuple[WorkloadState, ...] = ()
    missing_now: Mapping[Key, int] = field(default_factory=dict)
    move: Move | None = None
    others: tuple[Outcome, ...] = ()
    spare: Spare | None = None
    replays: int = 0

    @property
    def nodes(self) -> NodePools | None:
        """The nodes of the plan."""
        return None if self.counts is None else pools_of(self.problem.offers, self.counts)

    @property
    def order(self) -> list[Key]:
        """Workloads in the order in which they are to be created, without DaemonSets and those that have no pods."""
        return _order(self.trace, self.demand)

    @property
    def gap(self) -> float:
        """How far the cost may be above the least possible one, as a share of it; at most."""
        return self.cost / self.bound - 1 if self.bound > 0 else 0.0


def plan(problem: Problem, told: Told = lambda replays, cost: None) -> Plan:
    """The cheapest nodes found; the same for the same problem.

    Args:
        problem: What is asked.
        told: Called before each replay with their number and the cheapest cost so far.

    Raises:
        ClusterError, TraceError, QuantityError: The trace cannot be replayed.
        Stopped: A stop was asked for.
    """
    cluster = EmbeddedCluster()
    trace = without(at_end(problem.trace), is_placeholder)
    one_of_each = pools_of(problem.offers, [1] * len(problem.offers))
    demand = demand_of(cluster.replayed(trace, problem.nodes or one_of_each))
    staying = _staying(demand, problem)
    trace = without(trace, lambda each: key_of(each) in staying)
    demand = demand.without(staying)
    table = table_of(demand, problem.offers)
    if misfits := misfits_of(demand, table, problem.offers):
        return Plan(problem, trace, demand, None, 0.0, 0.0, 0.0, misfits, staying)
    bound, begin = _begun(table, problem)
    ordered = in_order(trace, largest_first(demand.groups, table, bound.amounts))
    trial = Trial(ordered, trace, problem.offers, _spare(problem.offers, begin[0], demand), problem.survive, cluster)
    placed = demand.without(trial.allowed)  # pods that no room helps need none
    if trial.allowed:
        table = table_of(placed, problem.offers)
        bound, begin = _begun(table, problem)
    least = _surviving(bound.cost, problem, table, trial)
    search = Search(trial, table, placed.groups, least, bound.worth, told)
    found, made = _reachable(search, search.run(begin), problem, trace, _order(ordered, demand))
    return Plan(
        problem,
        ordered,
        demand,
        found,
        0.0 if found is None else cost_of(table, found),
        _sharper(least, found, problem, table, trial),
        bound.volume,
        staying=staying,
        unready=_unready(cluster, trial),
        missing_now=beyond(lacking_of(cluster.replayed(trace, problem.nodes)), trial.allowed) if problem.nodes else {},
        move=made,
        others=_others(problem, trace, placed, table, bound.worth, trial.allowed),
        spare=_spared(problem, search, bound, begin, found),
        replays=trial.replays,
    )


def _begun(table: Table, problem: Problem) -> tuple[Bound, list[Counts]]:
    """The bound, and sets of nodes to start from."""
    bound = lower_bound(table)
    return bound, [counts for counts in starts(table, problem.offers, bound) if any(counts)] or [_one(table)]


def _staying(demand: Demand, problem: Problem) -> dict[Key, int]:
    """Pods of workloads that nodes of the control plane take, and no offer."""
    if problem.control_plane is None:
        return {}
    there = table_of(demand, offers_of_nodes(problem.control_plane)).fits.any(axis=1)
    elsewhere = table_of(demand, problem.offers).fits.any(axis=1)
    return {demand.groups[row].key: demand.groups[row].count for row in np.flatnonzero(there & ~elsewhere).tolist()}


def _spared(
    problem: Problem, search: Search, bound: Bound, begin: Sequence[Counts], found: Counts | None
) -> Spare | None:
    """Nodes of which a placeholder keeps one free, where these are cheaper than those that survive without it."""
    table, trial = search.table, search.trial
    if problem.survive != {Survive.NODE} or found is None or cost_of(table, found) <= search.least + _CLOSE:
        return None
    whole = replace(trial, survive=frozenset(), replays=0, looks=0, _known={})
    least = Search(whole, table, search.groups, bound.cost, bound.worth).run(begin)
    made = None if least is None else with_spare(least, whole, table)
    return made if made is not None and made.cost < cost_of(table, found) - _CLOSE else None


def _others(
    problem: Problem, trace: Trace, demand: Demand, table: Table, worth: Floats, allowed: Mapping[Key, int]
) -> tuple[Outcome, ...]:
    found = Situation(trace, problem.nodes, problem.offers, demand, table, worth, allowed, problem.usd_per_hour)
    return cluster_autoscaler(found), karpenter(found)


def _reachable(
    search: Search, found: Counts | None, problem: Problem, trace: Trace, order: Sequence[Key]
) -> tuple[Counts | None, Move | None]:
    """The set of nodes and the move to it; with more nodes where pods would be left over at the end of the move."""
    if found is None or problem.nodes is None:
        return found, None
    made: Move | None = None
    for _ in range(_MOST_GROWN):
        journey = Journey(trace, order, problem.nodes, problem.offers, found)
        made = best_move(journey, search.trial.allowed)
        if made.is_done or made.blocked:
            break
        grown = search.grown(found, made.missing)
        if grown is None:
            break
        found = grown
    return found, made


def _order(trace: Trace, demand: Demand) -> list[Key]:
    asked = {group.key for group in demand.groups}
    applied = (key_of(each) for event in trace.events for each in event["applied_objs"])
    return [key for key in applied if key in asked]


def _surviving(cost: float, problem: Problem, table: Table, trial: Trial) -> float:
    """The bound where a node or a zone may be lost: what is left holds everything, so it costs no less than without.

    After the loss of any node there is a node's price less. After that of each of `zones` zones in turn, there is each
    node `zones` - 1 times: so `zones` times the bound is at most `zones` - 1 times the cost.
    """
    prices = usable_prices(table)
    least = cost
    if Survive.NODE in problem.survive:
        least = max(least, cost + float(prices.min()))
    zones = {offer.zone for offer in problem.offers}
    if Survive.ZONE in problem.survive and not any(beyond(trial.allowed_without(z), trial.allowed) for z in zones):
        least = max(least, rounded(cost * len(zones) / (len(zones) - 1), prices))
    return least


def _sharper(least: float, found: Counts | None, problem: Problem, table: Table, trial: Trial) -> float:
    """A sharper bound, where OR-Tools is installed and the plan is above the one that there is."""
    if found is None or cost_of(table, found) <= least + _CLOSE or not is_installed():
        return least
    return max(least, _surviving(exact_bound(table, cost_of(table, found)), problem, table, trial))


def _one(table: Table) -> Counts:
    """One node of the cheapest offer, for workloads without pods."""
    best = int(table.prices.argmin())
    return tuple(int(column == best) for column in range(len(table.prices)))


def _spare(offers: Sequence[Offer], start: Counts, demand: Demand) -> Counts:
    """Three times as many nodes, and some of each kind in every zone: one for each pod that shares none with others."""
    names = {offer.name for offer, count in zip(offers, start, strict=True) if count}
    alone = [group.count for group in demand.groups if group.alone]
    more = 3 + sum(alone) - max(alone, default=0)  # the start has nodes for one workload of such pods
    many = tuple(3 * count + more if offer.name in names else 0 for offer, count in zip(offers, start, strict=True))
    return many if most_allowed(sum(many)) else start


def _unready(cluster: EmbeddedCluster, trial: Trial) -> tuple[WorkloadState, ...]:
    """Workloads that lack pods on many more nodes than they need: room is not what they lack."""
    if not trial.allowed:
        return ()
    states = survey(cluster.replayed(trial.trace, pools_of(trial.offers, trial.spare)))
    return tuple(state for state in states if state.lacking)
