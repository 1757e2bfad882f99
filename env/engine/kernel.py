"""The scheduling cycle, compiled: filter the nodes, rank those that fit, bind, and again for the next equal pod.

Filters are those of kube-scheduler in kubernetes `pkg/scheduler/framework/plugins`: `noderesources/fit.go` and
`podtopologyspread/filtering.go`; how many nodes are looked at is in `pkg/scheduler/schedule_one.go`. All arrays are
int64. Where kube-scheduler chooses at random among nodes of equal score, the first one wins.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from env.engine.scoring import MISSING, Ints, add_affinity, add_normalized, add_resources, add_spread


@njit(cache=True)
def nodes_to_find(count: int) -> int:
    """How many feasible nodes are enough (`numFeasibleNodesToFind`): all below 100, else 50% falling to 5%."""
    if count < 100:
        return count
    percent = max(50 - count // 125, 5)
    return max(count * percent // 100, 100)


@njit(cache=True)
def _lacks(row: int, request: Ints, allocatable: Ints, used: Ints, pods: Ints) -> bool:
    """Whether NodeResourcesFit refuses the node; a request of nothing fits even an overfull one."""
    if pods[row, 1] >= pods[row, 0]:
        return True
    for resource in range(request.shape[0]):
        if request[resource] > 0 and request[resource] > allocatable[row, resource] - used[row, resource]:
            return True
    return False


@njit(cache=True)
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


@njit(cache=True)
def skewed(row: int, domains: Ints, sums: Ints, floors: Ints, limits: Ints) -> int:
    """0: the constraints hold on this node; 1: one would be broken; 2: the node lacks a topology label."""
    for c in range(domains.shape[0]):
        domain = domains[c, row]
        if domain == MISSING:
            return 2
        if sums[c, domain] + limits[c, 2] - floors[c] > limits[c, 0]:
            return 1
    return 0


@njit(cache=True)
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


@njit(cache=True)
def _best(feasible: Ints, found: int, scores: Ints) -> np.int64:
    """The row with the highest score; the first one of several."""
    best: np.int64 = feasible[0]
    top = scores[0]
    for i in range(1, found):
        if scores[i] > top or (scores[i] == top and feasible[i] < best):
            top, best = scores[i], feasible[i]
    return best


@njit(cache=True)
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
            add_resources(feasible, found, request, score_request, allocatable, used, scored, scores)
            add_normalized(feasible, found, static[1], scores, 3, True)
            add_normalized(feasible, found, static[2], scores, 2, False)
            if soft.shape[0] > 0:
                skews = soft_limits[:, 0]
                add_spread(feasible, found, soft, soft_counts, soft_eligible, skews, all_labels, scores)
            if affinity.shape[0] > 0:
                add_affinity(feasible, found, affinity, scores)
            best = _best(feasible, found, scores)
        rows[number] = best
        used[best, : request.shape[0]] += request
        scored[best] += score_request
        pods[best, 1] += 1
        own_counts[best : best + 1] += 1  # nothing where nobody counts
        hard_counts[:, best] += hard_limits[:, 2]
        soft_counts[:, best] += soft_limits[:, 2]
    return rows, start
