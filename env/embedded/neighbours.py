"""What other workloads lack at the end of a replay: which of them are whole, and what keeps their pods pending."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from env.engine.control_plane import ControlPlane, Key
from env.engine.controllers.bare_pod import BarePod
from env.engine.controllers.cron_job import CronJob
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.job import Job
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.workload import Workload
from env.observation import Observation
from env.workload import WorkloadRef


class Seen(NamedTuple):
    """What a replay ends in.

    Attributes:
        observation: What agents get.
        lacking: Pods that each other workload lacks, by kind and name; 0 for one that is whole.
    """

    observation: Observation
    lacking: Mapping[Key, int]


class Neighbours(NamedTuple):
    """The other workloads of a cluster.

    Attributes:
        lacking: Pods that each lacks, by kind and name; 0 for one that is whole.
        pending: Pods of them that no node would take.
        reasons: How many nodes give each reason for the first of those; of a workload that is to be whole, if one is.
    """

    lacking: dict[Key, int]
    pending: int
    reasons: Counter[str]


def neighbours(plane: ControlPlane, own: WorkloadRef, whole: Collection[Key]) -> Neighbours:
    """The workloads besides `own`; `whole` are those that should lack nothing."""
    others = {key: each for key, each in plane.workloads.items() if key != own.key}
    pending = [
        (key not in whole, pod.number, pod) for key, each in others.items() for pod in each.pods() if _waits(pod)
    ]
    first = min(pending, default=None)
    return Neighbours(
        {key: lacking(each) for key, each in others.items()},
        len(pending),
        Counter() if first is None else refusals(plane, first[2]),
    )


def refusals(plane: ControlPlane, pod: Pod) -> Counter[str]:
    """How many nodes give each reason for not taking a pod."""
    return Counter(reason for each in plane.api.scheduler.obstacles_of(pod) for reason in each.reasons)


def lacking(workload: Workload) -> int:
    """Pods of a workload that are not Ready or not there; those that ended well, or are going, do not count."""
    if isinstance(workload, CronJob):
        return sum(map(lacking, workload.jobs))
    live = [pod for pod in workload.pods() if not (pod.leaving or pod.deleted or pod.ended)]
    return sum(not pod.ready for pod in live) + max(0, wanted_pods(workload) - len(live))


def wanted_pods(workload: Workload) -> int:
    """Live pods that it should have at least."""
    match workload:
        case Deployment() | StatefulSet():
            return workload.spec.replicas
        case ReplicaSet():
            return workload.replicas
        case DaemonSet():
            return len(workload.wanted_nodes)
        case Job():
            return 0 if workload.spec.suspended or (workload.finished and not workload.failed) else 1
        case BarePod():
            there = workload.whole()
            return 0 if there and there[0].phase is not Phase.FAILED else 1
        case _:
            return 0


def _waits(pod: Pod) -> bool:
    return pod.phase is Phase.PENDING and pod.row == UNBOUND and not (pod.leaving or pod.deleted)
