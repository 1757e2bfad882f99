"""Everything of a snapshot is applied at one moment: what a replay ends in, whatever the order of the manifests."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from written import POD, snapshot, workload

from env.embedded.cluster import EmbeddedCluster
from env.embedded.survey import WorkloadState
from env.problems.nodes import NodePools
from env.snapshot import trace_of
from env.trace.document import Manifest
from env.workload import WorkloadRef


def named(kind: str, name: str, api: str = "v1", **fields: object) -> Manifest:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **fields}


def pod(**spec: object) -> Manifest:
    return {**POD, **spec}


def node(name: str, cpu: str = "4") -> Manifest:
    amounts = {"cpu": cpu, "memory": "8Gi", "pods": "20"}
    return named("Node", name, status={"allocatable": amounts, "capacity": amounts})


WITHOUT_REQUESTS = {"containers": [{"name": "app", "image": "x"}]}
BIG = {"containers": [{"name": "app", "image": "x", "resources": {"requests": {"cpu": "3"}}}]}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
OBJECTS = [
    named("Namespace", "shop"),
    named("PriorityClass", "high", "scheduling.k8s.io/v1", value=1000),
    named("LimitRange", "defaults", spec={"limits": [{"type": "Container", "defaultRequest": {"cpu": "1"}}]}),
    named("ResourceQuota", "few", spec={"hard": {"count/x": "1", "pods": "12"}}),
    named(
        "HorizontalPodAutoscaler", "web", "autoscaling/v2",
        spec={"scaleTargetRef": TARGET, "minReplicas": 2, "maxReplicas": 5},
    ),
    named(
        "PodDisruptionBudget", "web", "policy/v1",
        spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    ),
]  # fmt: skip
WORKLOADS = [
    workload("Deployment", "web", replicas=2, pod=WITHOUT_REQUESTS),
    workload("Deployment", "urgent", replicas=1, pod={**BIG, "priorityClassName": "high"}),
    workload("Deployment", "halted", replicas=2, paused=True),
    workload("ReplicaSet", "alone", replicas=1),
    workload("StatefulSet", "db", replicas=2),
    workload("DaemonSet", "log"),
    named("Job", "once", "batch/v1", spec={"template": {"spec": pod(restartPolicy="Never")}}),
    named(
        "CronJob", "nightly", "batch/v1",
        spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": pod(restartPolicy="Never")}}}},
    ),
    named("Pod", "bare", spec=pod()),
    named("Pod", "bound", spec=pod(nodeName="small")),
    node("large", "8"),
    node("small", "2"),
]  # fmt: skip


def ended(folder: Path, *manifests: Manifest) -> dict[str, WorkloadState]:
    """Every workload at the end of the replay."""
    found = snapshot(folder, *manifests)
    states = EmbeddedCluster().survey(trace_of(found), found.nodes or NodePools(), None)
    return {str(WorkloadRef(state.namespace, state.name, state.kind)): state for state in states}


def test_each_kind_has_the_pods_that_its_controller_makes(tmp_path: Path) -> None:
    found = ended(tmp_path, *OBJECTS, *WORKLOADS)
    ready = {name: (state.ready, state.wanted, state.lacking) for name, state in found.items()}
    assert ready == {
        "DaemonSet default/log": (2, 2, 0),
        "default/web": (2, 2, 0),
        "default/urgent": (1, 1, 0),
        "default/halted": (0, 2, 2),
        "ReplicaSet default/alone": (1, 1, 0),
        "StatefulSet default/db": (2, 2, 0),
        "Job default/once": (0, 0, 0),
        "CronJob default/nightly": (0, 0, 0),
        "Pod default/bare": (1, 1, 0),
        "Pod default/bound": (1, 1, 0),
    }
    assert found["default/web"].cpu_m == 1_000  # the LimitRange gives it to pods


def test_a_job_wants_the_pods_that_it_has(tmp_path: Path) -> None:
    template = {"spec": {**BIG, "restartPolicy": "Never"}}
    job = named("Job", "many", "batch/v1", spec={"parallelism": 3, "completions": 3, "template": template})
    found = ended(tmp_path, job, node("small", "2"))["Job default/many"]
    assert (found.ready, found.wanted, found.lacking) == (0, 3, 3)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_what_is_no_workload_does_not_matter(tmp_path: Path, seed: int) -> None:
    straight = ended(tmp_path, *OBJECTS, *WORKLOADS)
    rng, places = random.Random(seed), [*OBJECTS, *WORKLOADS]
    rng.shuffle(places)
    kept = iter(WORKLOADS)  # these stay in order among themselves: who comes first has the room
    mixed = [next(kept) if each in WORKLOADS else each for each in places]
    assert ended(tmp_path, *mixed) == straight


def test_a_limit_range_and_a_quota_hold_for_what_was_written_before_them(tmp_path: Path) -> None:
    web = workload("Deployment", "web", replicas=3, pod=WITHOUT_REQUESTS)
    limit, quota = OBJECTS[2], named("ResourceQuota", "few", spec={"hard": {"requests.cpu": "2"}})
    found = ended(tmp_path, web, node("large"), quota, limit)["default/web"]
    assert (found.ready, found.lacking) == (2, 1)
    assert "exceeded quota: few, requested: requests.cpu=1, used: requests.cpu=2" in found.why[0]


def test_a_pod_of_a_node_that_is_not_there_waits(tmp_path: Path) -> None:
    found = ended(tmp_path, named("Pod", "bound", spec=pod(nodeName="gone")), node("large"))["Pod default/bound"]
    assert (found.ready, found.lacking) == (0, 1)
