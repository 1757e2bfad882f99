"""The scheduling cycle, compiled: filter the nodes, rank those that fit, bind, and again for the next equal pod.

It is all in one file because numba's cache knows compiled code by its file. Sources are kube-scheduler's, in kubernetes
`pkg/scheduler/framework/plugins`: `noderesources` (`fit.go`, `least_allocated.go`, `balanced_allocation.go`),
`podtopologyspread` (`filtering.go`, `scoring.go`), `interpodaffinity/scoring.go` and `helper/normalize_score.go`; how
many nodes are looked at is in `pkg/scheduler/schedule_one.go`.

All arrays are int64; scores run from 0 to 100 before their weight. Where a function takes `feasible`, that holds rows
of nodes, of which the first `found` count; `_add_*` adds to as many of `scores`. Where kube-scheduler chooses at random
among nodes of equal score, the first one wins.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from env.jit import Ints, compiled

MISSING = -1  # no such topology label
OWN = -2  # the hostname: every node is its own domain

_MAX = 100
_FAR = 2**62


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
def spread_floor(domains: Ints, counts: Ints, eligible: Ints, floors: Ints, sums: Ints, limits: Ints) -> None:
    """Per hard constraint: matching pods in each domain (into `sums`), and the least of them (into `floors`).

    `limits` holds maxSkew, minDomains and whether the pod matches itself, per constraint.
    """
    sums[:] = 0
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
def skewed(row: int, domains: Ints, sums: Ints, floors: Ints, limits: Ints) -> int:
    """0: the constraints hold on this node; 1: one would be broken; 2: the node lacks a topology label."""
    for c in range(domains.shape[0]):
        domain = domains[c, row]
        if domain == MISSING:
            return 2
        if sums[c, domain] + limits[c, 2] - floors[c] > limits[c, 0]:
            return 1
    return 0


@compiled
def _find(
    start: int,
    request: Ints,
    allocatable: Ints,
    used: Ints,
    pods: Ints,
    barriers: Ints,
    blocked: Ints,
    hard: Ints,
    sums: Ints,
    floors: Ints,
    limits: Ints,
    feasible: Ints,
) -> tuple[int, int]:
    """Rows of nodes that fit into `feasible`; how many, and how many nodes were looked at."""
    count = allocatable.shape[0]
    enough = nodes_to_find(count)
    found = examined = 0
    while examined < count and found < enough:
        row = (start + examined) % count
        examined += 1
        fits = barriers[row] == 0 and not _lacks(row, request, allocatable, used, pods)
        fits = fits and (hard.shape[0] == 0 or skewed(row, hard, sums, floors, limits) == 0)
        if fits and (blocked.shape[0] == 0 or blocked[row] == 0):
            feasible[found] = row
            found += 1
    return found, examined


# --- scores ----------------------------------------------------------------------------------------------------------


@compiled
def _add_resources(
    feasible: Ints,
    found: int,
    request: Ints,
    score_request: Ints,
    allocatable: Ints,
    used: Ints,
    scored: Ints,
    scores: Ints,
) -> None:
    """LeastAllocated and BalancedAllocation, weight 1 each; pods without requests have no balance to keep."""
    balances = request[0] > 0 or request[1] > 0
    for i in range(found):
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
    fractions = np.zeros(2, dtype=np.float64)
    for resource in range(2):
        capacity = allocatable[row, resource]
        if capacity == 0:
            return _MAX
        fractions[resource] = min(float(used[row, resource] + request[resource]) / float(capacity), 1.0)
    return int((1.0 - abs((fractions[0] - fractions[1]) / 2)) * _MAX)


@compiled
def _add_normalized(feasible: Ints, found: int, values: Ints, scores: Ints, weight: int, reverse: bool) -> None:
    """`DefaultNormalizeScore`: each value (of all nodes) in proportion to the largest."""
    most = 0
    for i in range(found):
        most = max(most, values[feasible[i]])
    for i in range(found):
        score = _MAX * values[feasible[i]] // most if most > 0 else 0
        scores[i] += weight * (_MAX - score if reverse else score)


@compiled
def _add_affinity(feasible: Ints, found: int, values: Ints, scores: Ints) -> None:
    """InterPodAffinity, weight 2: where the value lies between the least and the most."""
    least, most = np.int64(_FAR), -np.int64(_FAR)
    for i in range(found):
        least = min(least, values[feasible[i]])
        most = max(most, values[feasible[i]])
    if most > least:
        for i in range(found):
            scores[i] += 2 * int(_MAX * (float(values[feasible[i]] - least) / float(most - least)))


@compiled
def _add_spread(
    feasible: Ints, found: int, domains: Ints, counts: Ints, eligible: Ints, skews: Ints, all_labels: bool, scores: Ints
) -> None:
    """PodTopologySpread, weight 2: fewer matching pods in the node's domains are better."""
    ignored = np.zeros(found, dtype=np.bool_)
    if all_labels:
        for i in range(found):
            for c in range(domains.shape[0]):
                ignored[i] |= domains[c, feasible[i]] == MISSING
    sums = np.zeros(found, dtype=np.float64)
    for c in range(domains.shape[0]):
        if _by_host(domains[c]):
            _count_hosts(feasible, ignored, domains[c], counts[c], skews[c], sums)
        else:
            _count_domains(feasible, ignored, domains[c], counts[c], eligible[c], skews[c], sums)
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
    feasible: Ints, ignored: NDArray[np.bool_], domains: Ints, counts: Ints, skew: int, sums: NDArray[np.float64]
) -> None:
    """Each node's own pods, weighted by the number of nodes in question."""
    weight = math.log(ignored.shape[0] - np.sum(ignored) + 2.0)
    for i in range(ignored.shape[0]):
        if not ignored[i] and domains[feasible[i]] == OWN:
            sums[i] += counts[feasible[i]] * weight + (skew - 1)


