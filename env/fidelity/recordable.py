"""Which scenarios can be recorded: kinds with a known path, and no CronJob that ticks meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from env.errors import ClusterError
from env.fidelity.cron_jobs import first_tick
from env.fidelity.truth import RecordedScenario
from env.simkube import paths

PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
COLLECTIONS = {
    "Deployment": paths.DEPLOYMENTS,
    "ReplicaSet": paths.REPLICA_SETS,
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Pod": paths.PODS,
    "PriorityClass": PRIORITY_CLASSES,
}


def check_recordable(scenario: RecordedScenario, at: datetime, limit_s: float) -> None:
    """Refuse a scenario with objects that cannot be recorded, or with a CronJob that may tick meanwhile.

    Args:
        scenario: What is to be recorded.
        at: When the recording begins.
        limit_s: How long each step may take, seconds.

    Raises:
        ClusterError: Names scenario and object.
    """
    due = first_tick(scenario.steps, at.timestamp())
    if due and due[0] <= at.timestamp() + limit_s * len(scenario.steps):
        when = datetime.fromtimestamp(due[0], UTC)
        raise ClusterError(
            f"scenario {scenario.id}: CronJob {due[1]} is due at {when:%H:%M} UTC, while it would be recorded; "
            "suspend it (spec.suspend: true), or record the scenario at another time"
        )
    for manifest in (manifest for step in scenario.steps for manifest in step):
        if manifest["kind"] not in COLLECTIONS:
            known = ", ".join(COLLECTIONS)
            raise ClusterError(f"scenario {scenario.id}: {manifest['kind']} cannot be recorded; there are {known}")
