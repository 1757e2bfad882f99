"""API server, controllers, scheduler and kubelets in one, in virtual time: apply or delete, settle, let time pass.

Follows no Kubernetes source: real components run beside each other, here they act in turns until nothing is left to do.
Kubelets come last, because they answer later than the others: see `ControlPlane.settle`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from env.engine.lots import Lots
from env.engine.manifests.deployment import DeploymentSpec
from env.engine.manifests.jobs import CronJobSpec, JobSpec
from env.engine.manifests.limit_range import LimitRange
from env.engine.manifests.objects import KubeObject, WorkloadSpec
from env.engine.manifests.pod_template import PodTemplate
from env.engine.manifests.replicated import DaemonSetSpec, ReplicaSetSpec, StatefulSetSpec
from env.engine.manifests.resource_quota import ResourceQuota
from env.engine.pods import Pod
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.nodes import Node
from env.engine.workload import Workload
from env.errors import ClusterError
from env.workload import ObjectRef

_MOST_ROUNDS = 100_000
_MOST_WAKINGS = 500_000  # of one advance: a trace may span decades
_LOOKS_PER_WAKING = 15_000

Key = tuple[str, ObjectRef]


class ControlPlane:
    """A cluster.

    Args:
        nodes: Its nodes; replays on the same ones are faster when they share their ClusterShape.
        now_s: Where the clock starts.
        events: Whether to record events.
        lifetimes: Seconds that the next pod of a workload runs, infinity for one without end; None, or None for it:
            Jobs' pods end at once, others never.
        kubelet_s: Seconds that kubelets take to answer; see `Kubelets`.
        lots: Decide what is chance; None: every replay is the same.

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
        kubelet_s: float = 0.0,
        lots: Lots | None = None,
    ) -> None:
        cluster = nodes if isinstance(nodes, ClusterShape) else ClusterShape(nodes)
        self.api = ApiServer(cluster, now_s=now_s, events=events, lifetimes=lifetimes, kubelet_s=kubelet_s, lots=lots)
        self.workloads: dict[Key, Workload] = {}

    def apply(self, given: KubeObject) -> None:
        """Create the object, or bring it to what is asked now: controllers and scheduler act, kubelets do not yet."""
        if isinstance(given.spec, LimitRange | ResourceQuota):
            self.api.admission.apply(given.ref, given.spec, self.pods())
            self.api.admit_again(given.ref.namespace)
            self._act()
            return
        workload = self.workloads.get((given.kind, given.ref))
        amid_batches, self.api.amid_batches = self.api.amid_batches, {}
        schedules_later = not amid_batches and self._is_grown(workload, given)
        if not schedules_later:
            self._act_meanwhile()
        if workload is None:
            workload = self.workloads[given.kind, given.ref] = _made(given.ref, given.spec, self.api)
            self.api.live[workload] = None
        else:
            _change(workload, given, self.api)
        self.api.unsettled[workload] = None
        if schedules_later:
            self._sync()
        else:
            self._act_meanwhile()
        if amid_batches:
            self.api.unsettled |= amid_batches
            self._act()

    def delete(self, kind: str, ref: ObjectRef) -> None:
        """Delete an object and its pods; nothing happens when there is none."""
        if self.api.admission.delete(kind, ref):
            self.api.admit_again(ref.namespace)
            self._act()
            return
        if (kind, ref) in self.workloads:
            self._act()
            self._remove(self.workloads[kind, ref])
            self._act()

    def settle(self) -> None:
        """Let kubelets answer, and the scheduler try pods again that it could not place, until nothing is left to do.

        No time passes, but what needs less than a second. Controllers and scheduler act on an object within
        milliseconds, before kubelets answer and before a pod that failed has waited for its back-off. So apply all
        objects of a moment first, then settle.

        Raises:
            ClusterError: It does not end.
        """
        for _ in range(_MOST_ROUNDS):
            self._act()
            if self.api.amid_batches:
                self.api.unsettled, self.api.amid_batches = self.api.amid_batches, {}
            elif not (self.api.retry() or self.api.kubelets.answer()):
                return
        raise ClusterError(f"the cluster does not settle within {_MOST_ROUNDS} rounds")

    def advance(self, until_s: float) -> None:
        """Advance the time: what falls due until then happens in order.

        Raises:
            ClusterError: Too much falls due.
        """
        self._pass(until_s, lambda: True)
        self.api.now_s = max(self.api.now_s, until_s)

    def rest(self, limit_s: float, quiet_s: float = math.inf) -> bool:
        """Let time pass until nothing can happen any more by itself, for `limit_s` at most; whether it came to that.

        What recurs without end does not count: a container that is killed again and again, a CronJob, the pods of a
        controller that end and are replaced.

        Args:
            limit_s: Seconds.
            quiet_s: It is also at rest when nothing falls due for so long.

        Raises:
            ClusterError: Too much falls due.
        """
        api = self.api
        start_s = api.now_s

        def goes_on() -> bool:
            return api.kubelets.next_s() < math.inf or (api.timers.finite > 0 and self._next_s() - api.now_s <= quiet_s)

        self._pass(start_s + limit_s, goes_on)
        return not goes_on()

    def pods(self) -> dict[Pod, None]:
        """Every pod, those that are being deleted included."""
        owned = (pod for workload in self.workloads.values() for pod in workload.pods())
        return dict.fromkeys([*owned, *self.api.scheduler.bound.pods])

    def _next_s(self) -> float:
        """When something falls due next; infinity for never."""
        return min(self.api.timers.next_s(), self.api.kubelets.next_s())

    def _pass(self, until_s: float, goes_on: Callable[[], bool]) -> None:
        """Let what falls due until a time happen as long as `goes_on`."""
        api = self.api
        for _ in range(_MOST_WAKINGS):
            next_s = self._next_s()
            if next_s > until_s or math.isinf(next_s) or not goes_on():
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
                self.api.kubelets.record_kills(pod)
        return self.api.recorder.events

    def _is_grown(self, workload: Workload | None, given: KubeObject) -> bool:
        """Whether the scheduler may look at the object's pods later, together with those of the next object.

        It finds the same nodes then, with less work: no controller looks at where these pods are, no pod goes, and the
        queue's order does not change.
        """
        api, spec = self.api, given.spec
        if not isinstance(spec, DeploymentSpec) or api.recorder.wanted:
            return False
        if api.scheduler.queue.priority not in (None, spec.template.priority):
            return False
        return workload is None or (isinstance(workload, Deployment) and workload.would_only_grow(spec))

    def _remove(self, workload: Workload) -> None:
        """Delete an object and its pods."""
        del self.workloads[workload.kind, workload.ref]
        self.api.unsettled.pop(workload, None)
        self.api.amid_batches.pop(workload, None)
        self.api.live.pop(workload)
        self.api.terminate(workload.whole() if isinstance(workload, BarePod) else workload.pods())

    def _act(self) -> None:
        """Controllers and scheduler act in turns until none of them has anything to do."""
        api = self.api
        for _ in range(_MOST_ROUNDS):
            if not (api.unsettled or api.scheduler.queue):
                return
            self._sync()
            api.schedule()
        raise ClusterError(f"the cluster does not settle within {_MOST_ROUNDS} rounds")

    def _act_meanwhile(self) -> None:
        """Controllers and scheduler act between two objects: until they have nothing to do, or as far as they get."""
        rounds = self.api.lots.rounds()
        if rounds is None:
            self._act()
            return
        for _ in range(rounds):
            self._sync()
            self.api.schedule()
        if self.api.lots.kubelets_are_quick():
            self.api.kubelets.answer()

    def _sync(self) -> None:
        """Each controller with something to do acts once."""
        api = self.api
        turn, api.unsettled = api.unsettled, {}
        if api.lots.drawn:
            turn = dict.fromkeys(api.lots.in_any_order(turn))
        sets: list[ReplicaSet] = []
        for workload in turn:
            if workload.sync(api):
                api.unsettled[workload] = None
                api.budget.spend(10 * len(workload.pods()))
            if isinstance(workload, Job) and workload.expired(api.now_s):
                self._remove(workload)
            if isinstance(workload, Deployment):
                sets += workload.sets
        shrinking = []
        for each in sets:
            if len(each.members) > each.replicas:
                shrinking.append(each)
            elif each.sync(api) and api.lots.drawn and each.parent is not None:
                api.unsettled[each.parent] = None  # its next batch
        for each in shrinking:
            each.sync(api)


