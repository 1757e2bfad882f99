"""The scheduler's queue: in which order pods are tried, and which of those that failed are tried again.

Follows kubernetes 1.36 `pkg/scheduler/backend/queue` (`scheduling_queue.go`, `backoff_queue.go`).
"""

from __future__ import annotations

from collections.abc import Callable

from env.engine.pods import Pod

_LONGEST_BACKOFF_S = 10.0


class SchedulingQueue:
    """Pods that wait for a node.

    Args:
        clock: The time in seconds.

    Attributes:
        waiting: Those that are unschedulable for now.
        lowest: The lowest priority that any pod had so far.
        freed: A pod has left a node since the last `retry`.
        bound: A pod was bound since then.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waiting: dict[Pod, None] = {}
        self.lowest = 2**31
        self.freed = False
        self.bound = False
        self._active: list[Pod] = []
        self._backing_off: list[Pod] = []
        self._clock = clock
        self._queued = 0

    def __bool__(self) -> bool:
        return bool(self._active or self._backing_off)

    @property
    def priority(self) -> int | None:
        """That of the first pod that waits to be tried; None where none does."""
        return self._active[0].template.priority if self._active else None

    def add(self, pod: Pod) -> None:
        """Queue a new pod."""
        self.lowest = min(self.lowest, pod.template.priority)
        if pod.template.unscheduled:
            self.waiting[pod] = None
            return
        self._queued += 1
        pod.queued = self._queued
        self._active.append(pod)

    def fail(self, pod: Pod) -> None:
        """Take back a pod that fits nowhere now."""
        pod.attempts += 1
        pod.failed_s = self._clock()
        self._queued += 1
        pod.queued = self._queued
        self.waiting[pod] = None

    def retry(self) -> bool:
        """Queue the pods again that failed before something changed that may help them; whether there are any.

        Those whose back-off is over come first, in order of their last attempt; then the others by when it would be
        over: the scheduler does not let them wait while it has nothing else to do (SchedulerPopFromBackoffQ).
        """
        freed, bound, self.freed, self.bound = self.freed, self.bound, False, False
        if not ((freed or bound) and self.waiting):
            return False
        again = [pod for pod in self.waiting if not pod.template.unscheduled and (freed or _minds_others(pod))]
        for pod in again:
            del self.waiting[pod]
        now_s = self._clock()
        self._active += [pod for pod in again if _backed_off_s(pod) <= now_s]
        self._backing_off += [pod for pod in again if _backed_off_s(pod) > now_s]
        return bool(again)

    def take(self) -> list[Pod]:
        """Empty the queue: higher priority first, then in order of queueing; after them those that back off."""
        queue, self._active = [pod for pod in self._active if not pod.deleted], []
        late, self._backing_off = [pod for pod in self._backing_off if not pod.deleted], []
        if len(queue) > 1:
            queue.sort(key=lambda pod: (-pod.template.priority, pod.queued))
        if len(late) > 1:
            late.sort(key=lambda pod: (_backed_off_s(pod) // 1, -pod.template.priority, pod.queued))
        return queue + late


def _minds_others(pod: Pod) -> bool:
    """Whether pods that were bound may have made room: only where affinity or spreading refuses."""
    template = pod.template
    return bool(template.affinity or any(each.hard for each in template.spread))


def _backed_off_s(pod: Pod) -> float:
    """When the pod's back-off is over: 1 s after its first attempt, doubling to 10 s."""
    return pod.failed_s + min(2.0 ** min(pod.attempts - 1, 4), _LONGEST_BACKOFF_S) if pod.attempts else 0.0
