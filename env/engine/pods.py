"""Pods: where they are, and what happens to them there.

The back-off of containers that fail follows kubernetes 1.36 `pkg/kubelet/kubelet.go` (`MaxCrashLoopBackOff`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from env.demand import Shortage
from env.engine.manifests.pod_template import PodTemplate
from env.engine.workload import PodOwner

UNBOUND = -1

# What kubelet waits before it restarts a container that failed again; `pkg/kubelet/kubelet.go`, MaxCrashLoopBackOff.
_BACKOFFS_S = (10.0, 20.0, 40.0, 80.0, 160.0)
_LONGEST_BACKOFF_S = 300.0


class Phase(StrEnum):
    """`status.phase`, as the API server shows it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(eq=False, slots=True)
class Pod:
    """A pod.

    Attributes:
        template: What it was made from.
        owner: The controller it belongs to; itself a key for names and counts.
        number: Order of creation in the cluster.
        name: Unique in its namespace.
        phase: See `Phase`.
        ready: Its condition Ready.
        row: Its node's row; UNBOUND while it has none.
        started_s: When its kubelet started it, seconds on the virtual clock; infinity until then.
        ended_s: When it succeeded or failed, or was deleted.
        nominated: Row of the node that was cleared for it by preemption.
        queued: Order in which the scheduler takes pods of equal priority.
        attempts: How often the scheduler tried and found no node.
        failed_s: When it last did.
        adopted: It was there before its controller, which acquired it.
        leaving: It is being deleted (`metadata.deletionTimestamp`), and holds its node until its kubelet has answered.
        preempted: It is being deleted for a pod of higher priority (condition DisruptionTarget).
        deleted: It is gone.
        lifetime_s: Seconds from its start to its successful end; None or infinity: it runs without end.
        ordinal: Its place in a StatefulSet.
        created_s: When it was made, seconds on the virtual clock.
    """

    template: PodTemplate
    owner: PodOwner
    number: int
    name: str = ""
    phase: Phase = Phase.PENDING
    ready: bool = False
    row: int = UNBOUND
    started_s: float = inf
    ended_s: float = 0.0
    nominated: int = UNBOUND
    queued: int = 0
    attempts: int = 0
    failed_s: float = 0.0
    adopted: bool = False
    leaving: bool = False
    preempted: bool = False
    deleted: bool = False
    lifetime_s: float | None = None
    ordinal: int = field(default=0)
    created_s: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether it takes resources from a node."""
        return self.row != UNBOUND and not self.deleted and not self.ended

    def is_available(self, min_ready_s: float, now_s: float) -> bool:
        """Whether it has been Ready for so many seconds, and stays."""
        return self.ready and not self.leaving and self.started_s + min_ready_s <= now_s

    @property
    def ended(self) -> bool:
        """Whether it runs no more, by itself."""
        return self.phase in (Phase.SUCCEEDED, Phase.FAILED)

    @property
    def is_crash_looping(self) -> bool:
        """Whether a container of it is OOM-killed again and again."""
        template = self.template
        killed = template.shortage is Shortage.OOM_KILLED
        return killed and self.phase is Phase.RUNNING and template.restart_policy != "Never"

    def restarts(self, now_s: float) -> int:
        """How often its killed container was restarted by a time."""
        return crash_loop(now_s - self.started_s)[0] if self.is_crash_looping else 0


def crash_loop(elapsed_s: float) -> tuple[int, float]:
    """(restarts, seconds of the last one) of a container that is killed at every start, `elapsed_s` after its first.

    It is restarted at once, then after 10 s, doubling to 300 s.
    """
    restarts, last_s = 1, 0.0
    for wait_s in _BACKOFFS_S:
        if elapsed_s < last_s + wait_s:
            return restarts, last_s
        restarts, last_s = restarts + 1, last_s + wait_s
    more = int((elapsed_s - last_s) // _LONGEST_BACKOFF_S)
    return restarts + more, last_s + more * _LONGEST_BACKOFF_S


def next_restart_s(elapsed_s: float) -> float:
    """When such a container is restarted next, seconds after its start."""
    restarts, last_s = crash_loop(elapsed_s)
    return last_s + (_BACKOFFS_S[restarts - 1] if restarts <= len(_BACKOFFS_S) else _LONGEST_BACKOFF_S)
