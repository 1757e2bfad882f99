"""An answer in words, as cells of a table, as JSON, and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from env.embedded.left_out import LeftOut
from env.embedded.survey import WorkloadState
from env.printable import one_line
from env.quantity import format_cpu, format_memory
from runner.suggest.patch import patch_command
from runner.suggest.rows import Answer, Row

TITLES = ("workload", "asks for", "ready", "why", "proposal", "cores", "GiB")
_GIB = 2**30
_HAS, _OLD = re.compile(r", has \S+?(?=;|$)"), re.compile(r"\S+ -> ")
_LONGEST_CELL = 400
# What begins markup, a mention, an issue or a formula; and what makes a link of a text.
_MARKUP = re.compile(r"[\\`*_\[\]<#!|~&@$]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table, in the order of TITLES."""
    ready, wanted = (row.before.ready, row.before.wanted) if row.now is None else (row.now.ready, row.now.wanted)
    proposal = ", ".join(row.changes)
    remark = f"({row.note})" if row.note and proposal else row.note
    return (
        str(row.before.workload),
        asks_for(row.before),
        f"{ready} of {wanted}",
        "; ".join(part for part in (row.before.reason, *row.sizes) if part),
        " ".join(part for part in (proposal, remark) if part),
        signed(row.cpu_m / 1000) if row.patch else "",
        signed(row.memory_bytes / _GIB) if row.patch else "",
    )


def short_cells(row: Row) -> tuple[str, ...]:
    """The same in fewer words: without what the column `asks for` says already."""
    name, asks, ready, why, proposal, cores, gib = cells(row)
    return name, asks, ready, _HAS.sub("", why), _OLD.sub("", proposal), cores, gib


def asks_for(state: WorkloadState) -> str:
    """The pods of a workload and what each takes of its node."""
    return f"{state.wanted} x {format_cpu(state.cpu_m)} CPU, {format_memory(state.memory_bytes)}"


def requested(found: Answer) -> str:
    """What all pods request, of what all nodes have."""
    cpu_m, memory_bytes = found.requested
    nodes_cpu_m, nodes_bytes = found.nodes.total
    return f"{_amount(cpu_m / 1000)} of {_amount(nodes_cpu_m / 1000)} cores, " + (
        f"{_amount(memory_bytes / _GIB)} of {_amount(nodes_bytes / _GIB)} GiB"
    )


def verdict(found: Answer) -> str:
    """Who would be Ready with all proposals together, and what that costs or saves."""
    cores = sum(row.cpu_m for row in found.proposals) / 1000
    gib = sum(row.memory_bytes for row in found.proposals) / _GIB
    staying = len(found.staying)
    whole = "all workloads are" if not staying else f"{len(found.rows) - staying} of {len(found.rows)} workloads are"
    return f"with all proposals together {whole} Ready; cores {signed(cores)}, GiB {signed(gib)}"


def caution(found: Answer) -> str:
    """What is not known of proposals that lower requests; "" where all is."""
    unknown = {(key.kind, key.namespace, key.workload) for key in found.unknown}
    lowered = [row for row in found.proposals if row.before.key in unknown and min(row.cpu_m, row.memory_bytes) < 0]
    if not lowered:
        return ""
    which = f"{len(lowered)} of these" if len(lowered) < len(found.proposals) else "these"
    return f"{which} lower requests whose use is not known: compare them with what the pods use, or give it (--usage)"


def commands(found: Answer) -> list[str]:
    """The kubectl command of each proposal."""
    return [patch_command(row.before.workload, row.patch) for row in found.proposals if row.patch is not None]


def signed(amount: float) -> str:
    """An amount that is requested more or less."""
    text = _amount(amount)
    return text if amount <= 0 else f"+{text}"


def _amount(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def document(found: Answer) -> dict[str, Any]:
    """An answer as JSON holds it."""
    return {
        "workloads": [_row(row) for row in found.rows],
        "not_ready": len(found.failing),
        "not_ready_with_proposals": len(found.staying),
        "proposals": len(found.proposals),
        "cpu_m": sum(row.cpu_m for row in found.proposals),
        "memory_bytes": sum(row.memory_bytes for row in found.proposals),
        "use_unknown": [str(key) for key in found.unknown],
        "left_out": [_left_out(each) for each in found.left_out],
    }


def _row(row: Row) -> dict[str, Any]:
    now = row.now
    return {
        "kind": row.before.kind,
        "namespace": row.before.namespace,
        "name": row.before.name,
        "is_ready": row.is_ready,
        "before": _state(row.before),
        "after": _state(row.after),
        "cluster": None if now is None else {"wanted": now.wanted, "ready": now.ready, "text": str(now)},
        "agrees": not row.disagrees,
        "sizes": list(row.sizes),
        "changes": list(row.changes),
        "cpu_m": row.cpu_m,
        "memory_bytes": row.memory_bytes,
        "patch": row.patch,
        "command": None if row.patch is None else patch_command(row.before.workload, row.patch),
        "note": row.note,
        "why_not": list(row.why_not),
        "left_out": [_left_out(each) for each in row.left_out],
    }


def _left_out(each: LeftOut) -> dict[str, str]:
    return {"kind": each.kind, "name": each.name, "consequence": each.consequence}


def _state(state: WorkloadState) -> dict[str, Any]:
    return {
        "wanted": state.wanted,
        "ready": state.ready,
        "lacking": state.lacking,
        "cpu": format_cpu(state.cpu_m),
        "memory": format_memory(state.memory_bytes),
        "reason": state.reason,
        "why": list(state.why),
    }


def markdown(found: Answer, facts: Mapping[str, str], left_out: Iterable[str]) -> str:
    """An answer as a comment of a pull request. Text of others, such as names, cannot become markup."""
    told = [row for row in found.rows if row.has_something]
    title = f"{len(found.failing)} of {len(found.rows)} workloads not Ready" if found.failing else "All workloads Ready"
    parts = [f"### {title}", "\n".join(f"- {escaped(name)}: {escaped(text)}" for name, text in facts.items())]
    if told:
        parts.append(markdown_table(TITLES, map(cells, told)))
    if found.proposals:
        parts += [escaped(verdict(found)), escaped(caution(found))]
        parts.append("```sh\n" + "\n".join(commands(found)) + "\n```")
    parts += ["\n".join(f"- {escaped(line)}" for line in left_out)]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells that a row lacks are empty."""
    width = len(titles)
    head = f"| {' | '.join(titles)} |\n|{'---|' * width}"
    padded = ([*map(escaped, row), *[""] * (width - len(row))] for row in rows)
    return "\n".join([head, *(f"| {' | '.join(row)} |" for row in padded)])


def escaped(text: str) -> str:
    """Text in which Markdown finds no markup, mention, link or end of a cell."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", one_line(text, _LONGEST_CELL))
