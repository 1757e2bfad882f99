"""How kube-scheduler ranks the nodes that fit, compiled.

Sources are plugins in kubernetes `pkg/scheduler/framework/plugins`: `noderesources/least_allocated.go` and
`balanced_allocation.go`, `podtopologyspread/scoring.go`, `interpodaffinity/scoring.go`, `helper/normalize_score.go`.
All arrays are int64; scores run from 0 to 100 before their weight. Where a function takes `feasible`, it holds rows of
nodes, of which the first `found` count, and the function adds to the first `found` of `scores`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MISSING = -1  # no such topology label
OWN = -2  # the hostname: every node is its own domain

_MAX = 100
_FAR = 2**62


@njit(cache=True)
def add_resources(
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


@njit(cache=True)
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


@njit(cache=True)
def _balanced(row: int, request: Ints, allocatable: Ints, used: Ints) -> int:
    """100 less the standard deviation of the fractions in use of CPU and memory."""
    fractions = np.zeros(2, dtype=np.float64)
    for resource in range(2):
        capacity = allocatable[row, resource]
        if capacity == 0:
            return _MAX
        fractions[resource] = min(float(used[row, resource] + request[resource]) / float(capacity), 1.0)
    return int((1.0 - abs((fractions[0] - fractions[1]) / 2)) * _MAX)


@njit(cache=True)
def add_normalized(feasible: Ints, found: int, values: Ints, scores: Ints, weight: int, reverse: bool) -> None:
    """`DefaultNormalizeScore`: each value (of all nodes) in proportion to the largest."""
    most = 0
    for i in range(found):
        most = max(most, values[feasible[i]])
    for i in range(found):
        score = _MAX * values[feasible[i]] // most if most > 0 else 0
        scores[i] += weight * (_MAX - score if reverse else score)


@njit(cache=True)
def add_affinity(feasible: Ints, found: int, values: Ints, scores: Ints) -> None:
    """InterPodAffinity, weight 2: where the value lies between the least and the most."""
    least, most = np.int64(_FAR), -np.int64(_FAR)
    for i in range(found):
        least = min(least, values[feasible[i]])
        most = max(most, values[feasible[i]])
    if most > least:
        for i in range(found):
            scores[i] += 2 * int(_MAX * (float(values[feasible[i]] - least) / float(most - least)))


@njit(cache=True)
def add_spread(
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


@njit(cache=True)
def _by_host(domains: Ints) -> bool:
    return bool((domains == OWN).any())


@njit(cache=True)
def _count_hosts(
    feasible: Ints, ignored: NDArray[np.bool_], domains: Ints, counts: Ints, skew: int, sums: NDArray[np.float64]
) -> None:
    """Each node's own pods, weighted by the number of nodes in question."""
    weight = math.log(ignored.shape[0] - np.sum(ignored) + 2.0)
    for i in range(ignored.shape[0]):
        if not ignored[i] and domains[feasible[i]] == OWN:
            sums[i] += counts[feasible[i]] * weight + (skew - 1)


@njit(cache=True)
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
