"""What `sim-arena suggest` says about all workloads: a table, worst first, and the verdict of all proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from env.words import count
from runner.commands import tables
from runner.commands.console import Exit, err, fail, out, print_json
from runner.commands.fitted import FittedTable
from runner.commands.interrupt import interruptible

if TYPE_CHECKING:
    from agents.agent import Agent
    from env.embedded.survey import WorkloadState
    from env.trace.document import Trace
    from runner.options.workload import ReplayChoice
    from runner.suggest.answer import Answer, Row


def suggest_all(trace: Trace, replay: ReplayChoice, player: Agent, steps: int, *, lower: bool, as_json: bool) -> None:
    """Find what would make all workloads Ready, print it, and leave with its exit code.

    Args:
        trace: The workloads.
        replay: Their nodes, and how long is replayed.
        player: Who proposes.
        steps: The most steps for one workload.
        lower: See `runner.suggest.answer.answer`.
        as_json: Whether to print one JSON document.
    """
    from env.problems.nodes import NodePools
    from env.problems.scenario import nodes_of
    from runner.suggest.answer import answer

    given = replay.pools() or nodes_of(trace)
    with interruptible("nothing was found by then") as should_stop, err.status("replaying") as status:

        def tell(done: int, total: int, title: str) -> None:
            status.update(f"{done + 1} of {total}: {title}")

        found = answer(
            trace,
            given or NodePools(),
            replay.duration,
            player,
            steps,
            lower=lower,
            should_stop=should_stop,
            on_progress=tell,
        )
    if as_json:
        print_json(_document(found, trace.name, is_assumed=given is None))
    else:
        _show(found, trace.name, is_assumed=given is None)
    _leave(found)


def _show(found: Answer, source: str, *, is_assumed: bool) -> None:
    nodes = str(found.nodes) + ("; assumed, give yours with --nodes" if is_assumed else "")
    tables.show_facts(
        {
            "source": source,
            "nodes": nodes,
            "requested": _requested(found),
            "not Ready": f"{len(found.failing)} of {count(len(found.rows), 'workload')}",
        }
    )
    told = [row for row in found.rows if row.has_something]
    if not told:
        return
    out.print()
    tables.show(_table(told))
    if found.proposals:
        out.print("\n" + _verdict(found), markup=False, highlight=False)
        for command in _commands(found):
            out.print(command, markup=False, highlight=False, soft_wrap=True)


def _table(rows: Sequence[Row]) -> FittedTable:
    table = FittedTable("workload", "asks for", "ready", "why", "proposal", "cores", "GiB")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _requested(found: Answer) -> str:
    """What all pods request, of what all nodes have."""
    cpu_m, memory_bytes = found.requested
    nodes_cpu_m, nodes_bytes = found.nodes.total
    return f"{_amount(cpu_m / 1000)} of {_amount(nodes_cpu_m / 1000)} cores, " + (
        f"{_amount(memory_bytes / 2**30)} of {_amount(nodes_bytes / 2**30)} GiB"
    )


def _cells(row: Row) -> tuple[str, ...]:
    from rich.markup import escape

    proposal = ", ".join(row.changes)
    note = f"({row.note})" if row.note and proposal else row.note
    texts = (
        str(row.before.workload),
        asks_for(row.before),
        f"{row.before.ready} of {row.before.wanted}",
        row.before.reason,
        " ".join(part for part in (proposal, note) if part),
        _signed(row.cpu_m / 1000) if row.patch else "",
        _signed(row.memory_bytes / 2**30) if row.patch else "",
    )
    return tuple(map(escape, texts))


def asks_for(state: WorkloadState) -> str:
    """The pods of a workload and what each takes of its node."""
    from env.quantity import format_cpu, format_memory

    return f"{state.wanted} x {format_cpu(state.cpu_m)} CPU, {format_memory(state.memory_bytes)}"


def _signed(amount: float) -> str:
    """An amount that is requested more or less."""
    text = _amount(amount)
    return text if amount <= 0 else f"+{text}"


def _amount(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _verdict(found: Answer) -> str:
    """Who would be Ready with all proposals together, and what that costs or saves."""
    cores = sum(row.cpu_m for row in found.proposals) / 1000
    gib = sum(row.memory_bytes for row in found.proposals) / 2**30
    staying = len(found.staying)
    whole = "all workloads" if not staying else f"{len(found.rows) - staying} of {len(found.rows)} workloads"
    return f"with all proposals together {whole} Ready; cores {_signed(cores)}, GiB {_signed(gib)}"


def _commands(found: Answer) -> list[str]:
    from runner.suggest.patch import patch_command

    return [patch_command(row.before.workload, row.patch) for row in found.proposals if row.patch is not None]


def _leave(found: Answer) -> None:
    """Leave with the exit code, and say why where it is not 0."""
    if found.staying:
        names = ", ".join(str(row.before.workload) for row in found.staying)
        fail(f"{count(len(found.staying), 'workload')} not Ready with all that is proposed: {names}")
    if not found.failing and not found.proposals:
        fail(f"{count(len(found.rows), 'workload')}: nothing is wrong; nothing to do", Exit.NOTHING_TO_DO)


def _document(found: Answer, source: str, *, is_assumed: bool) -> dict[str, Any]:
    return {
        "source": source,
        "nodes": {"text": str(found.nodes), "assumed": is_assumed},
        "workloads": [_row_document(row) for row in found.rows],
        "not_ready": len(found.failing),
        "not_ready_with_proposals": len(found.staying),
        "proposals": len(found.proposals),
        "cpu_m": sum(row.cpu_m for row in found.proposals),
        "memory_bytes": sum(row.memory_bytes for row in found.proposals),
    }


def _row_document(row: Row) -> dict[str, Any]:
    from runner.suggest.patch import patch_command

    return {
        "kind": row.before.kind,
        "namespace": row.before.namespace,
        "name": row.before.name,
        "before": _state_document(row.before),
        "after": _state_document(row.after),
        "changes": list(row.changes),
        "cpu_m": row.cpu_m,
        "memory_bytes": row.memory_bytes,
        "patch": row.patch,
        "command": None if row.patch is None else patch_command(row.before.workload, row.patch),
        "note": row.note,
        "why_not": list(row.why_not),
        "left_out": [tables.left_out_document(each) for each in row.left_out],
    }


def _state_document(state: WorkloadState) -> dict[str, Any]:
    from env.quantity import format_cpu, format_memory

    return {
        "wanted": state.wanted,
        "ready": state.ready,
        "lacking": state.lacking,
        "cpu": format_cpu(state.cpu_m),
        "memory": format_memory(state.memory_bytes),
        "reason": state.reason,
        "why": list(state.why),
    }
