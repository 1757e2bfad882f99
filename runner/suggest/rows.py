"""What is said of each workload, and of all together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from env.embedded.left_out import LeftOut
from env.embedded.survey import WorkloadState
from env.problems.nodes import NodePools
from env.snapshot.now import WorkloadNow
from env.usage.usage import ContainerKey

Key = tuple[str, str, str]
"""Kind, namespace and name."""


@dataclass(frozen=True)
class Row:
    """One workload.

    Attributes:
        before: As it is given.
        after: With all proposals in place.
        patch: A strategic merge patch of its manifest; None: nothing is proposed.
        changes: What that changes, as `cpu 17 -> 16`.
        now: How it is by its cluster's own word; None: nothing is known of that.
        note: Why nothing is proposed for a workload that is not whole, or what a proposal does besides.
        sizes: Which requests are too little or too much for what is used, as `cpu needs 120m, has 1`.
        left_out: What concerns it and was not simulated; only of workloads that are not whole.
        why_not: Why no action helps it, or what any would break, in whole sentences.
    """

    before: WorkloadState
    after: WorkloadState
    now: WorkloadNow | None = None
    patch: dict[str, Any] | None = None
    changes: tuple[str, ...] = ()
    note: str = ""
    sizes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    why_not: tuple[str, ...] = ()

    @property
    def cpu_m(self) -> int:
        """CPU that all its pods request more than as given; negative for less."""
        return self.after.wanted * self.after.cpu_m - self.before.wanted * self.before.cpu_m

    @property
    def memory_bytes(self) -> int:
        """The same for memory."""
        return self.after.wanted * self.after.memory_bytes - self.before.wanted * self.before.memory_bytes

    @property
    def is_ready(self) -> bool:
        """Whether it is whole as given: by its cluster's own word, else in the replay."""
        return not self.before.lacking if self.now is None else self.now.is_whole

    @property
    def disagrees(self) -> bool:
        """Whether the cluster and the replay do not say the same of it."""
        return self.is_ready == bool(self.before.lacking)

    @property
    def stays(self) -> bool:
        """Whether it is not whole with all proposals either; what the cluster says against the replay counts."""
        return not self.is_ready if self.disagrees else bool(self.after.lacking)

    @property
    def is_broken(self) -> bool:
        """Whether the proposals take it the room that it has."""
        return self.after.lacking > self.before.lacking

    @property
    def has_something(self) -> bool:
        """Whether there is something to say of it: it is not whole, or something is proposed."""
        return bool(self.before.lacking or self.after.lacking or self.patch or self.disagrees or self.sizes)


@dataclass(frozen=True)
class Answer:
    """Every workload of a trace, worst first.

    Attributes:
        rows: Those that stay not whole, then those that become whole, then the others.
        nodes: Where they run.
        unknown: Containers of which the use of CPU, of memory or of both is not known.
        left_out: What concerns the workloads and was not simulated; of very many workloads only of those that are not
            whole.
    """

    rows: tuple[Row, ...]
    nodes: NodePools
    unknown: tuple[ContainerKey, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def requested(self) -> tuple[int, int]:
        """CPU in millicores and memory in bytes that all pods request as given."""
        states = [row.before for row in self.rows]
        return (
            sum(state.wanted * state.cpu_m for state in states),
            sum(state.wanted * state.memory_bytes for state in states),
        )

    @property
    def failing(self) -> tuple[Row, ...]:
        """Workloads that are not whole as given."""
        return tuple(row for row in self.rows if not row.is_ready)

    @property
    def staying(self) -> tuple[Row, ...]:
        """Workloads that are not whole with all proposals either."""
        return tuple(row for row in self.rows if row.stays)

    @property
    def proposals(self) -> tuple[Row, ...]:
        """Those for which something is proposed."""
        return tuple(row for row in self.rows if row.patch)


def lacking_more(states: Iterable[WorkloadState], given: Mapping[Key, WorkloadState]) -> list[str]:
    """The names of workloads that lack more pods than as given."""
    return [str(state.workload) for state in states if state.key in given and state.lacking > given[state.key].lacking]
