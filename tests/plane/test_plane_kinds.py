"""Workloads of other kinds than Deployments, on the embedded cluster and on a real control plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from planes import deployment, scenario

from env.embedded.cluster import EmbeddedCluster
from env.problems.scenario import Scenario
from env.simkube.cluster import SimKubeCluster
from env.workload import Resources, WorkloadRef


def of_kind(kind: str, target: int, **spec: Any) -> Scenario:
    """A scenario about default/web of that kind, whose pods want 10 CPU each."""
    manifest = deployment(4, "10")
    manifest |= {"kind": kind, "spec": {**manifest["spec"], **spec}}
    if kind == "DaemonSet":
        del manifest["spec"]["replicas"]
    made = scenario([manifest], target=target)
    return replace(made, workload=WorkloadRef("default", "web", kind))


def test_a_daemon_set_runs_on_the_virtual_nodes_alone(cluster: Callable[..., SimKubeCluster]) -> None:
    wanted = of_kind("DaemonSet", 3)
    found = cluster().observe(wanted, None)
    assert (found.ready, found.total) == (3, 3)
    assert found == EmbeddedCluster().observe(wanted, None)


@pytest.mark.parametrize(
    ("kind", "spec"), [("StatefulSet", {"serviceName": "web"}), ("ReplicaSet", {})], ids=lambda each: str(each)[:11]
)
def test_a_workload_of_another_kind_ends_as_on_the_embedded_cluster(
    cluster: Callable[..., SimKubeCluster], kind: str, spec: dict[str, Any]
) -> None:
    wanted = of_kind(kind, 4, **spec)
    simkube, embedded = cluster(), EmbeddedCluster()
    found = simkube.observe(wanted, None)
    assert (found.ready, found.pending) == (3, 1)
    assert found == embedded.observe(wanted, None)
    less = Resources(5000, 512 * 1024**2, 4)
    assert simkube.observe(wanted, less) == embedded.observe(wanted, less)
