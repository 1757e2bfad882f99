"""`sim-arena trace make`: a trace of Kubernetes manifests."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from env.words import count
from runner.commands import tables
from runner.commands.console import check_place, print_json
from runner.options.flatten import flattened
from runner.options.manifests import ManifestsChoice
from runner.options.nodes import NodesChoice
from runner.options.output import OutputChoice

if TYPE_CHECKING:
    from env.snapshot.snapshot import Skipped, Snapshot


@flattened
def make(
    manifests: ManifestsChoice,
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it, such as web.sktrace.")],
    nodes: NodesChoice,
    output: OutputChoice,
) -> None:
    """Make a trace of Kubernetes manifests.

    It holds no env values, commands, ConfigMaps or Secrets. The nodes are those of --nodes, else those of Node
    manifests, else three.
    """
    from dataclasses import replace

    from agents.saved.files import write_atomic
    from env.errors import ConfigError
    from env.problems.scenario import assumed_nodes, nodes_of
    from env.snapshot import trace_of
    from env.trace.document import read_trace

    check_place(to, "--to")
    snapshot = manifests.snapshot
    if snapshot is None:
        raise ConfigError("-f: say which manifests, such as -f deploy/")
    snapshot = replace(snapshot, nodes=nodes.pools() or snapshot.nodes)
    trace = trace_of(snapshot)
    body = trace.to_bytes()
    read_trace(body, snapshot.source)  # none is written that would be refused, such as a too large one
    write_atomic(to, body)
    facts = {"wrote": str(to), "from": snapshot.source}
    if output.as_json:
        shown = None if snapshot.nodes is None else str(snapshot.nodes)
        print_json({**facts, **document(snapshot), "nodes": shown})
        return
    kinds = Counter(each["kind"] for each in snapshot.objects)
    held = ", ".join(count(number, kind) for kind, number in kinds.items())
    tables.show_facts({**facts, "objects": held, "nodes": str(nodes_of(trace) or assumed_nodes(trace))})
    if snapshot.skipped:
        tables.show(tables.skipped(grouped(snapshot.skipped)))


def document(snapshot: Snapshot) -> dict[str, Any]:
    """What a snapshot holds, and what it does not, as JSON holds it."""
    objects = [
        {"kind": each["kind"], "namespace": each["metadata"]["namespace"] or None, "name": each["metadata"]["name"]}
        for each in snapshot.objects
    ]
    skipped = [
        {"kind": each.kind, "name": each.name, "why": each.why, "matters": each.matters} for each in snapshot.skipped
    ]
    return {"objects": objects, "skipped": skipped}


def grouped(skipped: tuple[Skipped, ...]) -> list[tuple[str, list[str], str]]:
    """Kind, names and reason of what is left out, what matters first; one entry for equal kinds and reasons."""
    found: dict[tuple[bool, str, str], list[str]] = {}
    for each in skipped:
        found.setdefault((not each.matters, each.kind, each.why), []).append(each.name)
    return [(kind, names, why) for (_, kind, why), names in sorted(found.items(), key=lambda item: item[0][0])]
