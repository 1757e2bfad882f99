"""How a workload of each kind is, by its own status."""

from __future__ import annotations

from typing import Any

import pytest

from env.snapshot.now import WorkloadNow, workload_now
from env.snapshot.pods import Key

Manifest = dict[str, Any]


def _now(kind: str, spec: Manifest, **status: Any) -> WorkloadNow:
    return workload_now(Key(kind, "shop", "db"), {"spec": spec, "status": status}, ())


REVISIONS = {"currentRevision": "db-1", "updateRevision": "db-2"}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "wanted", "is_whole"),
    [
        ("Deployment", {"replicas": 2}, {"readyReplicas": 2, "updatedReplicas": 2}, 2, True),
        ("Deployment", {"replicas": 2}, {"readyReplicas": 2, "updatedReplicas": 1}, 2, False),
        ("Deployment", {}, {}, 1, False),
        ("Deployment", {"replicas": 0}, {}, 0, True),
        # `updatedReplicas` is not written before the first update
        ("StatefulSet", {"replicas": 2}, {"readyReplicas": 2}, 2, True),
        ("StatefulSet", {"replicas": 2}, {"readyReplicas": 2, "updatedReplicas": 1, **REVISIONS}, 2, False),
        ("StatefulSet", {"replicas": 2, "updateStrategy": {"type": "OnDelete"}},
         {"readyReplicas": 2, **REVISIONS}, 2, True),
        ("StatefulSet", {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
         {"readyReplicas": 2, "updatedReplicas": 1, **REVISIONS}, 2, True),
        ("DaemonSet", {}, {"desiredNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3}, 3, True),
        ("DaemonSet", {}, {"desiredNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 3}, 3, False),
        ("ReplicaSet", {"replicas": 2}, {"readyReplicas": 1}, 2, False),
        ("CronJob", {"schedule": "* * * * *"}, {}, 0, True),
    ],
)  # fmt: skip
def test_a_workload_is_whole_when_all_its_pods_are_ready_and_of_its_revision(
    kind: str, spec: Manifest, status: Manifest, wanted: int, is_whole: bool
) -> None:
    now = _now(kind, spec, **status)
    assert (now.wanted, now.is_whole) == (wanted, is_whole)


def test_why_no_pods_could_be_made_is_kept() -> None:
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: shop"}
    assert _now("Deployment", {"replicas": 1}, conditions=[refused]).said == "exceeded quota: shop"
