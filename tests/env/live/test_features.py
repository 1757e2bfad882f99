"""A real cluster as the eighteen features of Doctor-v0."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from live_objects import LONG_AGO, Ward, crashing, killed_for_memory, pod_status, running, unschedulable, without_image

from env.doctor.actions import DoctorAction as A
from env.doctor.doctor_env import DoctorEnv
from env.doctor.features import FEATURES
from env.live.cluster import LiveCluster

Open = Callable[..., LiveCluster]


def values(cluster: LiveCluster) -> dict[str, float]:
    return {name: float(value) for name, value in zip(FEATURES, cluster.state, strict=True)}


def shares(cluster: LiveCluster) -> dict[str, float]:
    return {name: pytest.approx(value, abs=1e-6) for name, value in values(cluster).items()}


def test_a_healthy_cluster_is_all_ready_running_and_available(ward: Ward, examined: Open) -> None:
    ward.deployment("web", running(), running("node-2"))
    ward.measure({"node-1": ("1", "2Gi"), "node-2": ("3000m", "2Gi")})
    cluster = examined()
    found = shares(cluster)
    assert found["num_nodes"] == 0.02
    assert (found["nodes_ready"], found["nodes_not_ready"]) == (1, 0)
    assert (found["num_pods"], found["pods_running"]) == (0.002, 1)
    assert (found["num_deployments"], found["deployments_available"], found["deployments_unavailable"]) == (0.01, 1, 0)
    assert (found["cpu_usage_percent"], found["memory_usage_percent"]) == (0.5, 0.25)
    assert (cluster.is_well, cluster.is_over) == (True, True)


def test_pods_are_counted_as_the_simulation_counts_them(ward: Ward, examined: Open) -> None:
    ward.node("node-3", ready=False)
    ward.deployment(
        "web", running(), crashing(), killed_for_memory(), without_image(), unschedulable(), running("node-3")
    )
    found = shares(examined())
    assert found["num_pods"] == 0.006
    assert [found[f"pods_{each}"] for each in ("running", "pending", "failed", "unknown")] == [
        1 / 6,
        2 / 6,
        2 / 6,
        1 / 6,
    ]
    assert found["deployments_unavailable"] == 1


def test_pods_that_end_have_ended_or_belong_to_a_lost_node_are_not_counted(ward: Ward, examined: Open) -> None:
    ward.node("node-3", ready=False)
    ward.pod("done", pod_status("Succeeded"))
    ward.pod(
        "agent", running("node-3"), owners=[{"kind": "DaemonSet", "name": "agent", "uid": "u", "controller": True}]
    )
    ward.deployment("web", running())
    assert shares(examined())["num_pods"] == 0.001


def test_a_failed_try_of_a_job_is_history(ward: Ward, examined: Open) -> None:
    ward.pod("try-1", pod_status("Failed"), owners=[{"kind": "Job", "name": "try", "uid": "u", "controller": True}])
    assert (shares(examined())["num_pods"], examined().is_well) == (0, True)


def test_a_cordoned_node_is_neither_ready_nor_not_ready(ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    found = values(examined())
    assert (found["nodes_ready"], found["nodes_not_ready"]) == (0.5, 0)


def test_use_is_not_known_without_a_metrics_api_and_no_simulated_cluster_looks_like_that(
    ward: Ward, examined: Open
) -> None:
    ward.deployment("web", running())
    assert examined().state[11:13].tolist() == [0, 0]
    env = DoctorEnv(problems="large")
    states = [env.reset(seed=seed)[0] for seed in range(50)]
    assert all(state[11] + state[12] > 0 for state in states if state[4] > 0)


def test_events_count_by_the_object_that_was_warned_of_and_only_recent_ones(ward: Ward, examined: Open) -> None:
    ward.deployment("web", crashing())
    ward.event("Pod/web-5d4f8c7b9-00000", "BackOff", "Back-off restarting failed container")
    ward.event("Pod/web-5d4f8c7b9-00000", "Unhealthy", "Readiness probe failed")
    ward.event("Pod/old", "BackOff", "long ago", minutes=11)
    ward.event("Pod/web-5d4f8c7b9-00000", "Pulled", "Container image already present", kind="Normal")
    found = shares(examined())
    assert (found["recent_events_warning"], found["recent_events_normal"]) == (0.01, 0.01)


def test_features_stay_in_the_box_for_a_large_cluster(ward: Ward, examined: Open) -> None:
    for number in range(120):
        ward.node(f"more-{number}")
        ward.deployment(f"app-{number}", *[running()] * 9)
    ward.measure({"node-1": ("90", "900Gi")})
    state = examined().state
    assert (state >= 0).all()
    assert (state <= 1).all()
    assert state[[0, 3, 8, 11, 12]].tolist() == [1, 1, 1, 1, 1]


def test_an_empty_cluster_has_features_too(examined: Open) -> None:
    assert np.isfinite(examined().state).all()


def test_what_is_wrong_is_known_by_the_matching_reading_only_and_then_goes_stale(ward: Ward, examined: Open) -> None:
    ward.deployment("web", unschedulable("0/2 nodes: unbound immediate PersistentVolumeClaims", "data"))
    ward.claim("data")
    cluster = examined()
    assert cluster.state[15:18].tolist() == [0.5, 0.5, 0.5]
    cluster.step(A.GET_NODES)
    assert cluster.state[15] == 0.5
    cluster.step(A.GET_EVENTS)
    assert cluster.state[15] == 1
    for _ in range(9):
        cluster.step(A.WAIT)
        assert cluster.state[15] == 1
    cluster.step(A.WAIT)
    assert cluster.state[15] == 0.5


def test_without_metrics_the_size_of_deployments_stays_unknown(ward: Ward, examined: Open) -> None:
    ward.node("node-2", cordoned=True)
    cluster = examined()
    for action in (A.TOP_NODES, A.TOP_PODS, A.GET_DEPLOYMENTS):
        cluster.step(action)
    assert cluster.state[17] == 0.5
    ward.measure({"node-1": ("1", "1Gi")})
    cluster.step(A.TOP_PODS)
    assert cluster.state[17] == 0


def test_a_missing_ready_condition_is_no_ready_node(ward: Ward, examined: Open) -> None:
    ward.api.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new", "creationTimestamp": LONG_AGO}})
    assert shares(examined())["nodes_not_ready"] == 1 / 3
