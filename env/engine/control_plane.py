"""API server, controllers, scheduler and kubelets in one, in virtual time: apply or delete, settle, let time pass."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from env.demand import Verdict
from env.engine.controllers.cron_job import CronJob
from env.engine.controllers.daemon_set import DaemonSet
from env.engine.controllers.deployment import Deployment
from env.engine.controllers.job import Job
from env.engine.controllers.replica_set import ReplicaSet
from env.engine.controllers.stateful_set import StatefulSet
from env.engine.effort import Effort
from env.engine.events import Event, Recorder
from env.engine.manifests.objects import Record
from env.engine.manifests.pod_template import PodTemplate
from env.engine.plane import Workload
from env.engine.pods import UNBOUND, Phase, Pod, crash_loop
from env.engine.scheduling.node import Node
from env.engine.scheduling.scheduler import Scheduler, Surroundings
from env.errors import ClusterError
from env.trace.document import WorkloadRef
from env.trace.workload import Asked

MAX_PODS = 150_000  # the most that Kubernetes supports in one cluster
_MOST_ROUNDS = 100_000
_MOST_WAKINGS = 500_000  # of one advance: a trace may span decades
_LOOKS_PER_WAKING, _LOOKS_PER_POD = 5_000, 400

Key = tuple[str, WorkloadRef]
Lifetimes = Callable[[Workload], float | None]


@dataclass(eq=False)
class BarePod:
    """A Pod that no controller owns; once gone, it stays away until it is applied again."""

    template: PodTemplate
    ref: WorkloadRef
    member: Pod | None = None
    wanted: bool = True
    kind: str = "Pod"

    def pods(self) -> list[Pod]:
        return [self.member] if self.member is not None else []

    def sync(self, plane: Any) -> bool:
        if not self.wanted:
            return False
        self.wanted = False
        self.member = plane.create_pod(self.template, self, name=self.ref.name)
        return True

    def forget(self, gone: set[Pod]) -> None:
        if self.member in gone:
            self.member = None


class ControlPlane:
    """A cluster. A pod that is bound runs at once, and is Ready unless it asks for less than it uses.

    Args:
        nodes: Its nodes; replays on the same ones are faster when they share their Surroundings.
        now_s: Where the clock starts.
        events: Whether to record events.
        lifetimes: How long the next pod of a workload runs, infinity for ever; None, or None for it: Jobs' pods end at
            once, others never.
    """

    def __init__(
        self,
        nodes: Sequence[Node] | Surroundings,
        *,
        now_s: float = 0.0,
        events: bool = False,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        self._now_s = now_s
        self.recorder = Recorder(lambda: self._now_s, wanted=events)
        cluster = nodes if isinstance(nodes, Surroundings) else Surroundings(nodes)
        self._effort = Effort()
        self.scheduler = Scheduler(cluster, self.recorder, lambda: self._now_s, self._effort)
        self.workloads: dict[Key, Any] = {}
        self._lifetimes = lifetimes
        self._live: set[Any] = set()  # the same, by identity
        self._unsettled: dict[Any, None] = {}
        self._timers: list[tuple[float, int, Any]] = []
        self._awaited: set[tuple[float, Any]] = set()
        self._bound: list[Pod] = []  # this turn, of those that end at once
        self._ending: list[Pod] = []  # bound a turn ago
        self._numbers = 0
        self._pods = 0
        self._names: dict[tuple[str, str], int] = {}

    # --- what users do -----------------------------------------------------------------------------------------------

    def apply(self, asked: Asked | Record) -> None:
        """Create the object, or bring it to what is asked now."""
        kind = "Deployment" if isinstance(asked, Asked) else asked.kind
        workload = self.workloads.get((kind, asked.ref))
        if workload is None:
            workload = self.workloads[kind, asked.ref] = self._made(asked)
            self._live.add(workload)
        else:
            _change(workload, asked)
        self._unsettled[workload] = None
        self._act()

    def delete(self, kind: str, ref: WorkloadRef) -> None:
        """Remove an object and its pods; nothing happens when there is none."""
        workload = self.workloads.pop((kind, ref), None)
        self._unsettled.pop(workload, None)
        self._live.discard(workload)
        if workload is not None:
            self._remove(workload.pods())
            self._act()

    def settle(self) -> None:
        """Let the scheduler try pods again that it could not place, until nothing changes any more; no time passes.

        Its back-off makes them wait for seconds, while controllers and kubelets act within milliseconds; so whoever
        applies several objects in a row settles after the last.
        """
        for _ in range(_MOST_ROUNDS):
            if not self.scheduler.retry():
                return
            self._act()
        raise ClusterError(f"the cluster does not come to rest within {_MOST_ROUNDS} rounds")

    def _act(self) -> None:
        """Everybody acts in turns until nobody has anything to do."""
        for _ in range(_MOST_ROUNDS):
            acted = self._sync()
            acted = self._schedule() or acted
            acted = self._finish() or acted
            if not acted:
                return
        raise ClusterError(f"the cluster does not come to rest within {_MOST_ROUNDS} rounds")

    def advance(self, until_s: float) -> None:
        """Let time pass: whatever falls due until then happens, in order.

        Raises:
            ClusterError: Too much falls due.
        """
        for _ in range(_MOST_WAKINGS):
            if not self._timers or self._timers[0][0] > until_s:
                self._now_s = max(self._now_s, until_s)
                return
            self._now_s = max(self._now_s, self._timers[0][0])
            self._effort.spend(_LOOKS_PER_WAKING)
            while self._timers and self._timers[0][0] <= self._now_s:
                at_s, _, what = heapq.heappop(self._timers)
                self._awaited.discard((at_s, what))
                self._due(what)
            self._act()
            self.settle()
        raise ClusterError(f"more than {_MOST_WAKINGS} things fall due until {until_s:.0f}: replay a shorter time")

    @property
    def events(self) -> list[Event]:
        """What the API server would show, in order of when each last happened."""
        if self.recorder.wanted:
            for pod in self.scheduler.bound:
                self._tell_kills(pod)
        return self.recorder.events

    # --- what controllers do -----------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        return self._now_s

    @property
    def nodes(self) -> int:
        return len(self.scheduler.table)

    def create_pod(self, template: PodTemplate, owner: Any, *, name: str = "", ordinal: int = 0) -> Pod:
        """See `Plane`."""
        self._pods += 1
        if self._pods > MAX_PODS:
            raise ClusterError(f"{self._pods} pods: the embedded cluster simulates at most {MAX_PODS}")
        self._effort.spend(_LOOKS_PER_POD)
        self._numbers += 1
        pod = Pod(template, owner, self._numbers, name or self._name(owner), ordinal=ordinal)
        pod.lifetime_s = self._lifetime_s(owner)
        self._tell(pod, "SuccessfulCreate", "Created")
        if template.node_name:
            self._attach(pod)
        else:
            self.scheduler.add(pod)
        return pod

    def delete_pods(self, pods: Iterable[Pod]) -> None:
        """See `Plane`."""
        leaving = list(pods)
        for pod in leaving:
            self._tell(pod, "SuccessfulDelete", "Deleted")
        self._remove(leaving)

    def _remove(self, pods: Iterable[Pod]) -> None:
        """Pods go, whoever wants it: their controller, garbage collection, or the scheduler."""
        gone: dict[Any, set[Pod]] = {}
        for pod in pods:
            self._tell_kills(pod)
            pod.deleted = True
            self._pods -= 1
            self.scheduler.forget(pod)
            gone.setdefault(pod.owner, set()).add(pod)
        for owner, members in gone.items():
            owner.forget(members)
            self._touch(owner)

    def wake(self, workload: Any, at_s: float) -> None:
        """See `Plane`."""
        if math.isfinite(at_s) and (at_s, workload) not in self._awaited:
            self._awaited.add((at_s, workload))
            self._numbers += 1
            heapq.heappush(self._timers, (at_s, self._numbers, workload))

    # --- turns -------------------------------------------------------------------------------------------------------

    def _sync(self) -> bool:
        """Each controller with something to do acts once."""
        acted = False
        turn, self._unsettled = list(self._unsettled), {}
        for workload in turn:
            if workload.sync(self):
                acted = True
                self._unsettled[workload] = None
                self._effort.spend(10 * len(workload.pods()))
        sets = [each for workload in turn if isinstance(workload, Deployment) for each in workload.sets]
        for each in sets:
            if len(each.members) < each.replicas:
                acted = each.sync(self) or acted
        shrinking = [each for each in sets if len(each.members) > each.replicas]
        if shrinking:
            # New pods are in the scheduler's hands before old ones are gone.
            self._schedule()
            for each in shrinking:
                acted = each.sync(self) or acted
        return acted

    def _schedule(self) -> bool:
        if not self.scheduler.has_work:
            return False
        for pod in self.scheduler.run():
            self._start(pod)
        victims, self.scheduler.victims = self.scheduler.victims, {}
        self._remove([pod for pod in victims if not pod.deleted])
        return True

    def _start(self, pod: Pod) -> None:
        """The kubelet takes over."""
        pod.phase = Phase.RUNNING
        pod.started_s = self._now_s
        verdict = pod.template.verdict
        pod.ready = verdict is None
        fails = verdict is Verdict.OOM_KILLED and pod.template.restart_policy == "Never"
        if fails or (pod.lifetime_s == 0 and not pod.is_crash_looping):
            self._bound.append(pod)
        elif pod.lifetime_s is not None and not pod.is_crash_looping:
            self.wake(pod, self._now_s + pod.lifetime_s)
        self._touch(pod.owner)

    def _finish(self) -> bool:
        """Pods with nothing to do end a turn after they were bound: about as long as a kubelet takes."""
        due, self._ending, self._bound = self._ending, self._bound, []
        for pod in due:
            self._due(pod)
        return bool(due or self._ending)

    def _attach(self, pod: Pod) -> None:
        row = self.scheduler.table.fleet.row.get(pod.template.node_name, UNBOUND)
        if row != UNBOUND:
            self.scheduler.attach(pod, row)
            self._start(pod)

    def _due(self, what: Any) -> None:
        if not isinstance(what, Pod):
            self._touch(what)
        elif not what.deleted:
            self._end(what)

    def _end(self, pod: Pod) -> None:
        """A pod has ended by itself; who wants pods that run has another made in its place."""
        killed = pod.template.verdict is Verdict.OOM_KILLED
        if killed:
            self.recorder.killed(pod, 0, self._now_s)
        pod.phase, pod.ready, pod.ended_s = Phase.FAILED if killed else Phase.SUCCEEDED, False, self._now_s
        self.scheduler.forget(pod)
        if pod.owner.kind not in ("Job", "Pod"):
            self._remove([pod])
        self._touch(pod.owner)

    def _tell_kills(self, pod: Pod) -> None:
        if self.recorder.wanted and pod.is_crash_looping:
            restarts, last_s = crash_loop(self._now_s - pod.started_s)
            self.recorder.killed(pod, restarts, pod.started_s + last_s)

    def _touch(self, owner: Any) -> None:
        top = getattr(owner, "parent", None) or owner
        if top in self._live:
            self._unsettled[top] = None

    def _lifetime_s(self, owner: Any) -> float | None:
        """How long the next pod of a workload runs; Jobs' pods end at once where nothing is known."""
        top = getattr(owner, "parent", None) or owner
        lifetime_s = None if self._lifetimes is None else self._lifetimes(top)
        if lifetime_s is None:
            return 0.0 if owner.kind == "Job" else None
        # Lives are known by the second; a pod that is replaced when it ends lives at least one.
        return lifetime_s if owner.kind in ("Job", "Pod") else max(lifetime_s, 1.0)

    # --- objects and names -------------------------------------------------------------------------------------------

    def _made(self, asked: Asked | Record) -> Any:
        if isinstance(asked, Asked):
            return Deployment(asked)
        match asked.kind:
            case "ReplicaSet":
                template, replicas, min_ready_s = asked.spec
                made = ReplicaSet.make(asked.ref, template, replicas, self)
                made.min_ready_s = min_ready_s
                return made
            case "StatefulSet":
                return StatefulSet(asked.spec, np.zeros(self.nodes, dtype=np.int64))
            case "DaemonSet":
                return DaemonSet(asked.spec, self.scheduler.table.nodes)
            case "Job":
                return Job(asked.spec)
            case "CronJob":
                return CronJob(asked.spec, self._now_s)
            case _:
                return BarePod(asked.spec, asked.ref)

    def _name(self, owner: Any) -> str:
        """A name as the API server generates them; only made where somebody may see it."""
        if not self.recorder.wanted:
            return ""
        ref: WorkloadRef = owner.ref
        key = (owner.kind, str(ref))
        self._names[key] = number = self._names.get(key, 0) + 1
        digest = hashlib.sha256(f"{key}{number}".encode()).digest()
        letters = "bcdfghjklmnpqrstvwxz2456789"
        return f"{ref.name}-{''.join(letters[byte % len(letters)] for byte in digest[:5])}"

    def _tell(self, pod: Pod, reason: str, verb: str) -> None:
        owner = pod.owner
        if not self.recorder.wanted or owner.kind == "Pod":
            return
        text = f"{verb} pod: {pod.name}"
        if owner.kind == "StatefulSet":
            text = f"{verb[:-1].lower()} Pod {pod.name} in StatefulSet {owner.ref.name} successful"
        source = f"{owner.kind.lower()}-controller"
        self.recorder.owner(owner.kind, owner.ref.namespace, owner.ref.name, reason, text, source)


def _change(workload: Any, asked: Asked | Record) -> None:
    """Bring an existing object to what is asked now."""
    if isinstance(asked, Asked):
        workload.asked = asked
    elif isinstance(workload, ReplicaSet):
        workload.template, workload.replicas, workload.min_ready_s = asked.spec
    elif isinstance(workload, Job):
        # Of a Job only the parallelism and the suspension can change.
        workload.spec = replace(workload.spec, parallelism=asked.spec.parallelism, suspended=asked.spec.suspended)
    elif not isinstance(workload, BarePod):
        workload.spec = asked.spec
    elif workload.member is None:
        workload.template, workload.wanted = asked.spec, True
