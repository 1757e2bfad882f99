"""Every workload of a trace: who is not whole and why, a proposal for each, and the verdict of all together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from agents.agent import Agent
from env.embedded.left_out import LeftOut, left_out
from env.embedded.survey import WorkloadState
from env.interrupt import stopping_when
from env.problems.nodes import NodePools
from env.problems.scenario import Scenario
from env.snapshot.now import WorkloadNow
from env.trace.document import Trace
from env.usage.usage import Usage
from env.workload import KINDS, WorkloadRef
from runner.suggest.effects import side_effects
from runner.suggest.patch import changes, strategic_patch
from runner.suggest.proposals import Planner, Progress, Proposals, Reply
from runner.suggest.rows import Answer, Key, Row
from runner.suggest.sizes import SizedTrace, known_use, sized_trace

MANY = 500
"""Workloads from which on only those that are not whole are looked at for what was not simulated."""


@dataclass(frozen=True)
class Question:
    """Workloads, and what is known of them.

    Attributes:
        trace: The workloads.
        nodes: Where they run.
        duration_s: Seconds of the trace that are replayed; None: all of it, until all is at rest.
        usage: What containers use; annotations of the trace count besides.
        now: How workloads are by their cluster's own word, by kind, namespace and name.
        namespace: Propose only for workloads in it; None: for all.
        only: Propose only for this workload; None: for all.
        lower: Whether requests of which the use is not known go down even where some pods are Ready.
    """

    trace: Trace
    nodes: NodePools
    duration_s: float | None = None
    usage: Usage = field(default_factory=Usage)
    now: Mapping[Key, WorkloadNow] = field(default_factory=dict)
    namespace: str | None = None
    only: WorkloadRef | None = None
    lower: bool = False


def answer(
    question: Question,
    agent: Agent,
    max_steps: int,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Progress = lambda done, total, title: None,
) -> Answer:
    """Replay the workloads, propose for those that are not whole or not of the right size, and replay all together.

    Args:
        question: The workloads.
        agent: Who proposes.
        max_steps: The most steps that it takes for one workload.
        should_stop: Asked before every step, and within replays.
        on_progress: Gets how many workloads have been planned, of how many, and the next one's name.

    Raises:
        ClusterError, TraceError, QuantityError: The trace cannot be replayed.
        Stopped: `should_stop` turned true.
    """
    with stopping_when(should_stop):
        trace, usage = known_use(question.trace, question.usage)
        planner = Planner(
            trace,
            question.nodes,
            question.duration_s,
            agent,
            max_steps,
            usage,
            question.lower,
            should_stop,
            on_progress,
        )
        before = planner.survey(trace)
        asked = [state for state in before if _is_asked(state, question)]
        manifests = {state.key: planner.manifest(trace, state) for state in asked if state.kind in KINDS}
        sized = sized_trace(trace, before, asked, manifests, usage, planner.quick_survey)
        given = {state.key: state for state in before}
        made = replace(planner, trace=sized.trace, given=given).proposals(
            planner.survey(sized.trace) if sized.trace is not trace else before, {state.key for state in asked}
        )
        after = {state.key: state for state in (planner.survey(made.trace) if made.trace is not trace else before)}
        rows = [_row(planner, made, sized, state, after[state.key], question.now.get(state.key)) for state in before]
        rows = [row for row in rows if row.is_broken or _concerns(question, row.before)]
        beyond = _left_out(question, asked) if len(before) <= MANY else [each for row in rows for each in row.left_out]
        return Answer(tuple(sorted(rows, key=_order)), question.nodes, sized.unknown, tuple(dict.fromkeys(beyond)))


def _left_out(question: Question, states: Iterable[WorkloadState]) -> list[LeftOut]:
    scenarios = (
        Scenario(question.trace, state.workload, 0, question.nodes, question.duration_s, question.trace.name, None)
        for state in states
        if state.kind in KINDS
    )
    return [each for scenario in scenarios for each in left_out(scenario)]


def _is_asked(state: WorkloadState, question: Question) -> bool:
    """Whether something may be proposed for a workload: not where the cluster says that it is well."""
    now = question.now.get(state.key)
    runs = now is not None and now.is_whole and bool(state.lacking)
    return _concerns(question, state) and not runs


def _concerns(question: Question, state: WorkloadState) -> bool:
    """Whether a workload is asked about."""
    return question.namespace in (None, state.namespace) and question.only in (None, state.workload)


def _row(
    planner: Planner,
    made: Proposals,
    sized: SizedTrace,
    before: WorkloadState,
    after: WorkloadState,
    now: WorkloadNow | None,
) -> Row:
    reply, key = made.replies.get(before.key, Reply()), before.key
    row = Row(
        before,
        after,
        now,
        note=reply.note or sized.notes.get(key, ""),
        sizes=sized.why.get(key, ()),
        left_out=reply.left_out,
        why_not=reply.why_not,
    )
    if row.is_broken:
        row = replace(row, note=f"broken by the proposals: {after.reason}")
    if row.disagrees:
        row = replace(row, note=_disagreement(row))
    if before.kind not in KINDS or made.trace is planner.trace:
        return row
    old, new = (planner.manifest(trace, before) for trace in (planner.trace, made.trace))
    patch = strategic_patch(old, new)
    if not patch["spec"]:
        return row
    effects = "; ".join(side_effects(old, new))
    note = sized.notes.get(key, "") or effects
    if after.lacking:
        note = note or f"not beside the other proposals: {after.reason}"
    return replace(row, patch=patch, changes=changes(old, new), note=note)


def _disagreement(row: Row) -> str:
    if row.before.lacking:
        return "Ready in the cluster; the replay places its pods anew and finds no room for all"
    return f"the cluster says {row.now}; requests do not explain it"


def _order(row: Row) -> tuple[bool, bool, tuple[float, int, Key], int, int]:
    """Worst first: what stays not whole, then what was not, then what saves most."""
    return (
        not row.stays,
        row.is_ready,
        row.before.badness if not row.is_ready else (0, 0, ("", "", "")),
        row.cpu_m,
        (row.memory_bytes),
    )
