"""No configuration needs fewer nodes: all requests, whatever the replicas, need room on all nodes together.

For any weights of CPU and memory, the weighted sum of all requests is at least the sum of each service's least one;
where that is more than so many nodes have, weighted likewise, they are too few. It is tried for many weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from env.fleet.rules import requests_of
from env.fleet.variants import MOST_NODES, MOST_REPLICAS

_WEIGHTS = np.arange(65)
"""Of CPU, in 64ths; the others are memory's."""


def volume_bound(problems: NDArray[Any]) -> NDArray[np.int64]:
    """A number of nodes for each problem, (n,), that no configuration is below."""
    return np.array([_bound(problems[i : i + 1]) for i in range(len(problems))], np.int64)


def _bound(problem: NDArray[Any]) -> int:
    """The same of one problem, in an array; in whole numbers, so that it is no less by rounding."""
    rooms = np.stack([_room_of(problem, name) for name in ("cpu_m", "memory_mib")])  # (2, MOST_NODES)
    requests = np.stack([each[0] for each in requests_of(problem)])  # (2, MOST_SERVICES, MOST_REPLICAS)
    replicas = np.arange(1, MOST_REPLICAS + 1)
    n, neighbours = int(problem["services"][0]), int(problem["neighbours"][0])
    allowed = replicas >= problem["fewest"][0][:n, np.newaxis]
    others = np.array(
        [
            (problem[f"neighbour_{name}"][0] * problem["neighbour_pods"][0])[:neighbours].sum()
            for name in ("cpu_m", "memory_mib")
        ]
    )
    # A unit of either resource weighs in inverse proportion to what a node has of it.
    scale = np.array([problem["memory_mib"][0, 0], problem["cpu_m"][0, 0]])
    weights = np.stack([_WEIGHTS, _WEIGHTS[-1] - _WEIGHTS], axis=1) * scale  # (weights, 2)
    asked = np.tensordot(weights, requests[:, :n] * replicas, axes=1)
    least = np.where(allowed, asked, np.iinfo(np.int64).max).min(axis=2).sum(axis=1) + weights @ others
    enough = (weights @ rooms >= least[:, np.newaxis]).all(axis=0)
    return 1 + int(enough.argmax()) if enough.any() else MOST_NODES + 1


def _room_of(problem: NDArray[Any], name: str) -> NDArray[np.int64]:
    """What 1, 2, … nodes can allocate besides DaemonSets' pods."""
    nodes = np.arange(1, MOST_NODES + 1)
    second = nodes * problem["second_share"][0] // 4
    room: NDArray[np.int64] = (nodes - second) * problem[name][0, 0] + second * problem[name][0, 1]
    room -= nodes * problem["daemons"][0] * problem[f"daemon_{name}"][0]
    return room
