"""API server, controllers, scheduler and kubelets in one, in virtual time: apply or delete, settle, let time pass."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from env.demand import Verdict
from env.engine.cron_job import CronJob
from env.engine.daemon_set import DaemonSet
from env.engine.deployment import Deployment
from env.engine.events import Event, Recorder
from env.engine.job import Job
from env.engine.node import Node
from env.engine.objects import Record
from env.engine.plane import Workload
from env.engine.pod_template import PodTemplate
from env.engine.pods import UNBOUND, Phase, Pod
from env.engine.replica_set import ReplicaSet
from env.engine.scheduler import Scheduler, Surroundings
from env.engine.stateful_set import StatefulSet
from env.errors import ClusterError
from env.trace import WorkloadRef
from env.workload import Asked

MAX_PODS = 150_000  # the most that Kubernetes supports in one cluster
_MOST_ROUNDS = 10_000

Key = tuple[str, WorkloadRef]
Lifetimes = Callable[[Workload], float | None]


@dataclass(eq=False)
class BarePod:
    """A Pod that no controller owns."""

    template: PodTemplate
    ref: WorkloadRef
    member: Pod | None = None
    kind: str = "Pod"

    def pods(self) -> list[Pod]:
        return [self.member] if self.member is not None else []

    def sync(self, plane: Any) -> bool:
        if self.member is not None:
            return False
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
        lifetimes: How long the next pod of a workload runs; None, or None for it: Jobs' pods end at once, others never.
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
        self.scheduler = Scheduler(cluster, self.recorder, lambda: self._now_s)
        self.workloads: dict[Key, Any] = {}
        self._lifetimes = lifetimes
        self._unsettled: dict[Any, None] = {}
        self._timers: list[tuple[float, int, Any]] = []
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
        else:
            _change(workload, asked)
        self._unsettled[workload] = None
        self._act()

    def delete(self, kind: str, ref: WorkloadRef) -> None:
        """Remove an object and its pods; nothing happens when there is none."""
        workload = self.workloads.pop((kind, ref), None)
        self._unsettled.pop(workload, None)
        if workload is not None:
            self.delete_pods(workload.pods())
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
        """Let time pass: whatever falls due until then happens, in order."""
        while self._timers and self._timers[0][0] <= until_s:
            self._now_s = max(self._now_s, self._timers[0][0])
            while self._timers and self._timers[0][0] <= self._now_s:
                self._due(heapq.heappop(self._timers)[2])
            self._act()
            self.settle()
        self._now_s = max(self._now_s, until_s)

    @property
    def events(self) -> list[Event]:
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
        gone: dict[Any, set[Pod]] = {}
        for pod in pods:
            pod.deleted = True
            self._pods -= 1
            self.scheduler.forget(pod)
            self._tell(pod, "SuccessfulDelete", "Deleted")
            gone.setdefault(pod.owner, set()).add(pod)
        for owner, members in gone.items():
            owner.forget(members)
            self._touch(owner)

    def wake(self, workload: Any, at_s: float) -> None:
        """See `Plane`."""
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
        self.delete_pods([pod for pod in victims if not pod.deleted])
        return True

    def _start(self, pod: Pod) -> None:
        """The kubelet takes over."""
        pod.phase = Phase.RUNNING
        pod.started_s = self._now_s
        verdict = pod.template.verdict
        pod.ready = verdict is None
        if verdict is Verdict.OOM_KILLED:
            self.recorder.killed(pod, 1)
        elif pod.lifetime_s == 0:
            self._bound.append(pod)
        elif pod.lifetime_s is not None:
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
        if row == UNBOUND:
            self.scheduler.waiting[pod] = None
            return
        self.scheduler.attach(pod, row)
        self._start(pod)

    def _due(self, what: Any) -> None:
        if not isinstance(what, Pod):
            if (what.kind, what.ref) in self.workloads:
                self._unsettled[what] = None
        elif not what.deleted:
            what.phase, what.ready = Phase.SUCCEEDED, False
            self.scheduler.forget(what)
            self._touch(what.owner)

    def _touch(self, owner: Any) -> None:
        top = getattr(owner, "parent", None) or owner
        if (top.kind, top.ref) in self.workloads:
            self._unsettled[top] = None

    def _lifetime_s(self, owner: Any) -> float | None:
        """How long the next pod of a workload runs; Jobs' pods end at once where nothing is known."""
        top = getattr(owner, "parent", None) or owner
        lifetime_s = None if self._lifetimes is None else self._lifetimes(top)
        return 0.0 if lifetime_s is None and owner.kind == "Job" else lifetime_s

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
        if self.recorder.wanted and owner.kind != "Pod":
            source = f"{owner.kind.lower()}-controller"
            self.recorder.owner(
                owner.kind, owner.ref.namespace, owner.ref.name, reason, f"{verb} pod: {pod.name}", source
            )


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
