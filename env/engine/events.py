"""Events as the API server would show them.

Equal events are counted as in kubernetes 1.36 `staging/src/k8s.io/client-go/tools/record/events_cache.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import NAMESPACE_OID, uuid5

from env.engine.pods import Pod

_LONGEST_NOTE = 1024  # the API server cuts longer ones


@dataclass(frozen=True)
class Event:
    """One event, or several equal ones.

    Attributes:
        time_s: When it last happened, seconds on the virtual clock.
        kind: Of the object that it is about.
        namespace: Of that object.
        name: Of that object.
        reason: One word in CamelCase.
        message: The note.
        warning: Type Warning; otherwise Normal.
        source: The component that reports it.
        count: How often it happened.
    """

    time_s: float
    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    warning: bool
    source: str
    count: int = 1


class EventRecorder:
    """Collects events, or none if they are not wanted. An event that happens again is counted, as client-go does.

    Args:
        clock: The time in seconds.
        wanted: Whether to collect.
    """

    def __init__(self, clock: Callable[[], float], *, wanted: bool) -> None:
        self.wanted = wanted
        self._clock = clock
        self._events: dict[tuple[str, ...], Event] = {}

    @property
    def events(self) -> list[Event]:
        """All events, in order of when they last happened."""
        return sorted(self._events.values(), key=lambda event: event.time_s)

    def scheduled(self, pod: Pod, node: str) -> None:
        """The scheduler has bound a pod."""
        if self.wanted:
            text = f"Successfully assigned {pod.template.namespace}/{pod.name} to {node}"
            self._of_pod(pod, "Scheduled", text, "default-scheduler")

    def failed_scheduling(self, pod: Pod, text: str) -> None:
        """The scheduler has found no node for a pod."""
        if self.wanted:
            self._of_pod(pod, "FailedScheduling", text, "default-scheduler", warning=True)

    def preempted(self, victim: Pod, preemptor: Pod, node: str) -> None:
        """A pod goes for one of higher priority."""
        if self.wanted:
            text = f"Preempted by pod {pod_uid(preemptor)} on node {node}"
            self._of_pod(victim, "Preempted", text, "default-scheduler")

    def starved(self, pod: Pod) -> None:
        """The pod runs, but gets too little CPU to become Ready; as SimKube's pods of ours say it."""
        if self.wanted:
            text = "Readiness probe failed: a container asks for less CPU than it uses"
            self._of_pod(pod, "Unhealthy", text, "kubelet", warning=True)

    def killed(self, pod: Pod, restarts: int, at_s: float) -> None:
        """The container used more memory than it may, and was restarted so often, the last time at `at_s`.

        Kubelet shows the kill in the container's last state only; the event OOMKilled says it where
        people look first.
        """
        if self.wanted:
            name = f"{pod.template.killed_container} in pod {pod.name}_{pod.template.namespace}({pod_uid(pod)})"
            for reason, text, count in (
                ("OOMKilled", f"Container {name} exceeded its memory", restarts + 1),
                ("BackOff", f"Back-off restarting failed container {name}", restarts),
            ):
                if count:
                    event = Event(at_s, "Pod", pod.template.namespace, pod.name, reason, text, True, "kubelet", count)
                    self._events[_key(event)] = event

    def owner(
        self, kind: str, namespace: str, name: str, reason: str, text: str, source: str, *, warning: bool = False
    ) -> None:
        """An event of a controller about its own object."""
        if self.wanted:
            self._add(Event(self._clock(), kind, namespace, name, reason, text[:_LONGEST_NOTE], warning, source))

    def _of_pod(self, pod: Pod, reason: str, text: str, source: str, *, warning: bool = False) -> None:
        note = text[:_LONGEST_NOTE]
        self._add(Event(self._clock(), "Pod", pod.template.namespace, pod.name, reason, note, warning, source))

    def _add(self, event: Event) -> None:
        key = _key(event)
        before = self._events.pop(key, None)
        self._events[key] = event if before is None else replace(event, count=before.count + 1)


def _key(event: Event) -> tuple[str, ...]:
    return event.kind, event.namespace, event.name, event.reason, event.message


def pod_uid(pod: Pod) -> str:
    """A uid that is the same in every replay."""
    return str(uuid5(NAMESPACE_OID, f"{pod.template.namespace}/{pod.name}/{pod.number}"))
