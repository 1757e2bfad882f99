"""A small cluster in Python's hands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from env.doctor.cluster import CLUSTER, record
from env.doctor.draw import SHAPES, empty_cluster, start_small
from env.doctor.faults import Fault

MakeCluster = Callable[..., Any]


@pytest.fixture
def cluster() -> MakeCluster:
    """Makes a small cluster of a shape (three nodes of four pods, nine pods) with faults at their size there."""

    def make(*faults: Fault, shape: int = 2) -> Any:
        made = record(np.zeros(1, CLUSTER), 0)
        start_small(made, shape, sum(1 << fault for fault in faults))
        return made

    return make


@pytest.fixture
def healthy() -> MakeCluster:
    """Makes a healthy cluster: nodes, pods that a node takes, Deployments, replicas of each."""

    def make(nodes: int, slots: int, deployments: int, replicas: int) -> Any:
        made = record(np.zeros(1, CLUSTER), 0)
        empty_cluster(made, nodes, slots, deployments, replicas, 50)
        return made

    return make


assert SHAPES[2] == (3, 4, 3, 3)
