"""What a workload asks for at the end of a replay, and which of its pods count, for every kind that is edited."""

from __future__ import annotations

from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.manifests.lasting import resources_of
from env.engine.pods import Pod
from env.engine.workload import Workload
from env.workload import Resources


def asked_for(workload: Workload) -> Resources | None:
    """What it asks for; a DaemonSet for as many pods as nodes admit. None for kinds that are not edited."""
    match workload:
        case Deployment() | StatefulSet():
            return workload.spec.resources
        case DaemonSet():
            return workload.spec.resources._replace(replicas=len(workload.wanted_nodes))
        case ReplicaSet() if workload.template.origin is not None:
            source, cpu_m, memory_bytes = workload.template.origin
            written = resources_of(source, workload.replicas)
            return Resources(
                written.cpu_m if cpu_m is None else cpu_m,
                written.memory_bytes if memory_bytes is None else memory_bytes,
                workload.replicas,
            )
    return None


def live_pods(workload: Workload) -> list[Pod]:
    """Its pods, in order of creation, without those that are being deleted."""
    return [pod for pod in workload.pods() if not (pod.leaving or pod.deleted)]
