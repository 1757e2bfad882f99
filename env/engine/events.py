"""Events as the API server would show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """

    time_s: float
    kind: str
    namespace: str
    name: str
    reason: str
    message: str
    warning: bool
    source: str


class Recorder:
    """Collects events; does nothing where nobody wants them.

    Args:
        clock: The time in seconds.
        wanted: Whether to collect.
    """

    def __init__(self, clock: Callable[[], float], *, wanted: bool) -> None:
        self.wanted = wanted
        self.events: list[Event] = []
        self._clock = clock

    def scheduled(self, pod: Pod, node: str) -> None:
        if self.wanted:
            text = f"Successfully assigned {pod.template.namespace}/{pod.name} to {node}"
            self._of_pod(pod, "Scheduled", text, "default-scheduler")

    def failed_scheduling(self, pod: Pod, text: str) -> None:
        if self.wanted:
            self._of_pod(pod, "FailedScheduling", text, "default-scheduler", warning=True)

    def preempted(self, victim: Pod, preemptor: Pod, node: str) -> None:
        if self.wanted:
            text = f"Preempted by pod {preemptor.template.namespace}/{preemptor.name} on node {node}"
            self._of_pod(victim, "Preempted", text, "default-scheduler")

    def killed(self, pod: Pod, restarts: int) -> None:
        """The container used more memory than it may, and was restarted `restarts` times so far."""
        if self.wanted:
            name = f"{pod.template.killed_container} in pod {pod.name}_{pod.template.namespace}"
            self._of_pod(pod, "OOMKilled", f"Container {name} exceeded its memory", "kubelet", warning=True)
            if restarts:
                self._of_pod(pod, "BackOff", f"Back-off restarting failed container {name}", "kubelet", warning=True)

    def owner(self, kind: str, namespace: str, name: str, reason: str, text: str, source: str) -> None:
        """An event of a controller about its own object."""
        if self.wanted:
            self.events.append(Event(self._clock(), kind, namespace, name, reason, text, False, source))

    def _of_pod(self, pod: Pod, reason: str, text: str, source: str, *, warning: bool = False) -> None:
        note = text[:_LONGEST_NOTE]
        self.events.append(Event(self._clock(), "Pod", pod.template.namespace, pod.name, reason, note, warning, source))
