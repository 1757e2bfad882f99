"""What controllers work with: pods and their names and events, on a virtual clock; and the kubelets, which run pods.

A pod that is bound runs at once, and is Ready unless it requests less than it uses. Names look like those of kubernetes
1.36 `staging/src/k8s.io/apiserver/pkg/storage/names/generate.go`; the rest follows no Kubernetes source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from env.demand import Shortage
from env.engine.budget import ReplayBudget
from env.engine.events import EventRecorder
from env.engine.manifests.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Phase, Pod, crash_loop
from env.engine.scheduling.cluster_shape import ClusterShape
from env.engine.scheduling.scheduler import Scheduler
from env.engine.timers import Timers
from env.engine.workload import PodOwner, Workload
from env.errors import ClusterError

MAX_PODS = 150_000  # the most that Kubernetes supports in one cluster
_LOOKS_PER_POD = 400

Lifetimes = Callable[[Workload], float | None]


class ApiServer:
    """The pods of a cluster, and what happens to them.

    Args:
        cluster: Its nodes.
        now_s: Where the clock starts.
        events: Whether to record events.
        lifetimes: See `ControlPlane`.

    Attributes:
        now_s: The virtual clock, seconds (unix time while a trace is replayed).
        recorder: Takes events.
        scheduler: Binds pods to nodes.
        timers: What falls due later.
        budget: Counts the work.
        live: The workloads that there are.
        unsettled: Those whose controller has something to look at, in order.
    """

    def __init__(
        self, cluster: ClusterShape, *, now_s: float = 0.0, events: bool = False, lifetimes: Lifetimes | None = None
    ) -> None:
        self.now_s = now_s
        self.recorder = EventRecorder(lambda: self.now_s, wanted=events)
        self.budget = ReplayBudget()
        self.scheduler = Scheduler(cluster, self.recorder, lambda: self.now_s, self.budget)
        self.timers = Timers()
        self.live: set[Workload] = set()  # by identity
        self.unsettled: dict[Workload, None] = {}
        self._lifetimes = lifetimes
        self._just_bound: list[Pod] = []  # this turn, of those that end at once
        self._ending: list[Pod] = []  # bound a turn ago
        self._created = 0
        self._pods = 0
        self._names: dict[tuple[str, str], int] = {}

    # --- what controllers do -----------------------------------------------------------------------------------------

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.scheduler.bound.table)

    def create_pod(self, template: PodTemplate, owner: PodOwner, *, name: str = "", ordinal: int = 0) -> Pod:
        """Make a pod and queue it for scheduling; without `name` it gets a generated one.

        Raises:
            ClusterError: More than MAX_PODS.
        """
        self._pods += 1
        if self._pods > MAX_PODS:
            raise ClusterError(f"{self._pods} pods: the embedded cluster simulates at most {MAX_PODS}")
        self.budget.spend(_LOOKS_PER_POD)
        self._created += 1
        pod = Pod(template, owner, self._created, name or self._name(owner), ordinal=ordinal)
        pod.lifetime_s = self._lifetime_s(owner)
        self._record(pod, "SuccessfulCreate", "Created")
        if template.node_name:
            self._attach(pod)
        else:
            self.scheduler.queue.add(pod)
        return pod

    def delete_pods(self, pods: Iterable[Pod]) -> None:
        """Remove a controller's pods at once, as KWOK's nodes do, and record an event."""
        leaving = list(pods)
        for pod in leaving:
            self._record(pod, "SuccessfulDelete", "Deleted")
        self.remove(leaving)

    def wake(self, workload: Workload, at_s: float) -> None:
        """Sync the workload again at that time."""
        self.timers.set(workload, at_s)

    # --- what garbage collection, preemption and kubelets do ---------------------------------------------------------

    def remove(self, pods: Iterable[Pod]) -> None:
        """Remove pods at once, without an event of their controller."""
        gone: dict[PodOwner, set[Pod]] = {}
        for pod in pods:
            self.record_kills(pod)
            pod.deleted = True
            self._pods -= 1
            self.scheduler.forget(pod)
            gone.setdefault(pod.owner, set()).add(pod)
        for owner, members in gone.items():
            owner.forget(members)
            self._touch(owner)

    def schedule(self) -> bool:
        """Work off the scheduler's queue; whether there was one."""
        if not self.scheduler.queue:
            return False
        for pod in self.scheduler.run():
            self._start(pod)
        preemption = self.scheduler.preemption
        victims, preemption.victims = preemption.victims, {}
        self.remove([pod for pod in victims if not pod.deleted])
        return True

    def finish(self) -> bool:
        """End pods with nothing to do, a turn after they were bound: about as long as a kubelet takes."""
        due, self._ending, self._just_bound = self._ending, self._just_bound, []
        for pod in due:
            self._end(pod)
        return bool(due or self._ending)

    def fall_due(self, what: Workload | Pod) -> None:
        """A timer has run out: a pod ends, or a workload is looked at again."""
        if isinstance(what, Pod):
            self._end(what)
        elif what in self.live:
            self.unsettled[what] = None

    def record_kills(self, pod: Pod) -> None:
        """Record how often a pod's container was OOM-killed by now."""
        if self.recorder.wanted and pod.is_crash_looping:
            restarts, last_s = crash_loop(self.now_s - pod.started_s)
            self.recorder.killed(pod, restarts, pod.started_s + last_s)

    def _attach(self, pod: Pod) -> None:
        row = self.scheduler.bound.table.set.row.get(pod.template.node_name, UNBOUND)
        if row != UNBOUND:
            self.scheduler.attach(pod, row)
            self._start(pod)

    def _start(self, pod: Pod) -> None:
        """The kubelet takes over."""
        pod.phase = Phase.RUNNING
        pod.started_s = self.now_s
        verdict = pod.template.shortage
        pod.ready = verdict is None
        fails = verdict is Shortage.OOM_KILLED and pod.template.restart_policy == "Never"
        if fails or (pod.lifetime_s == 0 and not pod.is_crash_looping):
            self._just_bound.append(pod)
        elif pod.lifetime_s is not None and not pod.is_crash_looping:
            self.timers.set(pod, self.now_s + pod.lifetime_s)
        self._touch(pod.owner)

    def _end(self, pod: Pod) -> None:
        """A pod ends by itself; all controllers but a Job's make another in its place."""
        if pod.deleted:
            return
        killed = pod.template.shortage is Shortage.OOM_KILLED
        if killed:
            self.recorder.killed(pod, 0, self.now_s)
        pod.phase, pod.ready, pod.ended_s = Phase.FAILED if killed else Phase.SUCCEEDED, False, self.now_s
        self.scheduler.forget(pod)
        if pod.owner.kind not in ("Job", "Pod"):
            self.remove([pod])
        self._touch(pod.owner)

    def _touch(self, owner: PodOwner) -> None:
        top = owner.parent or owner
        if top in self.live:
            self.unsettled[top] = None

    def _lifetime_s(self, owner: PodOwner) -> float | None:
        """How long the next pod of a workload runs; Jobs' pods end at once where nothing is known."""
        lifetime_s = None if self._lifetimes is None else self._lifetimes(owner.parent or owner)
        if lifetime_s is None:
            return 0.0 if owner.kind == "Job" else None
        # Lives are known by the second; a pod that is replaced when it ends lives at least one.
        return lifetime_s if owner.kind in ("Job", "Pod") else max(lifetime_s, 1.0)

    # --- names and events --------------------------------------------------------------------------------------------

    def _name(self, owner: PodOwner) -> str:
        """A generated name; only made where events show it."""
        if not self.recorder.wanted:
            return ""
        key = (owner.kind, str(owner.ref))
        self._names[key] = number = self._names.get(key, 0) + 1
        digest = hashlib.sha256(f"{key}{number}".encode()).digest()
        letters = "bcdfghjklmnpqrstvwxz2456789"
        return f"{owner.ref.name}-{''.join(letters[byte % len(letters)] for byte in digest[:5])}"

    def _record(self, pod: Pod, reason: str, verb: str) -> None:
        owner = pod.owner
        if not self.recorder.wanted or owner.kind == "Pod":
            return
        text = f"{verb} pod: {pod.name}"
        if owner.kind == "StatefulSet":
            text = f"{verb[:-1].lower()} Pod {pod.name} in StatefulSet {owner.ref.name} successful"
        source = f"{owner.kind.lower()}-controller"
        self.recorder.owner(owner.kind, owner.ref.namespace, owner.ref.name, reason, text, source)
