"""What is known of each container's use. None is "unknown" and never zero.

A figure is of one container of one pod: where a workload has several pods, that of the pod that used the most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from env.usage.series import UseSeries

UNKNOWN_SOURCE = ""


class ContainerKey(NamedTuple):
    """A container of a workload's pods.

    Attributes:
        kind: The workload's, such as "Deployment".
        namespace, workload: Where it is, and its name.
        container: The container's name.
    """

    kind: str
    namespace: str
    workload: str
    container: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.workload} container {self.container}"


@dataclass(frozen=True)
class ContainerUse:
    """What a container uses while it works.

    Attributes:
        cpu_m: CPU, millicores: what it used at most in 95 % of the time of its busiest day; None: unknown.
        memory_bytes: The most memory that it used, its working set, in which page cache counts; None: unknown.
        resident_bytes: The most memory without page cache that is not mapped; None: not measured apart.
        is_floor: It was OOM-killed, so it needs more memory than it was ever seen to use.
        cpu_is_floor: Its CPU limit held it back, so it may need more CPU than it used.
        scaled_by: Resources, "cpu" or "memory", by whose share of the requests an autoscaler sets the replicas.
        is_partial: The source left something out, so the figures may be too small.
        source: Where the figures are from, for messages, such as "Prometheus"; empty where all is unknown.
        window_s: Seconds from the first measurement to the last; 0: one look; None: unknown.
        samples: Measurements of memory that were looked at; None: unknown.
        pods: Pods that were measured; None: unknown.
        proposed_bytes: The memory to request by weeks of use, where they were tested; None: by the rule of `enough.py`.
    """

    cpu_m: int | None = None
    memory_bytes: int | None = None
    resident_bytes: int | None = None
    is_floor: bool = False
    cpu_is_floor: bool = False
    scaled_by: frozenset[str] = frozenset()
    is_partial: bool = False
    source: str = UNKNOWN_SOURCE
    window_s: float | None = None
    samples: int | None = None
    pods: int | None = None
    proposed_bytes: int | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything is."""
        return self.cpu_m is not None or self.memory_bytes is not None


UNKNOWN = ContainerUse()
"""Of a container without data."""


@dataclass(frozen=True)
class Usage:
    """What containers use, and what is not known.

    Attributes:
        uses: By container; those without data are not in it.
        missing: Containers that were asked for and have no data.
        notes: What a reader has to know about the figures, a printable sentence each.
        series: Samples over time, of containers of which the source has them.
    """

    uses: Mapping[ContainerKey, ContainerUse] = field(default_factory=dict)
    missing: tuple[ContainerKey, ...] = ()
    notes: tuple[str, ...] = ()
    series: Mapping[ContainerKey, UseSeries] = field(default_factory=dict)

    def of(self, key: ContainerKey) -> ContainerUse:
        """What is known of a container; UNKNOWN where nothing is."""
        return self.uses.get(key, UNKNOWN)

    def before(self, other: Usage) -> Usage:
        """Both: the figures of `other` only of containers that this one knows nothing of."""
        uses = {**other.uses, **{key: use for key, use in self.uses.items() if use.is_known}}
        missing = tuple(key for key in dict.fromkeys(self.missing + other.missing) if key not in uses)
        series = {**{key: each for key, each in other.series.items() if key not in self.uses}, **self.series}
        notes = tuple(dict.fromkeys(self.notes + other.notes))
        return replace(self, uses=uses, missing=missing, notes=notes, series=series)
