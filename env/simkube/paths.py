"""Where the objects are that the other modules read, and the names that SimKube gives them."""

from __future__ import annotations

NAMESPACES = "/api/v1/namespaces"
NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
EVENTS = "/api/v1/events"
CONFIG_MAPS = "/api/v1/configmaps"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICA_SETS = "/apis/apps/v1/replicasets"
WORKLOADS = {
    "Deployment": DEPLOYMENTS,
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "Job": "/apis/batch/v1/jobs",
    "CronJob": "/apis/batch/v1/cronjobs",
}
"""Collections of objects that make pods, by kind."""
LEASES = "/apis/coordination.k8s.io/v1/leases"
PRIORITY_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
SIMULATIONS = "/apis/simkube.io/v1/simulations"

CONTROLLER_NAMESPACE = "simkube"  # sk-ctrl, its service account, its lease and the drivers
CONTROLLER_LABEL = "app.kubernetes.io/name=sk-ctrl"
LEASE = "sk-lease"
VIRTUAL_LABEL = "simkube.io/virtual"  # on what a driver creates
VIRTUAL_NODES = "type=virtual"  # the selector that SimKube gives to every simulated pod

MANAGED_BY = "app.kubernetes.io/managed-by"
SIM_ARENA = "sim-arena"


def driver_job(simulation: str) -> str:
    """The Job, and the label `job-name` of its pod."""
    return f"sk-{simulation}-driver"


def virtual_namespace(namespace: str) -> str:
    """Where the objects of a trace's namespace are replayed."""
    return f"virtual-{namespace}"
