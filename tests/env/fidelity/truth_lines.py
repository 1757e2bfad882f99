"""Lines of truth files, and outcomes, for tests."""

from __future__ import annotations

import json
from typing import Any

from env.fidelity.truth import RecordedOutcome, WorkloadOutcome

PENDING = "0/1 nodes are available: 1 Insufficient cpu."


def workload(**changes: Any) -> WorkloadOutcome:
    fields: dict[str, Any] = {"nodes": {"n0": 3}, "pending": 0, "ready": 3, "succeeded": 0, "total": 3}
    return WorkloadOutcome(**{**fields, "revisions": {"1|1Gi": 3}, **changes})


def outcome(*messages: str, **workloads: WorkloadOutcome) -> RecordedOutcome:
    return RecordedOutcome(failed_scheduling=list(messages), workloads=workloads)


def line(**changes: Any) -> str:
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {}}
    scenario: dict[str, Any] = {
        "id": "one",
        "kind": "single",
        "nodes": [{"name": "n0", "cpu": "8", "memory": "32Gi"}],
        "steps": [[web]],
        "outcome": [{"failed_scheduling": [], "workloads": {}}],
    }
    return json.dumps({**scenario, **changes}) + "\n"
