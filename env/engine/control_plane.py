"""API server, controllers, scheduler and kubelets in one, in virtual time: apply or delete, settle, let time pass.

Follows no Kubernetes source: real components run beside each other, here they act in turns until nothing is left to do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from env.engine.api_server import ApiServer, Lifetimes
from env.engine.controllers.bare_pod import BarePod
from env.engine.controllers.cron_job import CronJob
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.job import Job
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.events import Event
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.manifests.jobs import CronJobSpec, JobSpec
from env.engine.manifests.objects import KubeObject
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.replicated import DaemonSetSpec, ReplicaSetSpec, StatefulSetSpec
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.nodes import Node
from env.engine.workload import Workload
from env.errors import ClusterError
from env.workload import WorkloadRef

_MOST_ROUNDS = 100_000
_MOST_WAKINGS = 500_000  # of one advance: a trace may span decades
_LOOKS_PER_WAKING = 5_000

Key = tuple[str, WorkloadRef]


class ControlPlane:
    """A cluster.

    Args:
        nodes: Its nodes; replays on the same ones are faster when they share their ClusterShape.
        now_s: Where the clock starts.
        events: Whether to record events.
        lifetimes: Seconds that the next pod of a workload runs, infinity for one without end; None, or None for it:
            Jobs' pods end at once, others never.

    Attributes:
        api: What the controllers work with: pods, clock, scheduler.
        workloads: Every object that makes pods, by kind and name.
    """

    def __init__(
        self,
        nodes: Sequence[Node] | ClusterShape,
        *,
        now_s: float = 0.0,
        events: bool = False,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        cluster = nodes if isinstance(nodes, ClusterShape) else ClusterShape(nodes)
        self.api = ApiServer(cluster, now_s=now_s, events=events, lifetimes=lifetimes)
        self.workloads: dict[Key, Workload] = {}

    def apply(self, given: KubeObject) -> None:
        """Create the object, or bring it to what is asked now."""
        workload = self.workloads.get((given.kind, given.ref))
        if workload is None:
            workload = self.workloads[given.kind, given.ref] = _made(given, self.api)
            self.api.live.add(workload)
        else:
            _change(workload, given)
        self.api.unsettled[workload] = None
        self._act()

    def delete(self, kind: str, ref: WorkloadRef) -> None:
        """Remove an object and its pods; nothing happens when there is none."""
        workload = self.workloads.pop((kind, ref), None)
        if workload is not None:
            self.api.unsettled.pop(workload, None)
            self.api.live.discard(workload)
            self.api.remove(workload.pods())
            self._act()

    def settle(self) -> None:
        """Let the scheduler try pods again that it could not place, until nothing changes any more; no time passes.

        Its back-off makes them wait for seconds, while controllers and kubelets act within milliseconds. So apply all
        objects of a moment first, then settle.

        Raises:
            ClusterError: It does not end.
        """
        for _ in range(_MOST_ROUNDS):
            if not self.api.scheduler.queue.retry():
                return
            self._act()
        raise ClusterError(f"the cluster does not settle within {_MOST_ROUNDS} rounds")

    def advance(self, until_s: float) -> None:
        """Advance the time: what falls due until then happens in order.

        Raises:
            ClusterError: Too much falls due.
        """
        api = self.api
        for _ in range(_MOST_WAKINGS):
            next_s = api.timers.next_s()
            if next_s > until_s or math.isinf(next_s):
                api.now_s = max(api.now_s, until_s)
                return
            api.now_s = max(api.now_s, next_s)
            api.budget.spend(_LOOKS_PER_WAKING)
            for what in api.timers.due(api.now_s):
                api.fall_due(what)
            self._act()
            self.settle()
        raise ClusterError(f"more than {_MOST_WAKINGS} things fall due until {until_s:.0f}: replay a shorter time")

    @property
    def events(self) -> list[Event]:
        """What the API server would show, in order of when each last happened."""
        if self.api.recorder.wanted:
            for pod in self.api.scheduler.bound.pods:
                self.api.record_kills(pod)
        return self.api.recorder.events

    def _act(self) -> None:
        """Controllers, scheduler and kubelets act in turns until none of them has anything to do."""
        for _ in range(_MOST_ROUNDS):
            acted = self._sync()
            acted = self.api.schedule() or acted
            acted = self.api.finish() or acted
            if not acted:
                return
        raise ClusterError(f"the cluster does not settle within {_MOST_ROUNDS} rounds")

    def _sync(self) -> bool:
        """Each controller with something to do acts once."""
        api, acted = self.api, False
        turn, api.unsettled = list(api.unsettled), {}
        for workload in turn:
            if workload.sync(api):
                acted = True
                api.unsettled[workload] = None
                api.budget.spend(10 * len(workload.pods()))
        sets = [each for workload in turn if isinstance(workload, Deployment) for each in workload.sets]
        for each in sets:
            if len(each.members) < each.replicas:
                acted = each.sync(api) or acted
        shrinking = [each for each in sets if len(each.members) > each.replicas]
        if shrinking:
            # New pods are in the scheduler's hands before old ones are gone.
            api.schedule()
            for each in shrinking:
                acted = each.sync(api) or acted
        return acted


def _made(given: KubeObject, api: ApiServer) -> Workload:
    """A new object and its controller's state."""
    match given.spec:
        case DeploymentSpec() as spec:
            return Deployment(spec)
        case ReplicaSetSpec() as spec:
            made = ReplicaSet.make(spec.ref, spec.template, spec.replicas, api)
            made.min_ready_s = spec.min_ready_s
            return made
        case StatefulSetSpec() as spec:
            return StatefulSet.make(spec, api)
        case DaemonSetSpec() as spec:
            return DaemonSet(spec, api.scheduler.bound.table.nodes)
        case JobSpec() as spec:
            return Job(spec)
        case CronJobSpec() as spec:
            return CronJob(spec, api.now_s)
        case PodTemplate() as template:
            return BarePod(template, given.ref)


def _change(workload: Workload, given: KubeObject) -> None:
    """Bring an existing object to what is asked now."""
    match workload, given.spec:
        case ReplicaSet(), ReplicaSetSpec() as spec:
            workload.template, workload.replicas, workload.min_ready_s = spec.template, spec.replicas, spec.min_ready_s
        case Job(), JobSpec() as spec:
            # Of a Job only the parallelism and the suspension can change.
            workload.spec = replace(workload.spec, parallelism=spec.parallelism, suspended=spec.suspended)
        case BarePod(), PodTemplate() as template:
            if workload.member is None:
                workload.template, workload.wanted = template, True
        case Deployment(), DeploymentSpec() as spec:
            workload.spec = spec
        case StatefulSet(), StatefulSetSpec() as spec:
            workload.spec = spec
        case DaemonSet(), DaemonSetSpec() as spec:
            workload.spec = spec
        case CronJob(), CronJobSpec() as spec:
            workload.spec = spec