@compiled
def _count_domains(
    feasible: Ints,
    ignored: NDArray[np.bool_],
    domains: Ints,
    counts: Ints,
    eligible: Ints,
    skew: int,
    sums: NDArray[np.float64],
) -> None:
    """The pods of each node's domain, weighted by the number of domains in question; no label counts as one, too."""
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
def _best(feasible: Ints, found: int, scores: Ints) -> np.int64:
    """The row with the highest score; the first one of several."""
    best: np.int64 = feasible[0]
    top = scores[0]
    for i in range(1, found):
        if scores[i] > top or (scores[i] == top and feasible[i] < best):
            top, best = scores[i], feasible[i]
    return best


# --- the cycle -------------------------------------------------------------------------------------------------------


@compiled
def place(
    wanted: int,
    start: int,
    request: Ints,
    score_request: Ints,
    allocatable: Ints,
    used: Ints,
    scored: Ints,
    pods: Ints,
    static: Ints,
    blocked: Ints,
    affinity: Ints,
    own_counts: Ints,
    hard: Ints,
    hard_counts: Ints,
    hard_eligible: Ints,
    hard_limits: Ints,
    soft: Ints,
    soft_counts: Ints,
    soft_eligible: Ints,
    soft_limits: Ints,
    all_labels: bool,
) -> tuple[Ints, int]:
    """Place up to `wanted` equal pods, one cycle each, and account for them in the books.

    Args:
        wanted: Pods.
        start: Row to start looking at, carried from cycle to cycle.
        request: What a pod takes, shape (resources,).
        score_request: What it counts for in scores, shape (2,).
        allocatable, used, scored, pods: The books, see `NodeTable`; all but `allocatable` are updated.
        static: Shape (3, nodes): 0 or why the node never takes the pod; PreferNoSchedule taints that the pod does not
            bear; weight of its preferred node affinity.
        blocked: Not 0 where ports or other pods' affinity refuse; shape (nodes,) or (0,).
        affinity: Preferred pod affinity, shape (nodes,) or (0,).
        own_counts: Pods of the same owner per node, updated; shape (nodes,) or (0,).
        hard, soft: Domain of each node per spread constraint, MISSING or OWN; shape (constraints, nodes).
        hard_counts, soft_counts: Pods that match, likewise; updated where the pod matches itself.
        hard_eligible, soft_eligible: Whether a node counts.
        hard_limits, soft_limits: Per constraint: maxSkew, minDomains, whether the pod matches itself.
        all_labels: Nodes that lack a topology label get no spread score.

    Returns:
        Rows of the nodes, one a pod placed, and where the next cycle starts.
    """
    count = allocatable.shape[0]
    rows = np.empty(wanted, dtype=np.int64)
    feasible = np.empty(count, dtype=np.int64)
    scores = np.empty(count, dtype=np.int64)
    sums = np.zeros((hard.shape[0], max(count, 1)), dtype=np.int64)
    floors = np.zeros(hard.shape[0], dtype=np.int64)
    for number in range(wanted):
        if hard.shape[0] > 0:
            spread_floor(hard, hard_counts, hard_eligible, floors, sums, hard_limits)
        found, examined = _find(
            start,
            request,
            allocatable,
            used,
            pods,
            static[0],
            blocked,
            hard,
            sums,
            floors,
            hard_limits,
            feasible,
        )
        start = (start + examined) % max(count, 1)
        if found == 0:
            return rows[:number], start
        best = feasible[0]
        if found > 1:
            scores[:found] = 0
            _add_resources(feasible, found, request, score_request, allocatable, used, scored, scores)
            _add_normalized(feasible, found, static[1], scores, 3, True)
            _add_normalized(feasible, found, static[2], scores, 2, False)
            if soft.shape[0] > 0:
                skews = soft_limits[:, 0]
                _add_spread(feasible, found, soft, soft_counts, soft_eligible, skews, all_labels, scores)
            if affinity.shape[0] > 0:
                _add_affinity(feasible, found, affinity, scores)
            best = _best(feasible, found, scores)
        rows[number] = best
        used[best, : request.shape[0]] += request
        scored[best] += score_request
        pods[best, 1] += 1
        own_counts[best : best + 1] += 1  # nothing where nobody counts
        hard_counts[:, best] += hard_limits[:, 2]
        soft_counts[:, best] += soft_limits[:, 2]
    return rows, start
