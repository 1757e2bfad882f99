"""Pods: where they are, and what becomes of them there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from env.engine.pod_template import PodTemplate

UNBOUND = -1


class Phase(StrEnum):
    """`status.phase`, as the API server shows it."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"


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
        started_s: When it was bound, seconds on the virtual clock.
        nominated: Row of the node that was cleared for it by preemption.
        queued: Order in which the scheduler takes pods of equal priority.
        attempts: How often the scheduler tried and found no node.
        failed_s: When it last did.
        deleted: It is gone.
        restarts: How often its killed container was restarted.
        lifetime_s: It ends successfully so long after its start; None: it runs for ever.
        ordinal: Its place in a StatefulSet.
    """

    template: PodTemplate
    owner: Any
    number: int
    name: str = ""
    phase: Phase = Phase.PENDING
    ready: bool = False
    row: int = UNBOUND
    started_s: float = 0.0
    nominated: int = UNBOUND
    queued: int = 0
    attempts: int = 0
    failed_s: float = 0.0
    deleted: bool = False
    restarts: int = 0
    lifetime_s: float | None = None
    ordinal: int = field(default=0)

    @property
    def holds(self) -> bool:
        """Whether it takes resources from a node."""
        return self.row != UNBOUND and not self.deleted and self.phase is not Phase.SUCCEEDED
