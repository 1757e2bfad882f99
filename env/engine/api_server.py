"""What controllers work with: pods and their events, on a virtual clock.

A pod that is deleted goes at once if it has no node, no grace period, or has ended; otherwise it leaves when its
kubelet has answered: kubernetes 1.36 `pkg/registry/core/pod/strategy.go` (`CheckGracefulDelete`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from env.engine.admission import Admission, Refusal
from env.engine.budget import ReplayBudget
from env.engine.events import EventRecorder
from env.engine.kubelets import Kubelets
from env.engine.lots import Lots
from env.engine.manifests.pod_template import PodTemplate
from env.engine.names import PodNames
from env.engine.pods import UNBOUND, Pod
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
        kubelet_s: See `ControlPlane`.
        lots: Decide what is chance; None: every replay is the same.

    Attributes:
        now_s: The virtual clock, seconds (unix time while a trace is replayed).
        recorder: Takes events.
        scheduler: Binds pods to nodes.
        kubelets: Run them there.
        timers: What falls due later.
        budget: Counts the work.
        admission: Changes new pods, or refuses them.
        names: Of pods.
        live: The workloads that there are, in order.
        orphans: Pods that no controller owns, in order.
        unsettled: Those whose controller has something to look at, in order.
        amid_batches: Those whose controller makes further pods once the next object was applied: see `batch`.
        lots: As given.
    """

    def __init__(
        self,
        cluster: ClusterShape,
        *,
        now_s: float = 0.0,
        events: bool = False,
        lifetimes: Lifetimes | None = None,
        kubelet_s: float = 0.0,
        lots: Lots | None = None,
    ) -> None:
        self.now_s = now_s
        self.lots = lots or Lots()
        self.recorder = EventRecorder(lambda: self.now_s, wanted=events)
        self.budget = ReplayBudget()
        self.scheduler = Scheduler(cluster, self.recorder, lambda: self.now_s, self.budget, self.lots)
        self.kubelets = Kubelets(self, kubelet_s)
        self.timers = Timers()
        self.admission = Admission()
        self.names = PodNames()
        self.live: dict[Workload, None] = {}
        self.orphans: dict[Pod, None] = {}
        self.unsettled: dict[Workload, None] = {}
        self.amid_batches: dict[Workload, None] = {}
        self._batch_sizes: dict[Workload, int] = {}
        self._lifetimes = lifetimes
        self._refused: dict[str, dict[Workload, None]] = {}  # by namespace, whose last pod was refused
        self._created = 0
        self._pods = 0

    # --- what controllers do -----------------------------------------------------------------------------------------

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.scheduler.bound.table)

    def batch(self, owner: PodOwner, missing: int) -> int:
        """How many of the missing pods a controller makes in one go: 1, then 2, 4, … (`slowStartBatch`).

        The next object exists before the next batch, as both take some ten milliseconds. Unless races are drawn, the
        ReplicaSet of a Deployment makes all of them at once: most recordings look as if it did.
        """
        if not self.lots.drawn and owner.parent is not None:
            return missing
        size = min(missing, self._batch_sizes.pop(owner, 1))
        if size < missing:
            self._batch_sizes[owner] = 2 * size
            if not self.lots.drawn:
                self.amid_batches[owner] = None
        return size

    def create_pod(self, template: PodTemplate, owner: PodOwner, *, name: str = "", ordinal: int = 0) -> Pod | None:
        """Make a pod and queue it for scheduling; without `name` it gets a generated one.

        None if admission refuses it: then its controller is told to try again when that may have changed.

        Raises:
            ClusterError: More than MAX_PODS.
        """
        self.budget.spend(_LOOKS_PER_POD)
        admitted = self.admission.admit(template)
        if isinstance(admitted, Refusal):
            self._refuse(owner, name or self._name(owner), admitted)
            return None
        self._pods += 1
        if self._pods > MAX_PODS:
            raise ClusterError(f"{self._pods} pods: the embedded cluster simulates at most {MAX_PODS}")
        self._created += 1
        pod = Pod(admitted, owner, self._created, name or self._name(owner), ordinal=ordinal, created_s=self.now_s)
        self.admission.charge(pod)
        pod.lifetime_s = self._lifetime_s(owner)
        if name:
            self.names.take(pod)
        if owner.kind == "Pod":
            self.orphans[pod] = None
            self.unsettled |= {each: None for each in self.live if each.selects(pod)}
        self._record(pod, "SuccessfulCreate", "Created")
        if admitted.node_name:
            self._attach(pod)
        else:
            self.scheduler.queue.add(pod)
        return pod

    def delete_pods(self, pods: Iterable[Pod]) -> None:
        """Delete a controller's pods, and record an event."""
        leaving = list(pods)
        for pod in leaving:
            self._record(pod, "SuccessfulDelete", "Deleted")
        self.terminate(leaving)

    def claim(self, owner: PodOwner) -> list[Pod]:
        """Let a controller acquire the pods that it selects and no controller owns (`ClaimPods`)."""
        found = [pod for pod in self.orphans if not pod.leaving and owner.selects(pod)]
        for pod in found:
            del self.orphans[pod]
            pod.adopted = True
            self.scheduler.bound.give(pod, owner)
        return found

    def change_pod(self, pod: Pod, asked: PodTemplate, bare: PodOwner) -> None:
        """Change what a pod may change: its labels; and its scheduling gates may go.

        A controller releases a pod that it no longer selects (`ClaimPods`): it is `bare`'s again.
        """
        gated = pod.template.unscheduled and asked.unscheduled
        self.scheduler.change(pod, replace(pod.template, labels=asked.labels, unscheduled=gated))
        if (owner := pod.owner) is not bare and not owner.selects(pod):
            self.scheduler.bound.give(pod, bare)
            pod.adopted = False
            self.orphans[pod] = None
            owner.forget({pod})
            self.touch(owner)
        if pod in self.orphans:
            self.unsettled |= {each: None for each in self.live if each.selects(pod)}

    def wake(self, workload: Workload, at_s: float, *, matters: bool = True) -> None:
        """Sync the workload again at that time; `matters`: the cluster is not at rest before."""
        self.timers.set(workload, at_s, matters=matters)

    # --- what garbage collection, preemption and kubelets do ---------------------------------------------------------

    def terminate(self, pods: Iterable[Pod]) -> None:
        """Delete pods: those that are on a node leave when its kubelet has answered, others go at once."""
        running: dict[PodOwner, set[Pod]] = {}
        others: list[Pod] = []
        for pod in pods:
            if not (pod.holds and pod.template.graceful):
                others.append(pod)
            elif not pod.leaving:
                pod.leaving, pod.ended_s = True, self.now_s
                self.scheduler.bound.leave(pod)
                running.setdefault(pod.owner, set()).add(pod)
                self.kubelets.tell([pod])
        for owner, leaving in running.items():
            owner.forget(leaving)
            self.touch(owner)
        self.remove(others)

    def remove(self, pods: Iterable[Pod]) -> None:
        """Pods are gone."""
        gone: dict[PodOwner, set[Pod]] = {}
        for pod in pods:
            self.kubelets.record_kills(pod)
            pod.deleted = True
            if pod.lifetime_s:
                self.timers.unset(pod, pod.started_s + pod.lifetime_s)
            self._pods -= 1
            self.release(pod)
            self.scheduler.forget(pod)
            self.orphans.pop(pod, None)
            if (waiting := self.names.free(pod)) in self.live:
                self.unsettled[waiting] = None
            gone.setdefault(pod.owner, set()).add(pod)
        for owner, members in gone.items():
            owner.forget(members)
            self.touch(owner)

    def schedule(self) -> bool:
        """Work off the scheduler's queue; whether there was one."""
        if not self.scheduler.queue:
            return False
        self.kubelets.tell(self.scheduler.run())
        preemption = self.scheduler.preemption
        victims, preemption.victims = preemption.victims, {}
        self.terminate([pod for pod in victims if not pod.deleted])
        return True

    def retry(self) -> bool:
        """Let the scheduler try pods again that may fit now; whether there are any."""
        return self.scheduler.queue.retry() and self.schedule()

    def fall_due(self, what: Workload | Pod) -> None:
        """A timer has run out: a pod ends, or a workload is looked at again."""
        if isinstance(what, Pod):
            self.kubelets.end(what)
        elif what in self.live:
            self.unsettled[what] = None

    def touch(self, owner: PodOwner) -> None:
        """A pod of it has changed, so its controller looks at it: at once, or after it has collected more changes."""
        top = owner.parent or owner
        if top not in self.live:
            return
        if owner.batch_s:
            self.timers.set(top, self.now_s + owner.batch_s)
        else:
            self.unsettled[top] = None

    def release(self, pod: Pod) -> None:
        """A pod has ended or is gone, which may leave room in a quota for pods that were refused."""
        if self.admission.release(pod):
            self.admit_again(pod.template.namespace)

    def admit_again(self, namespace: str) -> None:
        """Let controllers try pods again that were refused; a real cluster's wait for their back-off."""
        for top in self._refused.pop(namespace, {}):
            if top in self.live:
                self.unsettled[top] = None

    def _refuse(self, owner: PodOwner, name: str, refusal: Refusal) -> None:
        self._refused.setdefault(owner.ref.namespace, {})[owner.parent or owner] = None
        self.amid_batches.pop(owner, None)
        self._batch_sizes.pop(owner, None)
        kind, source = owner.kind, f"{owner.kind.lower()}-controller"
        if kind == "Pod":
            return
        text = f"Error creating: {refusal.message(name)}"
        if kind == "StatefulSet":
            text = f"Create Pod {name} in StatefulSet {owner.ref.name} failed error: {refusal.message(name)}"
        self.recorder.owner(kind, owner.ref.namespace, owner.ref.name, "FailedCreate", text, source, warning=True)

    def _attach(self, pod: Pod) -> None:
        row = self.scheduler.bound.table.set.row.get(pod.template.node_name, UNBOUND)
        if row != UNBOUND:
            self.scheduler.attach(pod, row)
            self.kubelets.tell([pod])

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
        return self.names.generate(owner) if self.recorder.wanted else ""

    def _record(self, pod: Pod, reason: str, verb: str) -> None:
        owner = pod.owner
        if not self.recorder.wanted or owner.kind == "Pod":
            return
        text = f"{verb} pod: {pod.name}"
        if owner.kind == "StatefulSet":
            text = f"{verb[:-1]} Pod {pod.name} in StatefulSet {owner.ref.name} successful"
        source = f"{owner.kind.lower()}-controller"
        self.recorder.owner(owner.kind, owner.ref.namespace, owner.ref.name, reason, text, source)
