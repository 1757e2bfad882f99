"""The scheduling cycle, compiled: filter the nodes, rank those that fit, bind, and again for the next equal pod.

Longer than 300 lines, because numba's cache knows compiled code by its file. Inner functions take single arrays:
compiled code counts references to each member of a tuple that is passed on. Sources are kube-scheduler's, in kubernetes
1.36 `pkg/scheduler/framework/plugins`: `noderesources` (`fit.go`, `least_allocated.go`, `balanced_allocation.go`),
`podtopologyspread` (`filtering.go`, `scoring.go`), `interpodaffinity/scoring.go` and `helper/normalize_score.go`; how
many nodes are looked at is in `pkg/scheduler/schedule_one.go`.

All arrays are int64; scores run from 0 to 100 before their weight. `feasible` holds rows of nodes, and `_add_*` adds to
the score of each of them. kube-scheduler chooses at random among nodes of equal score; here the first one wins, unless
lots are given.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from env.jit import Ints, compiled

MISSING = -1  # no such topology label
OWN = -2  # the hostname: every node is its own domain

_MAX = 100
_FAR = 2**62


class NodeArrays(NamedTuple):
    """What nodes have, and what their pods use of it, a row each; all but `allocatable` are updated.

    Attributes:
        allocatable: Shape (nodes, resources): millicores, bytes, then extended resources.
        used: What the bound pods take, likewise.
        scored: What they count for in scores, shape (nodes, 2).
        pods: Pods that a node takes, and pods that it has, shape (nodes, 2).
    """

    allocatable: Ints
    used: Ints
    scored: Ints
    pods: Ints


class SpreadArrays(NamedTuple):
    """Topology spread constraints: the hard ones of a pod, or the soft ones.

    Attributes:
        domains: Domain of each node, MISSING or OWN; shape (constraints, nodes).
        counts: Pods that match, likewise; updated where the pod matches itself.
        eligible: Whether a node counts, likewise.
        limits: maxSkew, minDomains, whether the pod matches itself; shape (constraints, 3).
    """

    domains: Ints
    counts: Ints
    eligible: Ints
    limits: Ints


class Cycle(NamedTuple):
    """What the cycle of a pod looks at besides what is used.

    Attributes:
        request: What the pod takes, shape (resources,).
        score_request: What it counts for in scores, shape (2,).
        static: Shape (3, nodes): 0 or why the node never takes the pod; PreferNoSchedule taints that the pod does not
            tolerate; weight of its preferred node affinity.
        blocked: Not 0 where ports or other pods' affinity refuse; shape (nodes,) or (0,).
        affinity: Preferred pod affinity, shape (nodes,) or (0,).
        own_counts: Pods of the same owner per node, updated; shape (nodes,) or (0,).
        hard: Constraints that a node must keep.
        soft: Constraints that count in scores.
        all_labels: Nodes that lack a topology label get no spread score.
    """

    request: Ints
    score_request: Ints
    static: Ints
    blocked: Ints
    affinity: Ints
    own_counts: Ints
    hard: SpreadArrays
    soft: SpreadArrays
    all_labels: bool


# --- filters ---------------------------------------------------------------------------------------------------------


@compiled
def nodes_to_find(count: int) -> int:
    """How many feasible nodes are enough (`numFeasibleNodesToFind`): all below 100, else 50% falling to 5%."""
    if count < 100:
        return count
    percent = max(50 - count // 125, 5)
    return max(count * percent // 100, 100)


@compiled
def _lacks(row: int, request: Ints, allocatable: Ints, used: Ints, pods: Ints) -> bool:
    """Whether NodeResourcesFit refuses the node; a request of nothing fits even an overfull one."""
    if pods[row, 1] >= pods[row, 0]:
        return True
    for resource in range(request.shape[0]):
        if request[resource] > 0 and request[resource] > allocatable[row, resource] - used[row, resource]:
            return True
    return False


@compiled
def spread_floor(hard: SpreadArrays, floors: Ints, sums: Ints) -> None:
    """Per hard constraint: matching pods in each domain (into `sums`), and the least of them (into `floors`)."""
    sums[:] = 0
    domains, counts, eligible, limits = hard
    for c in range(domains.shape[0]):
        seen = np.zeros(sums.shape[1], dtype=np.bool_)
        for row in range(domains.shape[1]):
            if eligible[c, row] and domains[c, row] >= 0:
                sums[c, domains[c, row]] += counts[c, row]
                seen[domains[c, row]] = True
        least, found = -1, 0
        for domain in range(sums.shape[1]):
            if seen[domain]:
                found += 1
                least = sums[c, domain] if least < 0 else min(least, sums[c, domain])
        floors[c] = max(least, 0) if found >= limits[c, 1] else 0


@compiled
def skewed(row: int, domains: Ints, limits: Ints, floors: Ints, sums: Ints) -> int:
    """0: the constraints hold on this node; 1: one would be broken; 2: the node lacks a topology label."""
    for c in range(domains.shape[0]):
        domain = domains[c, row]
        if domain == MISSING:
            return 2
        if sums[c, domain] + limits[c, 2] - floors[c] > limits[c, 0]:
            return 1
    return 0


@compiled
def _find(start: int, cycle: Cycle, nodes: NodeArrays, floors: Ints, sums: Ints, feasible: Ints) -> tuple[int, int]:
    """Rows of nodes that fit into `feasible`; how many, and how many nodes were looked at."""
    allocatable, used, _, pods = nodes
    request, barriers, blocked = cycle.request, cycle.static[0], cycle.blocked
    domains, _, _, limits = cycle.hard
    count = allocatable.shape[0]
    enough = nodes_to_find(count)
    found = examined = 0
    while examined < count and found < enough:
        row = (start + examined) % count
        examined += 1
        fits = barriers[row] == 0 and not _lacks(row, request, allocatable, used, pods)
        fits = fits and (domains.shape[0] == 0 or skewed(row, domains, limits, floors, sums) == 0)
        if fits and (blocked.shape[0] == 0 or blocked[row] == 0):
            feasible[found] = row
            found += 1
    return found, examined


# --- scores ----------------------------------------------------------------------------------------------------------


@compiled
def _add_resources(feasible: Ints, cycle: Cycle, nodes: NodeArrays, scores: Ints) -> None:
    """LeastAllocated and BalancedAllocation, weight 1 each; pods without requests have no balance to keep."""
    request, score_request = cycle.request, cycle.score_request
    allocatable, used, scored, _ = nodes
    balances = request[0] > 0 or request[1] > 0
    for i in range(feasible.shape[0]):
        row = feasible[i]
        scores[i] += _least_allocated(row, score_request, allocatable, scored)
        if balances:
            scores[i] += _balanced(row, request, allocatable, used)


@compiled
def _least_allocated(row: int, score_request: Ints, allocatable: Ints, scored: Ints) -> int:
    """Mean of the percentages of CPU and memory that stay free, each rounded down."""
    total = kinds = 0
    for resource in range(2):
        capacity = allocatable[row, resource]
        if capacity > 0:
            kinds += 1
            free = capacity - scored[row, resource] - score_request[resource]
            total += free * _MAX // capacity if free > 0 else 0
    return total // kinds if kinds > 0 else 0


@compiled
def _balanced(row: int, request: Ints, allocatable: Ints, used: Ints) -> int:
    """100 less the standard deviation of the fractions in use of CPU and memory."""
    cpu_m, memory_bytes = allocatable[row, 0], allocatable[row, 1]
    if cpu_m == 0 or memory_bytes == 0:
        return _MAX
    cpu = min(float(used[row, 0] + request[0]) / float(cpu_m), 1.0)
    memory = min(float(used[row, 1] + request[1]) / float(memory_bytes), 1.0)
    return int((1.0 - abs((cpu - memory) / 2)) * _MAX)


@compiled
def _add_normalized(feasible: Ints, values: Ints, scores: Ints, weight: int, reverse: bool) -> None:
    """`DefaultNormalizeScore`: each value (of all nodes) in proportion to the largest."""
    most = 0
    for i in range(feasible.shape[0]):
        most = max(most, values[feasible[i]])
    for i in range(feasible.shape[0]):
        score = _MAX * values[feasible[i]] // most if most > 0 else 0
        scores[i] += weight * (_MAX - score if reverse else score)


@compiled
def _add_affinity(feasible: Ints, values: Ints, scores: Ints) -> None:
    """InterPodAffinity, weight 2: where the value lies between the least and the most."""
    least, most = np.int64(_FAR), -np.int64(_FAR)
    for i in range(feasible.shape[0]):
        least = min(least, values[feasible[i]])
        most = max(most, values[feasible[i]])
    if most > least:
        for i in range(feasible.shape[0]):
            scores[i] += 2 * int(_MAX * (float(values[feasible[i]] - least) / float(most - least)))


@compiled
def _add_spread(feasible: Ints, soft: SpreadArrays, all_labels: bool, scores: Ints) -> None:
    """PodTopologySpread, weight 2: fewer matching pods in the node's domains are better."""
    found, constraints = feasible.shape[0], soft.domains.shape[0]
    ignored = np.zeros(found, dtype=np.bool_)
    if all_labels:
        for i in range(found):
            for c in range(constraints):
                ignored[i] |= soft.domains[c, feasible[i]] == MISSING
    sums = np.zeros(found, dtype=np.float64)
    for c in range(constraints):
        if _by_host(soft.domains[c]):
            _count_hosts(feasible, ignored, soft, c, sums)
        else:
            _count_domains(feasible, ignored, soft, c, sums)
    least, most = np.int64(_FAR), np.int64(0)
    for i in range(found):
        if not ignored[i]:
            least = min(least, np.int64(math.floor(sums[i] + 0.5)))
            most = max(most, np.int64(math.floor(sums[i] + 0.5)))
    for i in range(found):
        if not ignored[i]:
            raw = np.int64(math.floor(sums[i] + 0.5))
            scores[i] += 2 * (_MAX if most == 0 else _MAX * (most + least - raw) // most)


@compiled
def _by_host(domains: Ints) -> bool:
    return bool((domains == OWN).any())


@compiled
def _count_hosts(
    feasible: Ints, ignored: NDArray[np.bool_], soft: SpreadArrays, c: int, sums: NDArray[np.float64]
) -> None:
    """For constraint `c` each node's own pods, weighted by the number of nodes in question."""
    domains, counts, skew = soft.domains[c], soft.counts[c], soft.limits[c, 0]
    weight = math.log(ignored.shape[0] - np.sum(ignored) + 2.0)
    for i in range(ignored.shape[0]):
        if not ignored[i] and domains[feasible[i]] == OWN:
            sums[i] += counts[feasible[i]] * weight + (skew - 1)


@compiled
def _count_domains(
    feasible: Ints, ignored: NDArray[np.bool_], soft: SpreadArrays, c: int, sums: NDArray[np.float64]
) -> None:
    """The pods of each node's domain, weighted by the number of domains in question; no label counts as one, too."""
    domains, counts, eligible, skew = soft.domains[c], soft.counts[c], soft.eligible[c], soft.limits[c, 0]
    unlabelled = domains.max() + 1
    present = np.zeros(unlabelled + 1, dtype=np.bool_)
    for i in range(ignored.shape[0]):
        if not ignored[i]:
            domain = domains[feasible[i]]
            present[unlabelled if domain == MISSING else domain] = True
    totals = np.zeros(unlabelled + 1, dtype=np.int64)
    for row in range(domains.shape[0]):
        if eligible[row] and domains[row] >= 0:
            totals[domains[row]] += counts[row]
    weight = math.log(np.sum(present) + 2.0)
    for i in range(ignored.shape[0]):
        domain = domains[feasible[i]]
        if not ignored[i] and domain >= 0:
            sums[i] += totals[domain] * weight + (skew - 1)


@compiled
def _drawn(feasible: Ints, scores: Ints, lot: int) -> np.int64:
    """One of the rows with the highest score, by lot."""
    equal: Ints = feasible[scores == scores.max()]
    chosen: np.int64 = equal[lot % equal.shape[0]]
    return chosen


@compiled
def _best(feasible: Ints, scores: Ints) -> np.int64:
    """The row with the highest score; the first one of several."""
    best: np.int64 = feasible[0]
    top = scores[0]
    for i in range(1, feasible.shape[0]):
        if scores[i] > top or (scores[i] == top and feasible[i] < best):
            top, best = scores[i], feasible[i]
    return best


# --- the cycle -------------------------------------------------------------------------------------------------------


@compiled
def place(wanted: int, start: int, lots: Ints, cycle: Cycle, nodes: NodeArrays) -> tuple[Ints, int]:
    """Place up to `wanted` equal pods, one cycle each, and update what is used and counted.

    Args:
        wanted: Pods.
        start: Row to start looking at, carried from cycle to cycle.
        lots: One a pod, at least 0, to choose among nodes of the same score; or none.
        cycle: What all of them ask for.
        nodes: Where they may go.

    Returns:
        Rows of the nodes, one a pod placed, and where the next cycle starts.
    """
    count = nodes.allocatable.shape[0]
    request, hard, soft = cycle.request, cycle.hard, cycle.soft
    rows = np.empty(wanted, dtype=np.int64)
    candidates = np.empty(count, dtype=np.int64)
    totals = np.empty(count, dtype=np.int64)
    sums = np.zeros((hard.domains.shape[0], max(count, 1)), dtype=np.int64)
    floors = np.zeros(hard.domains.shape[0], dtype=np.int64)
    for number in range(wanted):
        if hard.domains.shape[0] > 0:
            spread_floor(hard, floors, sums)
        found, examined = _find(start, cycle, nodes, floors, sums, candidates)
        start = (start + examined) % max(count, 1)
        if found == 0:
            return rows[:number], start
        best = candidates[0]
        if found > 1:
            feasible, scores = candidates[:found], totals[:found]
            scores[:] = 0
            _add_resources(feasible, cycle, nodes, scores)
            _add_normalized(feasible, cycle.static[1], scores, 3, True)
            _add_normalized(feasible, cycle.static[2], scores, 2, False)
            if soft.domains.shape[0] > 0:
                _add_spread(feasible, soft, cycle.all_labels, scores)
            if cycle.affinity.shape[0] > 0:
                _add_affinity(feasible, cycle.affinity, scores)
            best = _drawn(feasible, scores, lots[number]) if lots.shape[0] else _best(feasible, scores)
        rows[number] = best
        nodes.used[best, : request.shape[0]] += request
        nodes.scored[best] += cycle.score_request
        nodes.pods[best, 1] += 1
        cycle.own_counts[best : best + 1] += 1  # nothing where pods are not counted
        hard.counts[:, best] += hard.limits[:, 2]
        soft.counts[:, best] += soft.limits[:, 2]
    return rows, start


class RunArrays(NamedTuple):
    """Runs of equal pods to which nothing but the room on nodes, their owner's pods and fixed rules matter.

    Attributes:
        wanted: Pods of each run, shape (runs,).
        request: What each pod takes, shape (runs, resources).
        score_request: What it counts for in scores, shape (runs, 2).
        placement: Index into `statics` and `eligible`, shape (runs,).
        spreads: Whether the scheduler's default constraints apply, shape (runs,).
        own_counts: Pods of the same owner per node, shape (runs, nodes); updated.
        statics: See `Cycle.static`, shape (placements, 3, nodes).
        domains: Of the default constraints, shape (constraints, nodes).
        eligible: Of the default constraints, shape (placements, constraints, nodes).
        limits: Of the default constraints, shape (constraints, 3).
    """

    wanted: Ints
    request: Ints
    score_request: Ints
    placement: Ints
    spreads: Ints
    own_counts: Ints
    statics: Ints
    domains: Ints
    eligible: Ints
    limits: Ints


@compiled
def place_runs(start: int, runs: RunArrays, nodes: NodeArrays) -> tuple[Ints, Ints, int]:
    """Place runs of pods one after the other, as `place` does each.

    Returns:
        Rows of the nodes, one a pod placed; how many pods of each run were; and where the next cycle starts.
    """
    count = runs.wanted.shape[0]
    rows = np.empty(runs.wanted.sum(), dtype=np.int64)
    placed = np.zeros(count, dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    no_rows = np.zeros((0, runs.domains.shape[1]), dtype=np.int64)
    no_spread = SpreadArrays(no_rows, no_rows, no_rows, np.zeros((0, 3), dtype=np.int64))
    counts = np.zeros_like(runs.domains)
    done = 0
    for number in range(count):
        soft, placement = no_spread, runs.placement[number]
        if runs.spreads[number]:
            counts[:] = runs.own_counts[number]
            soft = SpreadArrays(runs.domains, counts, runs.eligible[placement], runs.limits)
        cycle = Cycle(
            runs.request[number],
            runs.score_request[number],
            runs.statics[placement],
            nothing,
            nothing,
            runs.own_counts[number],
            no_spread,
            soft,
            False,
        )
        found, start = place(runs.wanted[number], start, nothing, cycle, nodes)
        placed[number] = found.shape[0]
        rows[done : done + found.shape[0]] = found
        done += found.shape[0]
    return rows[:done], placed, start
