"""Runs of equal pods that can be placed one after the other in one compiled call.

Follows no Kubernetes source: kube-scheduler takes one pod at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from env.engine.pods import Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.kernel import RunArrays
from env.jit import Ints

MOST_RUNS = 256
"""In one call: it bounds the arrays."""


def equal_runs(queue: Sequence[Pod]) -> Iterator[list[Pod]]:
    """Neighbours in the queue of the same template and owner."""
    start = 0
    for end, pod in enumerate(queue, 1):
        following = queue[end] if end < len(queue) else None
        if following is None or following.template is not pod.template or following.owner is not pod.owner:
            yield list(queue[start:end])
            start = end


def run_arrays(runs: Sequence[Sequence[Pod]], cluster: ClusterShape) -> RunArrays:
    """What the compiled call takes; the counts of their owners are copies.

    Args:
        runs: Equal pods each, to which no other pod matters, and without spread constraints of their own.
        cluster: Where they go.
    """
    firsts = [run[0] for run in runs]
    templates = [pod.template for pod in firsts]
    nodes = len(cluster.nodes)
    own_counts: Ints = np.zeros((len(runs), nodes), dtype=np.int64)
    spreads = np.zeros(len(runs), dtype=np.int64)
    for number, pod in enumerate(firsts):
        if len(pod.owner.node_counts):
            own_counts[number] = pod.owner.node_counts
            spreads[number] = 1
    placements, statics, eligible = cluster.placements(templates)
    request, score_request = cluster.nodes.requests(templates)
    domains, _, limits = cluster.topology.default_constraints(templates[0])
    return RunArrays(
        np.array([len(run) for run in runs], dtype=np.int64),
        request,
        score_request,
        np.array(placements, dtype=np.int64),
        spreads,
        own_counts,
        statics,
        domains,
        eligible,
        limits,
    )