def _made(ref: ObjectRef, given: WorkloadSpec, api: ApiServer) -> Workload:
    """A new object and its controller's state."""
    match given:
        case DeploymentSpec() as spec:
            return Deployment(spec)
        case ReplicaSetSpec() as spec:
            made = ReplicaSet.make(spec.ref, spec.template, spec.replicas, api)
            made.selector, made.min_ready_s = spec.selector, spec.min_ready_s
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
            return BarePod(template, ref)


def _change(workload: Workload, given: KubeObject, api: ApiServer) -> None:
    """Bring an existing object to what is asked now."""
    match workload, given.spec:
        case ReplicaSet(), ReplicaSetSpec() as spec:
            workload.template, workload.replicas, workload.min_ready_s = spec.template, spec.replicas, spec.min_ready_s
        case Job(), JobSpec() as spec:
            # Of a Job only the parallelism and the suspension can change.
            workload.spec = replace(workload.spec, parallelism=spec.parallelism, suspended=spec.suspended)
        case BarePod(), PodTemplate() as template:
            if workload.member is None or workload.member.deleted:
                workload.template, workload.wanted = template, True
            else:
                api.change_pod(workload.member, template, workload)
        case Deployment(), DeploymentSpec() as spec:
            workload.spec = spec
        case StatefulSet(), StatefulSetSpec() as spec:
            workload.spec = spec
        case DaemonSet(), DaemonSetSpec() as spec:
            workload.spec = spec
        case CronJob(), CronJobSpec() as spec:
            workload.spec = spec
