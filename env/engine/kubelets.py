"""Kubelets: what they make of the pods that are bound to their nodes, and of those that are deleted there.

A kubelet answers a while after it was told. Until then a bound pod is not Ready, and a deleted one holds its node's
room. Follows no Kubernetes source: the pods run nothing, as on nodes of KWOK.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from env.demand import Shortage
from env.engine.pods import Phase, Pod, crash_loop

if TYPE_CHECKING:
    from env.engine.api_server import ApiServer

# The scheduler acts after each pod that goes; where many go at once, after a share of them.
_MOST_LOOKS = 64


class Kubelets:
    """All kubelets of a cluster.

    Args:
        api: Where they read and write pods.
        latency_s: From the binding or the deletion of a pod to its kubelet's answer. With 0 they answer in the same
            instant, but after controllers and scheduler have nothing left to do.
    """

    def __init__(self, api: ApiServer, latency_s: float) -> None:
        self._api = api
        self._latency_s = latency_s
        self._told: deque[tuple[float, Pod]] = deque()

    def tell(self, pods: Iterable[Pod]) -> None:
        """Pods were bound, or deleted, just now."""
        due_s = self._api.now_s + self._latency_s
        self._told.extend((due_s, pod) for pod in pods)

    def next_s(self) -> float:
        """When the next one answers; infinity where none has anything to do."""
        return self._told[0][0] if self._told else math.inf

    def answer(self) -> bool:
        """All that are due answer, one pod after the other; whether there were any.

        The scheduler sees every pod that goes or ends, and tries the pods that wait before the next one goes.
        Controllers need longer: they act when all have answered.
        """
        api, due = self._api, []
        while self._told and self._told[0][0] <= api.now_s:
            due.append(self._told.popleft()[1])
        share = max(1, -(-sum(pod.leaving or self._ends_at_once(pod) for pod in due) // _MOST_LOOKS))
        going, freed = list[Pod](), 0
        for pod in due:
            if pod.deleted:
                continue
            if pod.leaving:
                going.append(pod)
            elif pod.phase is not Phase.PENDING or not self._start(pod):
                continue
            freed += 1
            if freed % share == 0:
                api.remove(going)
                going = []
                api.retry()
        api.remove(going)
        return bool(due)

    def end(self, pod: Pod) -> None:
        """A pod ends by itself; all controllers but a Job's make another in its place."""
        if pod.deleted:
            return
        api = self._api
        killed = pod.template.shortage is Shortage.OOM_KILLED
        if killed:
            api.recorder.killed(pod, 0, api.now_s)
        pod.phase, pod.ready, pod.ended_s = Phase.FAILED if killed else Phase.SUCCEEDED, False, api.now_s
        if pod.leaving or pod.owner.kind not in ("Job", "Pod"):
            api.remove([pod])
        else:
            api.release(pod)
            api.scheduler.forget(pod)
            api.touch(pod.owner)

    def record_kills(self, pod: Pod) -> None:
        """Record how often a pod's container was OOM-killed by now."""
        api = self._api
        if api.recorder.wanted and pod.is_crash_looping:
            restarts, last_s = crash_loop(api.now_s - pod.started_s)
            api.recorder.killed(pod, restarts, pod.started_s + last_s)

    def _start(self, pod: Pod) -> bool:
        """Run a pod; whether it has ended already."""
        api, verdict = self._api, pod.template.shortage
        pod.phase = Phase.RUNNING
        pod.started_s = api.now_s
        if self._ends_at_once(pod):
            self.end(pod)
            return True
        pod.ready = verdict is None
        if verdict is Shortage.CPU_STARVED:
            api.recorder.starved(pod)
        if pod.lifetime_s is not None and not pod.is_crash_looping:
            api.timers.set(pod, api.now_s + pod.lifetime_s)
        api.touch(pod.owner)
        return False

    def _ends_at_once(self, pod: Pod) -> bool:
        """Whether it has nothing to do, or is killed and not restarted."""
        if pod.template.shortage is Shortage.OOM_KILLED:
            return pod.template.restart_policy == "Never"
        return pod.lifetime_s == 0
