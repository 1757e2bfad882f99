"""Every workload of a trace: who is not whole and why, a proposal for each, and the verdict of all together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agents.agent import Agent
from env.embedded.left_out import LeftOut
from env.embedded.survey import WorkloadState
from env.interrupt import stopping_when
from env.problems.nodes import NodePools
from env.trace.document import Trace
from runner.suggest.effects import side_effects
from runner.suggest.patch import changes, strategic_patch
from runner.suggest.proposals import Planner, Progress, Proposals


@dataclass(frozen=True)
class Row:
    """One workload.

    Attributes:
        before: As it is given.
        after: With all proposals in place.
        patch: A strategic merge patch of its manifest; None: nothing is proposed.
        changes: What that changes, as `cpu 17 -> 16`.
        note: Why nothing is proposed for a workload that is not whole, or what a proposal does besides.
        left_out: What concerns it and was not simulated; only of workloads that are not whole.
        why_not: Why no action helps it, or what any would break, in whole sentences.
    """

    before: WorkloadState
    after: WorkloadState
    patch: dict[str, Any] | None = None
    changes: tuple[str, ...] = ()
    note: str = ""
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
    def has_something(self) -> bool:
        """Whether there is something to say of it: it is not whole, or something is proposed."""
        return bool(self.before.lacking or self.after.lacking or self.patch)


@dataclass(frozen=True)
class Answer:
    """Every workload of a trace, worst first.

    Attributes:
        rows: Those that stay not whole, then those that become whole, then the others.
        nodes: Where they run.
    """

    rows: tuple[Row, ...]
    nodes: NodePools

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
        return tuple(row for row in self.rows if row.before.lacking)

    @property
    def staying(self) -> tuple[Row, ...]:
        """Workloads that are not whole with all proposals either."""
        return tuple(row for row in self.rows if row.after.lacking)

    @property
    def proposals(self) -> tuple[Row, ...]:
        """Those for which something is proposed."""
        return tuple(row for row in self.rows if row.patch)


def answer(
    trace: Trace,
    nodes: NodePools,
    duration_s: float | None,
    agent: Agent,
    max_steps: int,
    *,
    lower: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Progress = lambda done, total, title: None,
) -> Answer:
    """Replay a trace, propose for each workload that is not whole, and replay all proposals together.

    Args:
        trace: The workloads.
        nodes: Where they run.
        duration_s: Seconds of the trace that are replayed; None: all of it, until all is at rest.
        agent: Who proposes.
        max_steps: The most steps that it takes for one workload.
        lower: Whether requests of which the use is not known go down even where some pods are Ready.
        should_stop: Asked before every step, and within replays.
        on_progress: Gets how many workloads have been planned, of how many, and the next one's name.

    Raises:
        ClusterError, TraceError, QuantityError: The trace cannot be replayed.
        Stopped: `should_stop` turned true.
    """
    with stopping_when(should_stop):
        planner = Planner(trace, nodes, duration_s, agent, max_steps, lower, should_stop, on_progress)
        before = planner.survey(trace)
        made = planner.proposals(before)
        after = {state.key: state for state in (planner.survey(made.trace) if made.asked else before)}
        rows = [_row(planner, made, state, after[state.key]) for state in before]
        return Answer(tuple(sorted(rows, key=_order)), nodes)


def _row(planner: Planner, made: Proposals, before: WorkloadState, after: WorkloadState) -> Row:
    reply = made.replies.get(before.key)
    note = reply.note if reply is not None else ""
    left_out, why_not = (reply.left_out, reply.why_not) if reply is not None else ((), ())
    if before.key not in made.asked:
        if not before.lacking and after.lacking:
            note = f"broken by the proposals: {after.reason}"
        return Row(before, after, None, (), note, left_out, why_not)
    old, new = (planner.manifest(trace, before) for trace in (planner.trace, made.trace))
    note = f"not beside the other proposals: {after.reason}" if after.lacking else "; ".join(side_effects(old, new))
    return Row(before, after, strategic_patch(old, new), changes(old, new), note, left_out, why_not)


def _order(row: Row) -> tuple[bool, bool, tuple[float, int, tuple[str, str, str]]]:
    """Worst first: what stays not whole, then what was not."""
    return not row.after.lacking, not row.before.lacking, row.before.badness
