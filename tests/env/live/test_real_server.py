"""The same on a real API server, where the environment gives one: SIM_ARENA_KUBECONFIG=path. It is only read."""

from __future__ import annotations

import os

import pytest

from env.doctor.actions import WRITES
from env.doctor.actions import DoctorAction as A
from env.kube.connect import connect
from env.live.cluster import LiveCluster
from env.live.reading import Reader

REAL = os.environ.get("SIM_ARENA_KUBECONFIG")  # read here: every test runs without such variables


@pytest.mark.skipif(REAL is None, reason="needs SIM_ARENA_KUBECONFIG")
def test_a_real_cluster_is_read_and_nothing_is_written() -> None:
    api = connect(kubeconfig=REAL)
    try:
        cluster = LiveCluster(Reader(api))
        for action in A:
            step = cluster.step(action)
            assert {str(each.outcome) for each in step.written} <= {"proposed"}
            assert bool(step.lines) == (action not in (*WRITES, A.WAIT))
            assert all(line.isprintable() for line in step.lines)
        assert ((cluster.state >= 0) & (cluster.state <= 1)).all()
    finally:
        api.close()
