"""Workloads whose pods no offer takes, and what keeps them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from env.plan.demand import Demand, PodGroup, Table
from env.plan.offers import Offer
from env.quantity import format_cpu, format_memory

_IN_BYTES = ("ephemeral-storage", "hugepages-")


@dataclass(frozen=True)
class Misfit:
    """A workload whose pods no offer takes, and why."""

    group: PodGroup
    why: str


def misfits_of(demand: Demand, table: Table, offers: Sequence[Offer]) -> tuple[Misfit, ...]:
    """Those of a demand, of which the table has the numbers."""
    return tuple(
        Misfit(group, _why(group, row, table, offers))
        for row, group in enumerate(demand.groups)
        if not table.fits[row].any()
    )


def _why(group: PodGroup, row: int, table: Table, offers: Sequence[Offer]) -> str:
    for name, asked in group.template.extended:
        most = max(dict(offer.node.resources).get(name, 0) for offer in offers)
        if most < asked:
            shown = format_memory if name.startswith(_IN_BYTES) else str
            return f"a pod asks for {shown(asked)} of {name}, and no node has more than {shown(most)}"
    names = {offer.name for offer in offers}
    roomy = {offers[o].name for o in (table.rooms >= table.requests[row]).all(axis=1).nonzero()[0].tolist()}
    if roomy:
        return f"a pod fits {len(roomy)} of {len(names)} node types by size, and their labels or taints keep it out"
    largest = table.rooms.max(axis=0)
    cpu, memory = format_cpu(group.template.cpu_m), format_memory(group.template.memory_bytes)
    return (
        f"a pod asks for {cpu} CPU and {memory}; beside DaemonSets the largest node has {format_cpu(int(largest[0]))} "
        f"CPU, and {format_memory(int(largest[1]))} the one with the most memory"
    )
